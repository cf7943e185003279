# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What evaluates a case of linear attention: the f64 reference or a compiled library."""

import shutil

import engines
import numpy as np
import problem
import reference


class Reference:
    name = "reference"

    @staticmethod
    def evaluate(case, inputs):
        done, results = reference.run(case.ir(), inputs, len(case.destinations()))
        assert done.returncode == 0, done.stderr
        return results

    @staticmethod
    def tolerances(case, wanted, inputs):
        del case, inputs
        return [1e-10 * max(1, np.abs(part).max(initial=0)) for part in wanted]


class Compiled:
    name = "compiled"

    @staticmethod
    def evaluate(case, inputs, **flags):
        module = engines.Compiled._module(case.ir(), tuple(sorted(flags.items())))
        arrays = []
        for name, array in zip(case.operands(), inputs, strict=True):
            narrow = name in ("query", "key", "value", "key_valid")
            arrays.append(engines.Compiled._to_type(name, array, case.dtype if narrow else case.accumulator))
        results = module.main(*arrays)
        results = results if isinstance(results, tuple) else (results,)
        return [engines.Compiled._to_double(result) for result in results]

    @staticmethod
    def tolerances(case, wanted, inputs):
        return case.tolerances(wanted, inputs)


ENGINES = [Reference] + ([Compiled] if shutil.which("attn-compile") else [])


def check(case, engine=Compiled, inputs=None, wanted=None, **flags):
    """Evaluates a case and compares it with numpy's; returns the results."""
    inputs = case.inputs() if inputs is None else inputs
    results = engine.evaluate(case, inputs, **flags)
    wanted = case.evaluate(inputs) if wanted is None else wanted
    problem.assert_close(case.settle(results), wanted, engine.tolerances(case, wanted, inputs), f"{engine.name} {case}")
    return results
