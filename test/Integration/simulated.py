# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Evaluates a case of the generated tests with kernels for GPUs, which run in the simulator: every access is checked, and
the order of blocks and warps is random."""

import subprocess
import tempfile
from pathlib import Path

import libraries
import numpy as np
from problem import MLIR_TYPES

NUMPY_TYPES = {"i1": "bool", **{element: name for name, element in MLIR_TYPES.items()}}


def _save(path, array, dtype):
    if dtype == "bfloat16":
        array = (np.asarray(array, np.float32).view(np.uint32) >> 16).astype(np.uint16).view("V2")
    np.save(path, np.ascontiguousarray(array.astype(dtype) if dtype != "bfloat16" else array))


def _load(path):
    array = np.load(path)
    if array.dtype.kind == "V":
        return (array.view(np.uint16).astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return array.astype(np.float64)


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{' '.join(map(str, command))} failed:\n{done.stderr}"
    return done.stdout


class Simulated:
    name = "simulated"
    sm = "80"

    @classmethod
    def evaluate(cls, case, inputs, form=None):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            library = libraries.for_simulation(case.ir(), cls.sm, [f"--form={form}"] if form else [])
            command = ["attn-run", library, "--entry=main", "--simulate", "--simulation-order=7"]
            for number, (name, array) in enumerate(zip(case.operands(), inputs, strict=True)):
                element = case.type_of(name).removesuffix(">").split("x")[-1].removeprefix("tensor<")
                _save(folder / f"{number}.npy", np.asarray(array), NUMPY_TYPES[element])
                command.append(f"--input={folder / f'{number}.npy'}")
            outputs = [folder / f"{name}.npy" for name in case.destinations()]
            cls.check_report(_run(*command, *(f"--output={path}" for path in outputs)))
            return [_load(path) for path in outputs]

    @staticmethod
    def check_report(report):
        """For who wants to know which instructions ran."""

    @staticmethod
    def tolerances(case, *arguments):
        return case.tolerances(*arguments)
