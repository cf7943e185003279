# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Evaluates a case of sorted attention with kernels for GPUs, which run in the simulator: every access is checked, and the
order of blocks and warps is random."""

import tempfile
from pathlib import Path

import libraries
import lsh_engines
import numpy as np
import simulated

INTEGERS = {"valid": "bool", "query_valid": "bool", "key_valid": "bool", "injected": "int32"}
SINGLES = ("rotations", "directions")


def simulate(folder, library, case, made, order=7, sorts=True):
    """Results in the case's layout, in f64, of kernels that sort or of others."""
    command = ["attn-run", library, "--entry=main", "--simulate", f"--simulation-order={order}"]
    for number, name in enumerate(case.operands()):
        dtype = INTEGERS.get(name, "float32" if name in SINGLES else case.dtype)
        path = folder / f"{number}.npy"
        simulated._save(path, np.ascontiguousarray(case.arrange(name, np.asarray(made[name]))), dtype)
        command.append(f"--input={path}")
    outputs = [folder / f"{name}.npy" for name in case.destinations()]
    report = simulated._run(*command, *(f"--output={path}" for path in outputs))
    assert ("_lsh_chunks_" in report) == sorts, report
    return dict(zip(case.destinations(), map(simulated._load, outputs)))


class Simulated(lsh_engines.Compiled):
    """An engine as in lsh_engines."""

    name = "simulated"
    sorts = True

    @classmethod
    def evaluate(cls, case, made):
        with tempfile.TemporaryDirectory() as folder:
            return simulate(Path(folder), libraries.for_simulation(case.ir()), case, made, sorts=cls.sorts)


class Dense(Simulated):
    sorts = False
