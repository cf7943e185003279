# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs @main of any program as kernels for GPUs in the simulator."""

import json
import re
import tempfile
from pathlib import Path

import libraries
from simulated import _load, _run, _save


def simulate(ir, inputs, dtypes, outputs=1, flags=(), order=7):
    """The results in f64, and the report of attn-run with what the simulator counted."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        library = libraries.for_simulation(ir, flags=flags)
        command = ["attn-run", library, "--entry=main", "--simulate", f"--simulation-order={order}", "--json"]
        for number, (array, dtype) in enumerate(zip(inputs, dtypes, strict=True)):
            _save(folder / f"{number}.npy", array, dtype)
            command.append(f"--input={folder / f'{number}.npy'}")
        paths = [folder / f"out{number}.npy" for number in range(outputs)]
        report = json.loads(_run(*command, *(f"--output={path}" for path in paths)))
        return [_load(path) for path in paths], report


def kernels(report):
    """What was counted, by the kernel's name without the function and the number."""
    return {re.sub(r"^main_(.*?)(_\d+)?$", r"\1", name): counts for name, counts in report["kernels"].items()}
