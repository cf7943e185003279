# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Kernels for GPUs against the meaning: small shapes in the simulator, over lengths, masks, types and forms."""

import shutil

import engines
import linear_engines
import pytest
from attention_case import Case
from linear_case import LinearCase
from masks import AllOf, AnyOf, Causal, Global, LocalChunks, Window
from simulated import Simulated

pytestmark = pytest.mark.skipif(not shutil.which("attn-compile"), reason="attn-compile is not built")

TYPES = ["float32", "float16", "bfloat16"]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("lengths", [(1, 1), (1, 300), (7, 5), (33, 31), (130, 64), (150, 200)], ids=str)
def test_lengths(lengths, dtype):
    n, m = lengths
    engines.check(Case(n=n, m=m, d=64, lse=True, dtype=dtype), Simulated)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("mask", [Causal(), Causal("top_left"), Window(31, 0)], ids=str)
def test_masks_and_types(mask, dtype):
    engines.check(Case(n=130, m=100, d=32, mask=mask, lse=True, dtype=dtype), Simulated)


@pytest.mark.parametrize(
    "mask",
    [
        Window(4, 4, 3),
        AllOf((Causal(), Window(40, 40, 2))),
        AnyOf((Window(3, 0), Window(24, 0, 8))),
        Global(((0, 20), 40)),
        Global((1, 5, 9, 17), "both", "top_left"),
        LocalChunks(16, 1, 1),
        AnyOf((Window(12, 12, (1, 3)), Global((0, 60), "both", "top_left"))),
    ],
    ids=str,
)
def test_sparse_masks(mask):
    engines.check(Case(n=97, m=97, d=32, mask=mask, lse=True, dtype="float16"), Simulated)


@pytest.mark.parametrize("d, e", [(16, 48), (33, 65), (80, 80), (128, 128), (256, 256)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_head_sizes(d, e, dtype):
    engines.check(Case(n=50, m=70, d=d, e=e, dtype=dtype, mask=Causal()), Simulated)


@pytest.mark.parametrize("layout", ["bhi", "bih", "hi", "ih", "hbi"])
@pytest.mark.parametrize("group", [1, 2, 8])
def test_layouts_and_groups(layout, group):
    batch = 2 if "b" in layout else 1
    case = Case(n=37, m=70, d=32, heads=8, group=group, batch=batch, layout=layout, mask=Causal(), dtype="float16")
    engines.check(case, Simulated)


@pytest.mark.parametrize("group", [1, 4])
def test_split_over_keys(group):
    case = Case(n=1, m=4500, d=64, heads=4, group=group, mask=Causal(), lse=True, dtype="float16")
    engines.check(case, Simulated)


@pytest.mark.parametrize(
    "changes",
    [
        {"bias": "bhij"},
        {"bias": "hr"},
        {"bias": "j"},
        {"key_valid": "bj"},
        {"softcap": 2.0},
        {"scale": -0.3},
        {"score_mod": "alibi"},
        {"bias": "hij", "key_valid": "j", "softcap": 3.0, "mask": Causal()},
        {"parts": (30, 60)},
        {"spread": 30.0},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_scores(changes, dtype):
    engines.check(Case(**{"n": 50, "m": 90, "d": 32, "lse": True, "dtype": dtype, **changes}), Simulated)


@pytest.mark.parametrize("causal", [None, "top_left", "bottom_right"])
@pytest.mark.parametrize("feature", ["elu_plus_one", "relu", "custom"])
def test_linear(feature, causal):
    case = LinearCase(n=75, m=90, feature=feature, d=32, causal=causal)
    linear_engines.check(case, Simulated)


@pytest.mark.parametrize(
    "changes",
    [
        {"dtype": "float16"},
        {"dtype": "bfloat16"},
        {"group": 2},
        {"layout": "bih"},
        {"key_valid": True},
        {"d": 20, "e": 12},
        {"n": 700, "m": 700, "d": 16},
        {"feature": "softmax_positive", "features": 40},
        {"feature": "softmax_hyperbolic", "features": 24},
        {"feature": "generalized_relu", "features": 40, "feature_eps": 1e-3},
        {"feature": "softmax_positive", "features": 40, "feature_eps": 1e-3, "causal": None},
        {"feature": "softmax_positive", "features": 40, "n": 700, "m": 700, "d": 16},
    ],
    ids=str,
)
def test_linear_variants(changes):
    linear_engines.check(LinearCase(**{"n": 75, "m": 75, "d": 32, "causal": "top_left", **changes}), Simulated)
