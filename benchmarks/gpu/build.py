# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes the folder that run.py takes to a machine with a GPU: libraries, the runtime, and what the simulator computed.

usage: python benchmarks/gpu/build.py [--build build] [--output build/gpu] [--sm 80,90a] [--no-simulation]
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
from cases import CASES, CHECKED, HEADS, Case

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 64e6  # bytes of everything


def run(command: list[str]) -> str:
    """The error of a command, or nothing."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.stderr.strip():
        print(done.stderr.strip(), file=sys.stderr)
    return "" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def simulate(case: Case, tools: Path, folder: Path, sm: str) -> str:
    """Inputs and the simulator's result beside the library; f16 alone travels through .npy files."""
    source = folder / f"{case.name}.mlir"
    generator = numpy.random.default_rng(7)
    flags = []
    for name in "qkv":
        path = folder / f"{case.name}-{name}.npy"
        numpy.save(path, generator.standard_normal((1, HEADS, CHECKED, case.d)).astype(case.torch_dtype))
        flags.append(f"--input={path}")
    form = [f"--form={case.form}"] if case.form else []
    output = folder / f"{case.name}-simulated.npy"
    command = [tools / "attn-run", source, "--simulate", f"--sm={sm.split(',')[0]}", *flags, *form]
    return run([str(part) for part in [*command, f"--output={output}"]])


def main() -> int:
    parser = argparse.ArgumentParser(description="Makes the folder that run.py takes to a machine with a GPU.")
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "gpu")
    parser.add_argument("--sm", default="80,90a")
    parser.add_argument("--no-simulation", action="store_true")
    options = parser.parse_args()
    folder, tools = options.output, options.build / "bin"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    failures = {}
    for case in CASES:
        source = folder / f"{case.name}.mlir"
        source.write_text(case.ir())
        form = [f"--form={case.form}"] if case.form else []
        target = ["--target=nvptx", f"--sm={options.sm}", "-o", folder / f"{case.name}.so"]
        error = run([str(part) for part in [tools / "attn-compile", source, *target, *form]])
        if not error and case.dtype != "bf16" and not options.no_simulation:
            error = simulate(case, tools, folder, options.sm)
        if error:
            failures[case.name] = error
        print(f"{case.name}: {error or 'built'}", flush=True)
    shutil.copy(options.build / "lib" / "libattn_runtime.so", folder)
    describe = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    commit = subprocess.run(describe, capture_output=True, text=True).stdout.strip()
    record = {"commit": commit, "sm": options.sm, "failures": failures}
    (folder / "build.json").write_text(json.dumps(record, indent=1))
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{folder}: {size / 1e6:.1f} MB")
    if size > LIMIT:
        print(f"error: expected at most {LIMIT / 1e6:.0f} MB", file=sys.stderr)
    return 1 if failures or size > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
