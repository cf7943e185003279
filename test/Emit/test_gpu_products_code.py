# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Kernels of products assemble for every architecture that we name without spills, and are made of the instructions that
they should be made of."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_kernels import find

sys.path.insert(0, str(Path(__file__).parent.parent / "Integration"))

from feed_forward_case import FeedForwardCase  # noqa: E402
from product_case import ProductCase  # noqa: E402

ARCHITECTURES = ["80", "86", "89", "90a", "100a", "120"]
LARGE = {"m": 8192, "n": 4096, "k": 4096}
# Multiplications of a step of the depth: the warp's tile over 16 x 8, times the depth of a step over an instruction's, times
# three for f32.
PROGRAMS = {
    "f16": (ProductCase("mk,nk->mn", **LARGE, epilogue="gelu", out="float16"), 64),
    "bf16": (ProductCase("mk,kn->mn", **LARGE, dtype="bfloat16", epilogue="residual", out="bfloat16"), 64),
    "f32": (ProductCase("km,nk->mn", **LARGE, dtype="float32", epilogue="gelu"), 192),
    "dynamic": (ProductCase("bmk,kn->bmn", n=384, k=1536, dynamic="bm", epilogue="residual", out="float16"), None),
    "odd": (ProductCase("mk,nk->mn", m=4097, n=4001, k=1001, epilogue="bias", out="float16"), 64),
    "small": (ProductCase("mk,nk->mn", m=128, n=384, k=384, dtype="float32", epilogue="bias"), None),
    "decode": (ProductCase("mk,nk->mn", m=1, n=4096, k=4096, epilogue="bias", out="float16"), None),
    "layer": (FeedForwardCase("gelu", 128, 384, 1536, 384), None),
    "gated": (FeedForwardCase("silu", 4096, 512, 1376, 512, gated=True, dtype="bfloat16", dynamic=False), None),
}


@pytest.fixture(scope="module")
def ptxas():
    return find("ptxas") or pytest.skip("ptxas is missing: install nvidia-cuda-nvcc")


@pytest.fixture(scope="module", params=PROGRAMS)
def program(request, tmp_path_factory):
    """The expected number of multiplications, and the PTX by architecture."""
    folder = tmp_path_factory.mktemp("ptx")
    case, multiplications = PROGRAMS[request.param]
    (folder / "in.mlir").write_text(case.ir(), encoding="utf-8")
    command = ["attn-compile", folder / "in.mlir", "--target=nvptx", f"--sm={','.join(ARCHITECTURES)}", "--emit=ptx"]
    subprocess.run([*command, "-o", folder / "out.ptx"], check=True)
    return multiplications, {sm: folder / f"out.sm_{sm}.ptx" for sm in ARCHITECTURES}


def test_instructions(program):
    multiplications, paths = program
    text = paths["80"].read_text()
    for kernel in re.split(r"\.visible \.entry ", text)[1:]:
        assert "mma.sync" in kernel and "cp.async.wait_group" in kernel
        assert ".local" not in kernel and ".extern .func" not in kernel
    if multiplications:
        assert text.count("mma.sync") == multiplications
    # Waits leave the steps ahead on their way.
    assert re.search(r"cp\.async\.wait_group\s+[12];", text)


@pytest.mark.parametrize("sm", ARCHITECTURES)
def test_assembles_without_spills(ptxas, program, tmp_path, sm):
    command = [ptxas, "-v", f"-arch=sm_{sm}", program[1][sm], "-o", tmp_path / "out.cubin"]
    done = subprocess.run(command, capture_output=True, text=True)
    report = done.stdout + done.stderr
    assert done.returncode == 0, report
    frames = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", report)
    assert frames and all(frame == ("0", "0", "0") for frame in frames), report
