# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The compiler's own f64 reference, called as a program."""

import subprocess
import tempfile
from pathlib import Path

import numpy as np


def run(ir, inputs, num_results, *flags):
    """The finished process, and the results if it was successful."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "in.mlir").write_text(ir)
        command = ["attn-reference", folder / "in.mlir", *flags]
        for number, array in enumerate(inputs):
            np.save(folder / f"in{number}.npy", np.asarray(array, np.float64, order="C"))
            command += [f"--input={folder / f'in{number}.npy'}"]
        command += [f"--output={folder / f'out{number}.npy'}" for number in range(num_results)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        results = []
        if done.returncode == 0:
            results = [np.load(folder / f"out{number}.npy") for number in range(num_results)]
        return done, results


def evaluate(case, inputs, by_loops=False):
    """The results of a case by one of the reference's two ways."""
    destinations = [np.zeros(case.shape(name)) for name in case.destinations()] if by_loops else []
    flags = ["--by-loops"] if by_loops else []
    done, results = run(case.ir(by_loops), [*inputs, *destinations], len(case.destinations()), *flags)
    assert done.returncode == 0, done.stderr
    return results
