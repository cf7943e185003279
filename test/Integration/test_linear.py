# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Linear attention: the reference and compiled libraries against the meaning in numpy, and against golden data."""

import json
from pathlib import Path

import linear_engines
import numpy as np
import pytest
from linear_case import LinearCase

GOLDEN = Path(__file__).parent / "golden"
PLAIN = ["elu_plus_one", "relu", "custom"]
PROJECTED = ["softmax_positive", "softmax_hyperbolic", "generalized_relu"]
LENGTHS = [(1, 1), (7, 5), (33, 31), (130, 64), (70, 259)]

engine = pytest.mark.parametrize("engine", linear_engines.ENGINES, ids=lambda engine: engine.name)


def make(feature, **options):
    if feature in PROJECTED:
        options.setdefault("features", 24)
    return LinearCase(feature=feature, **options)


@engine
@pytest.mark.parametrize("feature", PLAIN + PROJECTED)
@pytest.mark.parametrize("causal", [None, "top_left", "bottom_right"])
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_lengths(engine, lengths, causal, feature):
    n, m = lengths
    linear_engines.check(make(feature, n=n, m=m, causal=causal), engine)


@engine
@pytest.mark.parametrize("feature", PLAIN + PROJECTED)
@pytest.mark.parametrize("causal", [None, "bottom_right"])
def test_states_and_validity(engine, causal, feature):
    case = make(feature, n=65, m=150, causal=causal, key_valid=True, initial=True, final=True, batch=2, heads=4)
    linear_engines.check(case, engine)


@engine
@pytest.mark.parametrize("layout", ["bhi", "bih", "hi", "ih"])
@pytest.mark.parametrize("group", [1, 2])
def test_layouts(engine, layout, group):
    batch = 2 if "b" in layout else 1
    for feature in ("elu_plus_one", "softmax_positive"):
        case = make(feature, n=40, m=90, d=24, e=20, heads=4, group=group, batch=batch, layout=layout, causal="top_left")
        linear_engines.check(case, engine)


def golden(name):
    data = np.load(GOLDEN / name)
    return data, json.loads(str(data["options"]))


@engine
def test_golden_linear(engine):
    data, options = golden("linear_ft_causal.npz")
    q, k, v, valid = (np.asarray(data[name], np.float64) for name in ("q", "k", "v", "valid"))
    heads, n, d = q.shape
    case = LinearCase(n=n, m=n, d=d, e=v.shape[-1], heads=heads, layout="hi", causal="top_left", key_valid=True,
                      denominator_eps=options["eps"])
    wanted = [np.where(valid[:, None] != 0, data["out"], 0)]
    inputs = [q, k, v, valid]
    results = engine.evaluate(case, inputs)
    got = np.where(valid[:, None] != 0, results[0], 0)
    assert not np.isnan(got).any()
    assert np.abs(got - wanted[0]).max() <= max(engine.tolerances(case, wanted, inputs)[0], 1e-9)


@engine
@pytest.mark.parametrize("name, feature", [
    ("favor_positive_causal.npz", "softmax_positive"), ("favor_hyperbolic_causal.npz", "softmax_hyperbolic"),
])
def test_golden_favor(engine, name, feature):
    data, options = golden(name)
    assert options["feat_eps"] == options["den_eps"] == 0
    for head in range(len(data["q"])):  # padding is per head there, and per batch here
        q, k, v, w = (np.asarray(data[part][head], np.float64) for part in "qkvW")
        n, d = q.shape
        valid = [np.asarray(data["valid"][head], np.float64)] if "valid" in data else []
        case = LinearCase(n=n, m=n, d=d, heads=1, layout="hi", causal="top_left", feature=feature, features=len(w),
                          key_valid=bool(valid), scale=options["tau"])
        inputs = [q[None], k[None], v[None], w, *valid]
        linear_engines.check(case, engine, inputs, [np.asarray(data["out"][head : head + 1], np.float64)])
