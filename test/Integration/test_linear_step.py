# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One token after the other is the sequence: by the reference and by compiled libraries, for every map and type."""

import linear_engines
import numpy as np
import problem
import pytest
from linear_case import SOFTMAX
from linear_step_case import LinearStepCase

MAPS = ["elu_plus_one", "relu", "custom", "softmax_positive", "softmax_hyperbolic", "generalized_relu"]
engine = pytest.mark.parametrize("engine", linear_engines.ENGINES, ids=lambda engine: engine.name)


def make(feature, **options):
    if feature in (*SOFTMAX, "generalized_relu"):
        options.setdefault("features", 24)
    return LinearStepCase(feature=feature, **options)


def walk(case, engine, tokens=6, spread=1.0):
    """Outputs of all tokens one by one, and the last state; compared with those of the sequence."""
    whole = case.sequence(tokens)
    inputs = [array * spread if name in ("query", "key") else array for name, array in zip(whole.operands(), whole.inputs())]
    inputs = [problem.round_to(array, case.dtype) if name in ("query", "key", "value") else array
              for name, array in zip(whole.operands(), inputs)]
    arrays = dict(zip(whole.operands(), inputs))
    state, outputs = case.start(), []
    for t in range(tokens):
        output, *state = engine.evaluate(case, [*case.token(arrays, t), *state])
        outputs.append(output.reshape(case.batch or 1, case.heads or 1, case.e))
    results = [np.stack(outputs, axis=1)]
    results += [part.reshape(whole.shape(f"final_{name}")) for name, part in zip(case.parts, state)]
    wanted = whole.evaluate(inputs)
    problem.assert_close(whole.settle(results), wanted, engine.tolerances(whole, wanted, inputs),
                                f"{engine.name} {case}")


@engine
@pytest.mark.parametrize("feature", MAPS)
@pytest.mark.parametrize("sizes", [(16, 16), (64, 64), (7, 19), (33, 130)], ids=str)
def test_sizes(engine, feature, sizes):
    walk(make(feature, d=sizes[0], e=sizes[1]), engine)


@engine
@pytest.mark.parametrize("feature", MAPS)
def test_validity_sharing_and_projections_of_heads(engine, feature):
    projected = feature in (*SOFTMAX, "generalized_relu")
    walk(make(feature, key_valid=True, group=2, per_head=projected, d=24, e=20), engine)


@engine
@pytest.mark.parametrize("batch, heads", [(None, 4), (None, None)])
@pytest.mark.parametrize("feature", ["elu_plus_one", "softmax_hyperbolic"])
def test_fewer_dimensions(engine, feature, batch, heads):
    walk(make(feature, batch=batch, heads=heads, key_valid=True), engine)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("feature", ["elu_plus_one", "softmax_positive"])
@pytest.mark.parametrize("sizes", [(32, 32), (12, 21)], ids=str)
def test_types(feature, dtype, sizes):
    walk(make(feature, dtype=dtype, d=sizes[0], e=sizes[1]), linear_engines.ENGINES[-1])


@engine
@pytest.mark.parametrize("feature", ["relu", "softmax_positive"])
def test_another_destination(engine, feature):
    walk(make(feature, in_place=False), engine)


@engine
@pytest.mark.parametrize("feature", SOFTMAX)
def test_reference_rises(engine, feature):
    """Large keys raise the reference by far more than an exponential could follow."""
    walk(make(feature, d=16, e=16), engine, spread=6.0)
