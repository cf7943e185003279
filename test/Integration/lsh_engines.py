# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What evaluates a case of LSH attention: the f64 reference, or a library that the compiler made.

Inputs and results are dictionaries of canonical arrays [B,H,N,...] in f64.
"""

import shutil

import engines
import numpy as np
import problem
import reference


class Reference:
    name = "reference"

    @staticmethod
    def evaluate(case, made):
        inputs = [case.arrange(name, made[name]) for name in case.operands()]
        done, results = reference.run(case.ir(), inputs, len(case.destinations()))
        assert done.returncode == 0, done.stderr
        return dict(zip(case.destinations(), results))

    @staticmethod
    def tolerances(case, made):
        del case, made
        return {"output": 1e-10, "lse": 1e-9}

    @staticmethod
    def prepare(case, made):
        """What the engine reads, as f64: nothing is rounded."""
        del case
        return made


class Compiled:
    name = "compiled"

    @staticmethod
    def evaluate(case, made):
        module = engines.Compiled._module(case.ir(), ())
        results = module.main(*[Compiled._array(case, name, made[name]) for name in case.operands()])
        results = results if isinstance(results, tuple) else (results,)
        return dict(zip(case.destinations(), map(engines.Compiled._to_double, results)))

    @staticmethod
    def tolerances(case, made):
        return case.tolerances(made)

    @staticmethod
    def prepare(case, made):
        return {
            name: problem.round_to(array, case.dtype) if name in ("x", "value") else array
            for name, array in made.items()
        }

    @staticmethod
    def _array(case, name, array):
        array = np.ascontiguousarray(case.arrange(name, np.asarray(array)))
        if name == "valid":
            return array != 0
        if name == "injected":
            return array.astype(np.int32)
        if name == "rotations":
            return array.astype(np.float32)
        return engines.Compiled._to_type(name, array, case.dtype)


ENGINES = [Reference] + ([Compiled] if shutil.which("attn-compile") else [])


def check(case, engine, made=None, rows=None):
    """Evaluates a case and compares it with numpy's; returns the results. `rows` selects [B,H,N]."""
    made = engine.prepare(case, case.inputs() if made is None else made)
    results, wanted = engine.evaluate(case, made), case.evaluate(made)
    tolerances = engine.tolerances(case, made)
    for name in case.destinations():
        compare(case, name, results[name], wanted[name], tolerances[name], rows)
    return results


def compare(case, name, got, wanted, tolerance, rows=None):
    """`got` in the case's layout, `wanted` canonical."""
    wanted = case.arrange(name, wanted)
    if rows is not None:
        canonical = np.broadcast_to(rows if name == "lse" else rows[..., None], _shape(case, name))
        keep = case.arrange(name, canonical)
        got, wanted = got[keep], wanted[keep]
    problem.assert_close([got], [wanted], [tolerance], f"{case} {name}")


def _shape(case, name):
    rows = (case.batch, case.heads, case.n)
    return rows if name == "lse" else (*rows, case.value_size)
