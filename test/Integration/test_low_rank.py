# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Low-rank attention: cases against numpy, properties, and what public implementations compute.

Every check runs on the f64 reference, and on compiled libraries.
"""

import dataclasses
import json
from pathlib import Path

import engines
import numpy as np
import problem
import pytest
import reference
from low_rank_case import LowRankCase

GOLDEN = Path(__file__).parent / "golden"
ENGINES = pytest.mark.parametrize("engine", engines.ENGINES, ids=lambda engine: engine.name)
CASES = [
    LowRankCase(n=40, slots=8),
    LowRankCase(n=40, slots=8, columns=64, lse=True),
    LowRankCase(n=40, slots=8, columns=64, dynamic=False, sharing="none"),
    LowRankCase(n=33, slots=5, m=77, columns=80, e=24, layout="bih", lse=True),
    LowRankCase(n=40, slots=8, heads=8, group=4, batch=2),
    LowRankCase(n=40, slots=8, heads=8, group=4, batch=2, sharing="none", layout="bih"),
    LowRankCase(n=40, slots=8, heads=8, group=4, sharing="kv-heads"),
    LowRankCase(n=40, slots=8, sharing="key-value", key_valid="bj", batch=3, lse=True),
    LowRankCase(n=40, slots=8, key_valid="j", scale=0.7),
    LowRankCase(n=300, slots=100, d=64, dynamic=False),
    LowRankCase(n=531, slots=130, d=64, heads=3, columns=600, lse=True),
    LowRankCase(n=64, slots=2, block=8),
    LowRankCase(n=61, slots=2, block=8, key_valid="bj", batch=2, lse=True),
    LowRankCase(n=64, slots=1, block=8, heads=4, group=2, sharing="kv-heads", layout="bih"),
    LowRankCase(n=64, slots=2, block=8, causal=True, lse=True),
    LowRankCase(n=61, slots=3, block=8, causal=True, key_valid="bj", batch=2, lse=True),
    LowRankCase(n=61, slots=4, block=16, causal=True, heads=4, group=2, layout="bih", sharing="none"),
    LowRankCase(n=5, slots=4, block=16, causal=True, lse=True),
    LowRankCase(n=1000, slots=16, block=128, causal=True, d=64, heads=1),
    LowRankCase(n=100, slots=4, block=16, causal=True, layout="i", heads=1, dynamic=False),
    LowRankCase(n=100, slots=40, layout="hi", heads=5, dynamic=False),
    LowRankCase(n=0, slots=4, columns=8, lse=True),
    LowRankCase(n=4, m=0, slots=4, columns=8, lse=True),
]


@ENGINES
@pytest.mark.parametrize("case", CASES, ids=str)
def test_cases(case, engine):
    if engine is engines.Compiled and case.n * case.keys == 0:
        return  # libraries refuse empty arrays
    engines.check(case, engine)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("case", [case for case in CASES if case.n in (40, 61, 531)], ids=str)
def test_types(case, dtype):
    for engine in engines.ENGINES:
        engines.check(dataclasses.replace(case, dtype=dtype), engine)


def softmax_attention(case, query, key, value):
    group = case.heads // key.shape[1]
    scores = query @ np.repeat(key, group, 1).swapaxes(-1, -2) * case.factor
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ np.repeat(value, group, 1)


def compare(engine, case, inputs, wanted):
    results = engine.evaluate(case, inputs)
    problem.assert_close(results, [wanted], engine.tolerances(case, inputs), engine.name)


@ENGINES
@pytest.mark.parametrize("is_permuted", [False, True])
def test_permutations_are_exact(engine, is_permuted):
    """(a) With as many slots as keys and E = F a permutation, it is exact attention."""
    case = LowRankCase(n=48, slots=48, heads=4, group=2)
    query, key, value, *_ = case.inputs()
    matrix = np.eye(48)[np.random.default_rng(1).permutation(48) if is_permuted else np.arange(48)]
    compare(engine, case, [query, key, value, matrix, matrix], softmax_attention(case, query, key, value))


@ENGINES
def test_constant_values(engine):
    """(b) Rows of F that sum to 1 give a constant value back."""
    case = LowRankCase(n=48, slots=8)
    query, key, value, e, f = case.inputs()
    value = np.broadcast_to(value[:, :, :1], value.shape)
    f = np.abs(f) / np.abs(f).sum(1, keepdims=True)
    compare(engine, case, [query, key, value, e, f], value)


@ENGINES
@pytest.mark.parametrize("by_block", [False, True])
def test_mean_pool(engine, by_block):
    """(c) Mean pooling of keys and values that are constant inside blocks is exact."""
    case = LowRankCase(n=48, slots=1 if by_block else 12, block=4 if by_block else None)
    query, key, value, *_ = case.inputs()
    key, value = (np.repeat(x[:, :, ::4], 4, axis=2) for x in (key, value))
    mean = np.full((1, 4), 0.25)
    e = mean if by_block else np.kron(np.eye(12), mean)
    compare(engine, case, [query, key, value, e, e], softmax_attention(case, query, key, value))


@ENGINES
@pytest.mark.parametrize("block", [{}, {"block": 8}, {"block": 8, "causal": True}], ids=str)
def test_padding_is_irrelevant(engine, block):
    """(d) What padded rows hold, NaN too, does not show."""
    case = LowRankCase(n=40, slots=4, key_valid="bj", batch=2, lse=True, **block)
    query, key, value, e, f, valid = case.inputs()
    valid[0, 8:24] = 0
    results = []
    for filler in (3.0, np.nan, np.inf):
        key, value = (np.where(valid[:, None, :, None] != 0, x, filler) for x in (key, value))
        results.append(engine.evaluate(case, [query, key, value, e, f, valid]))
    for other in results[1:]:
        assert np.isfinite(other[0]).all()
        for left, right in zip(results[0], other, strict=True):
            assert np.array_equal(left, right)


GAUSSIAN = """func.func @main() -> tensor<{0}x{1}xf32> {{
  %r = attn.gaussian_projection seed {2} purpose {3} : tensor<{0}x{1}xf32>
  return %r : tensor<{0}x{1}xf32>
}}"""


def draw(slots, columns, seed, purpose=0):
    done, results = reference.run(GAUSSIAN.format(slots, columns, seed, purpose), [], 1)
    assert done.returncode == 0, done.stderr
    return results[0]


def test_gaussian_projection_preserves_products():
    """(e) R^T R is the identity on average: P R^T R v has the mean P v, and an error that falls as k^-1/2."""
    rng = np.random.default_rng(0)
    n = 64
    weights = np.exp(rng.standard_normal((16, n)))
    weights /= weights.sum(1, keepdims=True)
    value = rng.standard_normal((n, 4))
    errors, means = [], []
    for slots in (16, 64, 256):
        draws = draw(slots, n * 64, seed=5).reshape(slots, 64, n)
        estimates = np.stack([weights @ draws[:, t].T @ draws[:, t] @ value for t in range(64)])
        errors.append(np.sqrt(np.mean((estimates - weights @ value) ** 2)))
        means.append(np.abs(estimates.mean(0) - weights @ value).max())
        assert means[-1] < 5 * errors[-1] / 8
    slope = np.polyfit(np.log([16, 64, 256]), np.log(errors), 1)[0]
    assert abs(slope + 0.5) < 0.1, (errors, slope)


def test_gaussian_projection_is_counter_based():
    whole = draw(8, 96, seed=3)
    assert np.allclose(draw(4, 48, seed=3) * np.sqrt(0.5), whole[:4, :48], rtol=1e-6)
    assert not np.allclose(draw(8, 96, seed=4), whole) and not np.allclose(draw(8, 96, 3, purpose=1), whole)
    large = draw(64, 4096, seed=3) * 8
    assert abs(large.mean()) < 0.01 and abs(large.std() - 1) < 0.01 and 4 < np.abs(large).max() < 7


@ENGINES
def test_causal_blocks_do_not_see_the_future(engine):
    """(f) What comes after a position does not change its output, not by a bit."""
    case = LowRankCase(n=60, slots=3, block=8, causal=True)
    query, key, value, e, f = case.inputs()
    first = engine.evaluate(case, [query, key, value, e, f])[0]
    for at in (7, 8, 23, 58):
        later = [x.copy() for x in (query, key, value)]
        for array in later:
            array[:, :, at + 1 :] += 10.0
        changed = engine.evaluate(case, [*later, e, f])[0]
        assert np.array_equal(first[:, :, : at + 1], changed[:, :, : at + 1])
        assert not np.array_equal(first, changed)


@ENGINES
def test_longer_sequences_are_errors(engine):
    case = LowRankCase(n=70, slots=4, columns=64)
    with pytest.raises(Exception, match="expected a column of the projections for every key"):
        engine.evaluate(case, case.inputs())


@ENGINES
@pytest.mark.parametrize("name", ["linformer_lr", "linformer_causal_blocks"])
def test_golden(engine, name):
    data = np.load(GOLDEN / f"{name}.npz")
    options = json.loads(str(data["options"]))
    is_causal = "block" in options
    heads, n, d = data["q"].shape
    dtype = "float64" if data["q"].dtype == np.float64 else "float32"
    # Heads have validity of their own: they are what a batch is here.
    case = LowRankCase(n=n, slots=data["E"].shape[0], d=d, batch=heads, heads=1, scale=options["scale"], dtype=dtype,
                       columns=data["E"].shape[1], block=options.get("block"), causal=is_causal,
                       key_valid="bj" if "valid" in data else None)  # fmt: skip
    inputs = [data[x].astype(np.float64) for x in ("q", "k", "v", "E", "F", "valid") if x in data]
    inputs[:3] = [x[:, None] for x in inputs[:3]]
    results = engine.evaluate(case, inputs)
    tolerance = engine.tolerances(case, inputs)
    problem.assert_close(results, [data["out"][:, None]], tolerance, name)
    if "out_pkg" in data:
        problem.assert_close(results, [data["out_pkg"][:, None]], tolerance, options["package"])
