# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Feed-forward layers: the reference and compiled libraries against the meaning in numpy, and the properties of the
specification."""

import engines
import numpy as np
import pytest
import reference
from feed_forward_case import ACTIVATIONS, FeedForwardCase


class Reference:
    name = "reference"

    @staticmethod
    def evaluate(case, inputs):
        done, results = reference.run(case.ir(), inputs, 1)
        assert done.returncode == 0, done.stderr
        return results[0]

    @staticmethod
    def tolerance(case, inputs):
        return 1e-11 * np.maximum(1, np.abs(case.evaluate(inputs)))


class Compiled:
    name = "compiled"

    @staticmethod
    def evaluate(case, inputs):
        module = engines.Compiled._module(case.ir(), ())
        arrays = [engines.Compiled._to_type("", array, case.dtype) for array in inputs]
        return engines.Compiled._to_double(module.main(*arrays))

    @staticmethod
    def tolerance(case, inputs):
        return case.tolerance(inputs)


ENGINES = [Reference] + ([Compiled] if len(engines.ENGINES) > 1 else [])
engine = pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
activation = pytest.mark.parametrize("activation", ACTIVATIONS)
gated = pytest.mark.parametrize("gated", [False, True], ids=["plain", "gated"])


def check(case, engine, inputs=None):
    inputs = case.inputs() if inputs is None else inputs
    got, wanted = engine.evaluate(case, inputs), case.evaluate(inputs)
    assert not np.isnan(got).any()
    off = np.abs(got - wanted) - engine.tolerance(case, inputs)
    assert off.max(initial=-1) <= 0, f"{engine.name} {case}: {np.abs(got - wanted).max()} beyond the tolerance by {off.max()}"
    return got


@engine
@gated
@activation
def test_activations(engine, activation, gated):
    check(FeedForwardCase(activation, gated=gated, spread=4), engine)


@engine
@gated
@pytest.mark.parametrize("biased", [False, True], ids=["bare", "biased"])
@pytest.mark.parametrize("transposed", [False, True], ids=["kh", "hk"])
def test_operands(engine, transposed, biased, gated):
    check(FeedForwardCase(gated=gated, biased=biased, transposed=transposed), engine)


@engine
@gated
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 5, 7, 11), (64, 512, 1024, 512), (65, 33, 600, 17), (130, 20, 1100, 31)],
                         ids=str)
def test_shapes(engine, shape, gated):
    m, k, h, n = shape
    check(FeedForwardCase("silu" if gated else "gelu", m, k, h, n, gated=gated), engine)
    check(FeedForwardCase("relu", m, k, h, n, gated=gated, biased=False, dynamic=False), engine)


@engine
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@activation
def test_types(engine, activation, dtype):
    check(FeedForwardCase(activation, gated=True, dtype=dtype), engine)


@gated
@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
def test_every_row_chunk_gives_the_same(gated, dynamic):
    """Property (d) of chunked feed-forward: bit by bit, ragged chunks included."""
    case = FeedForwardCase(m=131, h=700, gated=gated, dynamic=dynamic)
    inputs = case.inputs()
    whole = check(case, Compiled, inputs)
    for rows in (1, 2, 5, 12, 31, 64, 100, 131, 1000):
        chunked = Compiled.evaluate(FeedForwardCase(m=131, h=700, gated=gated, dynamic=dynamic, rows=rows), inputs)
        np.testing.assert_array_equal(chunked, whole)


@gated
def test_rows_do_not_see_each_other(gated):
    case = FeedForwardCase(m=100, gated=gated)
    inputs = case.inputs()
    whole = Compiled.evaluate(case, inputs)
    spoilt = [inputs[0].copy(), *inputs[1:]]
    spoilt[0][17] = np.nan
    result = Compiled.evaluate(case, spoilt)
    assert np.isnan(result[17]).all()
    np.testing.assert_array_equal(np.delete(result, 17, 0), np.delete(whole, 17, 0))


@activation
def test_far_values(activation):
    """Where the functions are all but 0 or their argument, none is NaN, and large ones are exact."""
    case = FeedForwardCase(activation, m=9, k=1, h=1, n=1, biased=False)
    x = np.array([[-3e38], [-1e10], [-100], [-20], [0], [20], [100], [1e10], [3e38]])
    got = Compiled.evaluate(case, [x.astype(np.float32).astype(np.float64), np.ones((1, 1)), np.ones((1, 1))])
    assert not np.isnan(got).any()
    wanted = np.maximum(x.astype(np.float32), 0)
    assert np.abs(got[5:] - wanted[5:]).max() <= np.abs(wanted[5:]).max() * 1e-6
    assert np.abs(got[:5]).max() <= 3.6
