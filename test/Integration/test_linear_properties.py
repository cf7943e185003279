# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What linear attention is bound to do, whatever the inputs: chunks, splits, constants, and no look into the future."""

import dataclasses

import linear_engines
import numpy as np
import problem
import pytest
from linear_case import SOFTMAX, LinearCase

MAPS = ["elu_plus_one", "relu", "custom", "softmax_positive", "softmax_hyperbolic", "generalized_relu"]
engine = pytest.mark.parametrize("engine", linear_engines.ENGINES, ids=lambda engine: engine.name)
compiled = linear_engines.ENGINES[-1]


def make(feature, **options):
    if feature in (*SOFTMAX, "generalized_relu"):
        options.setdefault("features", 24)
    return LinearCase(feature=feature, **options)


@pytest.mark.parametrize("feature", MAPS)
@pytest.mark.parametrize("chunk", [1, 7, 16, 100, 150, 4096])
def test_chunks_change_rounding_alone(feature, chunk):
    linear_engines.check(make(feature, n=150, m=150, causal="top_left", chunk=chunk), compiled)
    linear_engines.check(make(feature, n=40, m=150, chunk=chunk), compiled)


@pytest.mark.parametrize("feature", ["elu_plus_one", "softmax_positive"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("causal", [None, "top_left"])
@pytest.mark.parametrize("sizes", [(64, 64), (20, 36)], ids=str)
def test_types(feature, dtype, causal, sizes):
    case = make(feature, n=131, m=131, d=sizes[0], e=sizes[1], dtype=dtype, causal=causal, key_valid=True)
    linear_engines.check(case, compiled)


@engine
@pytest.mark.parametrize("feature", MAPS)
@pytest.mark.parametrize("split", [1, 40, 64, 99])
def test_any_split_is_one_shot(engine, feature, split):
    """The state after a first piece is all that the second needs."""
    whole = make(feature, n=100, m=100, causal="top_left", final=True)
    inputs = whole.inputs()
    arrays = dict(zip(whole.operands(), inputs))
    first = dataclasses.replace(whole, n=split, m=split)
    second = dataclasses.replace(whole, n=100 - split, m=100 - split, initial=True)

    def piece(case, part, state=()):
        own = [arrays[name][:, :, part] if name in ("query", "key", "value") else arrays[name]
               for name in case.operands() if not name.startswith("initial")]
        return engine.evaluate(case, [*own, *state])

    head, *state = piece(first, slice(0, split))
    tail, *state = piece(second, slice(split, None), state)
    results = whole.settle([np.concatenate([head, tail], axis=2), *state])
    wanted = whole.evaluate(inputs)
    problem.assert_close(results, wanted, engine.tolerances(whole, wanted, inputs), f"{engine.name} {feature}")


@engine
@pytest.mark.parametrize("feature", MAPS)
@pytest.mark.parametrize("causal", [None, "top_left"])
def test_constant_values_are_reproduced(engine, feature, causal):
    """Weights are positive and sum to 1. Relu may leave a row without any, so its denominators have an epsilon."""
    case = make(feature, n=90, m=90, causal=causal, denominator_eps=0.0,
                feature_eps=1e-2 if feature == "relu" else None)
    inputs = case.inputs()
    inputs[2] = np.ones_like(inputs[2]) * np.arange(1, case.d + 1)
    wanted = [np.broadcast_to(inputs[2][0, 0, 0], case.shape("output"))]
    linear_engines.check(case, engine, inputs, wanted)


@engine
@pytest.mark.parametrize("feature", ["elu_plus_one", "softmax_positive"])
def test_one_key_gives_its_value(engine, feature):
    case = make(feature, n=5, m=1, denominator_eps=0.0)
    inputs = case.inputs()
    wanted = [np.broadcast_to(inputs[2], case.shape("output"))]
    linear_engines.check(case, engine, inputs, wanted)


@engine
@pytest.mark.parametrize("feature", MAPS)
def test_last_causal_row_sees_all(engine, feature):
    options = {"feature_eps": 0.0} if feature in SOFTMAX else {}
    causal = make(feature, n=77, m=77, causal="top_left", **options)
    inputs = causal.inputs()
    whole = make(feature, n=77, m=77, **options)
    got = engine.evaluate(causal, inputs)[0][:, :, -1]
    wanted = whole.evaluate(inputs)
    problem.assert_close([got], [wanted[0][:, :, -1]], engine.tolerances(whole, wanted, inputs))


@pytest.mark.parametrize("feature", MAPS)
@pytest.mark.parametrize("edited", [1, 63, 64, 100, 129])
def test_future_changes_no_bit(feature, edited):
    """Not even keys so large that they raise the reference by hundreds."""
    case = make(feature, n=130, m=130, causal="top_left")
    inputs = case.inputs()
    before = compiled.evaluate(case, inputs)[0]
    inputs = [array.copy() for array in inputs]
    inputs[1][:, :, edited:] *= 40
    inputs[2][:, :, edited:] = 1e6
    after = compiled.evaluate(case, inputs)[0]
    assert np.array_equal(before[:, :, :edited], after[:, :, :edited])


@pytest.mark.parametrize("feature", ["elu_plus_one", "softmax_positive"])
@pytest.mark.parametrize("causal", [None, "top_left"])
def test_padding_may_hold_anything(feature, causal):
    case = make(feature, n=70, m=70, causal=causal, key_valid=True)
    inputs = case.inputs()
    hidden = inputs[-1][0] == 0
    outputs = []
    for junk in (0.0, np.nan):
        changed = [array.copy() for array in inputs]
        changed[1][:, :, hidden] = junk
        changed[2][:, :, hidden] = junk
        outputs.append(compiled.evaluate(case, changed)[0])
    assert np.isfinite(outputs[0]).all() and np.array_equal(*outputs)


@pytest.mark.parametrize("causal", [None, "top_left"])
def test_long_sums_of_equal_terms(causal):
    """65536 equal keys in bf16: a sum in bf16 stops near 256, one in f32 key by key loses a thousandth."""
    n = 65536
    case = LinearCase(n=n, m=n, d=4, heads=1, layout="hi", dtype="bfloat16", causal=causal, final=True)
    key = problem.round_to(np.full((1, n, 4), 0.3), "bfloat16")
    value = problem.round_to(np.full((1, n, 4), 0.7), "bfloat16")
    _, sums, norms = compiled.evaluate(case, [key, key, value])
    wanted = n * (key[0, 0, 0] + 1)
    assert np.abs(norms / wanted - 1).max() < 1e-5
    assert np.abs(sums / (wanted * value[0, 0, 0]) - 1).max() < 1e-5
