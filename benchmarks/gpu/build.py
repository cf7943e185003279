# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes the folder that run.py takes to a machine with a GPU: libraries, the runtime, what the simulator computed, and how
long the model says that everything takes (predictions.json).

usage: python benchmarks/gpu/build.py [--build build] [--output build/gpu] [--sm 80,90a] [--no-simulation]
       [--predict h100,h200]
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
from cases import CASES, CHECKED, HEADS, Case, lengths

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 64e6  # bytes of everything
SM = {
    **{"a100": "80", "rtx3090": "86", "a6000": "86", "rtx4090": "89", "l40s": "89"},
    **{"h100": "90a", "h200": "90a", "b200": "100a", "rtx5090": "120"},
}


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


def predict(case: Case, machine: str, tools: Path, folder: Path) -> dict[str, dict]:
    """Milliseconds and bounds by length, or why there are none."""
    source, found = folder / f"{case.name}.mlir", {}
    form = [f"--form={case.form}"] if case.form else []
    with tempfile.TemporaryDirectory() as temporary:
        library = Path(temporary) / "out.so"
        target = ["--target=nvptx", f"--sm={SM[machine]}", "--embed-ir", "-o", library]
        error = run([str(part) for part in [tools / "attn-compile", source, *target, *form]])
        for n in lengths(case):
            command = [tools / "attn-run", library, f"--predict={machine}", "--json", *case.dims(n)]
            done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
            if error or done.returncode:
                lines = [error, *done.stderr.strip().splitlines()]
                found[str(n)] = {"error": next((line for line in lines if line), "no message")}
                continue
            report = json.loads(done.stdout)
            longest = max(report["kernels"], key=lambda kernel: kernel["ms"] * kernel["launches"])
            found[str(n)] = {"ms": report["ms"], "bound": longest["bound"], "kernels": len(report["kernels"])}
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Makes the folder that run.py takes to a machine with a GPU.")
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "gpu")
    parser.add_argument("--sm", default="80,90a")
    parser.add_argument("--no-simulation", action="store_true")
    parser.add_argument("--predict", default="h100,h200", help="machines of attn-run --predict; none: ''")
    options = parser.parse_args()
    folder, tools = options.output, options.build / "bin"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    failures, predictions = {}, {machine: {} for machine in options.predict.split(",") if machine}
    for machine in set(predictions) - set(SM):
        parser.error(f"expected --predict to list machines out of {', '.join(SM)}, got '{machine}'")
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
        for machine in {} if error else predictions:
            predictions[machine][case.name] = predict(case, machine, tools, folder)
        print(f"{case.name}: {error or 'built'}", flush=True)
    (folder / "predictions.json").write_text(json.dumps(predictions, indent=1))
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
