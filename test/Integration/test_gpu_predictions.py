# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What `attn-run --predict` says of attention: a bound with a name, times that grow with the length, and the same for some
blocks as for all where all do the same."""

import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PIPES = {"tensor", "fma", "alu", "special", "shared", "issue", "l2", "memory"}


def load_cases():
    spec = importlib.util.spec_from_file_location("gpu_cases", ROOT / "benchmarks" / "gpu" / "cases.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_cases"] = module  # dataclasses look it up
    spec.loader.exec_module(module)
    return module


CASES = load_cases()


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """Libraries of two heads for sm_80, by mask."""
    folder, made = tmp_path_factory.mktemp("predictions"), {}
    for mask in ("full", "causal"):
        source, library = folder / f"{mask}.mlir", folder / f"{mask}.so"
        source.write_text(CASES.Case("f16", 64, mask).ir(heads=2), encoding="utf-8")
        command = ["attn-compile", source, "--target=nvptx", "--sm=80", "--embed-ir", "-o", library]
        subprocess.run(command, check=True, timeout=120)
        made[mask] = library
    return made


def predict(library, machine, length, *flags):
    dims = CASES.Case("f16", 64, "full").dims(length)
    command = ["attn-run", library, f"--predict={machine}", "--json", *dims, *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["machine"] == machine and report["predicted"] is True
    return report


@pytest.mark.parametrize("mask", ["full", "causal"])
def test_times_grow_with_the_length(libraries, mask):
    times = []
    for length in (512, 1024, 2048):
        report = predict(libraries[mask], "a100", length, "--predict-blocks=2")
        for kernel in report["kernels"]:
            assert kernel["bound"] in PIPES | {"blocks", "start"}
            assert set(kernel["busy_ms"]) == PIPES
            assert all(math.isfinite(ms) and ms >= 0 for ms in kernel["busy_ms"].values())
            assert 0 < kernel["evenness"] <= 1 and 0 <= kernel["tensor_share"] < 1
            assert kernel["ms"] >= max(kernel["busy_ms"].values())
        times.append(report["ms"])
    assert all(math.isfinite(ms) for ms in times)
    assert times == sorted(set(times))


def test_some_blocks_stand_for_all(libraries):
    all_blocks = predict(libraries["full"], "h100", 512, "--predict-blocks=0")
    some = predict(libraries["full"], "h100", 512, "--predict-blocks=3")
    assert [kernel["blocks_simulated"] for kernel in some["kernels"]] == [3]
    assert [kernel["blocks_simulated"] for kernel in all_blocks["kernels"]] == [kernel["blocks"] for kernel in some["kernels"]]
    for one, other in zip(all_blocks["kernels"], some["kernels"], strict=True):
        assert one["flops"] == other["flops"]
        assert one["busy_ms"] == pytest.approx(other["busy_ms"], rel=1e-6)


def test_causal_sample_is_near_all_blocks(libraries):
    flops = [predict(libraries["causal"], "h100", 1024, f"--predict-blocks={n}")["kernels"][0]["flops"] for n in (0, 8)]
    assert flops[1] == pytest.approx(flops[0], rel=0.1)


def test_faster_machines_are_faster(libraries):
    times = [predict(libraries["full"], name, 2048, "--predict-blocks=1")["ms"] for name in ("rtx3090", "a100", "h100")]
    assert times == sorted(times, reverse=True)
