# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What evaluates a case in the tests: the f64 reference, or a library that the compiler made.

Both take the inputs in f64, already rounded to the case's type, and give results in f64.
"""

import functools
import shutil

import libraries
import numpy as np
import problem
import reference


class Reference:
    name = "reference"

    @staticmethod
    def evaluate(case, inputs):
        return reference.evaluate(case, inputs)

    @staticmethod
    def tolerances(case, inputs):
        del inputs
        return [1e-11] * len(case.destinations())


class Compiled:
    """Libraries are kept by their IR, which for dynamic shapes serves many cases, and for all processes of a session."""

    name = "compiled"

    @staticmethod
    @functools.lru_cache(maxsize=64)
    def _module(ir, flags):
        import attn_compiler

        def make(folder):
            attn_compiler.compile(ir, output=folder / "case.so", **dict(flags))

        return attn_compiler.load(libraries.kept((ir, flags), make) / "case.so")

    @staticmethod
    def evaluate(case, inputs, **flags):
        return Compiled.call(Compiled._module(case.ir(), tuple(sorted(flags.items()))), case, inputs)

    @staticmethod
    def call(module, case, inputs):
        arrays = [Compiled._to_type(name, array, case.dtype) for name, array in zip(case.operands(), inputs, strict=True)]
        results = module.main(*arrays)
        results = results if isinstance(results, tuple) else (results,)
        return [Compiled._to_double(result) for result in results]

    @staticmethod
    def tolerances(case, inputs):
        return case.tolerances(inputs)

    @staticmethod
    def _to_type(name, array, dtype):
        array = np.array(array, order="C")
        if name == "key_valid":
            return array != 0
        if dtype != "bfloat16":
            return array.astype(dtype)
        import torch

        return torch.from_numpy(array).to(torch.bfloat16)

    @staticmethod
    def _to_double(result):
        if isinstance(result, np.ndarray):
            return result.astype(np.float64)
        return result.double().numpy()


ENGINES = [Reference] + ([Compiled] if shutil.which("attn-compile") else [])


def check(case, engine=Compiled, inputs=None, **flags):
    """Evaluates a case and compares it with numpy's; returns the results."""
    inputs = case.inputs() if inputs is None else inputs
    results = engine.evaluate(case, inputs, **flags)
    wanted = case.evaluate(inputs)
    problem.assert_close(results, wanted, engine.tolerances(case, inputs), f"{engine.name} {case}")
    return results
