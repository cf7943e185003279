# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What must hold of attention whatever the numbers are, of the reference and of compiled libraries.

The letters are those of the list of properties in docs/Rationale/Testing.md.
"""

import dataclasses
from pathlib import Path

import engines
import numpy as np
import problem
import pytest
from attention_case import Case
from masks import AllOf, Causal, Window

GOLDEN = Path(__file__).parent / "golden"
TYPES = ["float32", "float64", "float16", "bfloat16"]


@pytest.fixture(params=engines.ENGINES, ids=lambda engine: engine.name)
def engine(request):
    return request.param


def close(engine, case, inputs, got, wanted, times=2):
    """Two results of the same engine: each may be off by the tolerance."""
    tolerances = [times * tolerance for tolerance in engine.tolerances(case, inputs)]
    problem.assert_close(got, wanted, tolerances, f"{engine.name} {case}")


@pytest.mark.parametrize("dtype", TYPES)
def test_a_row_constant_bias_shifts_only_lse(engine, dtype):
    case = Case(n=33, m=47, d=16, bias="bhij", lse=True, dtype=dtype, mask=Causal())
    query, key, value, bias = case.inputs()
    shift = problem.round_to(np.random.default_rng(1).uniform(-4, 4, (1, 2, 33, 1)), dtype)
    plain = engine.evaluate(case, [query, key, value, np.zeros_like(bias)])
    shifted_inputs = [query, key, value, np.broadcast_to(shift, bias.shape)]
    shifted = engine.evaluate(case, shifted_inputs)
    close(engine, case, shifted_inputs, shifted, [plain[0], plain[1] + shift[..., 0]])


@pytest.mark.parametrize("dtype", TYPES)
def test_b_key_order_does_not_matter(engine, dtype):
    case = Case(n=19, m=150, d=24, bias="hij", key_valid="bj", lse=True, dtype=dtype, group=2)
    inputs = case.inputs()
    order = np.random.default_rng(2).permutation(case.m)
    query, key, value, bias, valid = inputs
    moved = engine.evaluate(case, [query, key[:, :, order], value[:, :, order], bias[..., order], valid[:, order]])
    close(engine, case, inputs, moved, engine.evaluate(case, inputs))


@pytest.mark.parametrize("mask", [None, Causal("top_left"), Causal("bottom_right")], ids=str)
def test_c_single_key_returns_its_value(engine, mask):
    case = Case(n=9, m=1, d=7, mask=mask, lse=True)
    inputs = case.inputs()
    output, lse = engine.evaluate(case, inputs)
    allowed = case.allowed(dict(zip(case.operands(), inputs)))[..., 0]
    wanted = np.where(allowed[..., None], inputs[2], 0.0)
    assert np.max(np.abs(output - wanted)) <= 4 * problem.ROUNDOFF["float32"] * np.max(np.abs(wanted))
    assert np.array_equal(np.isneginf(lse), ~allowed)


def merge(parts):
    """The merge of results over disjoint key sets, from their outputs and log-sum-exps."""
    outputs, lses = (np.stack(one) for one in zip(*parts))
    top = np.max(lses, axis=0)
    top = np.where(np.isneginf(top), 0, top)
    weights = np.exp(lses - top)
    total = weights.sum(axis=0)
    with np.errstate(all="ignore"):
        output = np.where(total[..., None] == 0, 0, (weights[..., None] * outputs).sum(axis=0) / total[..., None])
        return [output, top + np.log(total)]


@pytest.mark.parametrize("cuts", [(64,), (1, 2, 130), (0, 77, 77)])
def test_d_parts_merge_to_the_whole(engine, cuts):
    case = Case(n=21, m=131, d=16, key_valid="bj", lse=True, heads=4, group=2)
    inputs = case.inputs()
    query, key, value, valid = inputs
    edges = [0, *cuts, case.m]
    parts = []
    for first, last in zip(edges, edges[1:]):
        if first == last and engine is engines.Compiled:
            continue  # a library refuses empty arrays
        part = dataclasses.replace(case, m=last - first)
        cut = slice(first, last)
        parts.append(engine.evaluate(part, [query, key[:, :, cut], value[:, :, cut], valid[:, cut]]))
    close(engine, case, inputs, merge(parts), engine.evaluate(case, inputs), times=4)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("m", [5, 70, 300])
def test_e_empty_rows_and_poisoned_padding(engine, dtype, m):
    case = Case(n=37, m=m, d=16, key_valid="bj", lse=True, dtype=dtype, mask=Causal(), batch=2)
    inputs = case.inputs()
    valid = inputs[3]
    valid[0, :] = 0
    poisoned = [inputs[0], *(np.where(valid[:, None, :, None] != 0, array, np.nan) for array in inputs[1:3]), valid]
    output, lse = engine.evaluate(case, poisoned)
    assert not np.isnan(output).any() and not np.isnan(lse).any()
    empty = ~case.allowed(dict(zip(case.operands(), inputs))).any(axis=-1)
    assert np.all(output[empty] == 0) and np.all(np.isneginf(lse[empty]))
    close(engine, case, inputs, [output, lse], case.evaluate(inputs), times=1)


def test_e_infinite_padding_does_not_escape(engine):
    case = Case(n=8, m=90, d=16, key_valid="bj", lse=True)
    query, key, value, valid = case.inputs()
    hidden = valid[:, None, :, None] == 0
    poisoned = [query, np.where(hidden, np.inf, key), np.where(hidden, -np.inf, value), valid]
    got = engine.evaluate(case, poisoned)
    close(engine, case, [query, key, value, valid], got, case.evaluate([query, key, value, valid]), times=1)


def test_f_single_query(engine):
    plain = Case(n=1, m=43, d=16, lse=True)
    inputs = plain.inputs()
    bottom = engine.evaluate(dataclasses.replace(plain, mask=Causal("bottom_right")), inputs)
    close(engine, plain, inputs, bottom, engine.evaluate(plain, inputs))
    top, _ = engine.evaluate(dataclasses.replace(plain, mask=Causal("top_left")), inputs)
    assert np.max(np.abs(top - inputs[2][:, :, :1])) <= 1e-6


@pytest.mark.parametrize("dtype", TYPES)
def test_g_huge_logits_stay_finite(engine, dtype):
    case = Case(n=17, m=65, d=4, scale=1.0, lse=True, dtype=dtype)
    rng = np.random.default_rng(3)
    query = np.full(case.shape("query"), 50.0)
    key = 50.0 * rng.choice([-1.0, 1.0], case.shape("key")[:3])[..., None] * np.ones(4)
    value = problem.round_to(rng.standard_normal(case.shape("value")), dtype)
    inputs = [query, key, value]
    got = engine.evaluate(case, inputs)
    assert np.isfinite(got[0]).all() and np.isfinite(got[1]).all()
    wanted = case.evaluate(inputs)
    tolerances = engine.tolerances(case, inputs)
    # The scores are sums of powers of two times integers and exact, except that a narrow type may round scaled queries.
    if dtype in ("float16", "bfloat16"):
        return
    problem.assert_close(got, wanted, [1e-2 if dtype == "float32" else 1e-9, tolerances[1]])


def test_decode_step_by_step_is_the_whole(engine):
    for mask in (Causal(), AllOf((Causal(), Window(6, 0)))):
        whole = Case(n=13, m=13, d=16, mask=mask, heads=4, group=2, lse=True)
        query, key, value = whole.inputs()
        wanted = engine.evaluate(whole, [query, key, value])
        for step in (0, 5, 12):
            one = dataclasses.replace(whole, n=1, m=step + 1)
            inputs = [query[:, :, step : step + 1], key[:, :, : step + 1], value[:, :, : step + 1]]
            rows = [array[:, :, step : step + 1] for array in wanted]
            close(engine, one, inputs, engine.evaluate(one, inputs), rows)


@pytest.mark.parametrize("split", [1, 17, 39])
def test_prefill_of_any_split_is_one_shot(engine, split):
    whole = Case(n=40, m=40, d=16, mask=Causal(), lse=True)
    query, key, value = whole.inputs()
    wanted = engine.evaluate(whole, [query, key, value])
    for first, last in ((0, split), (split, 40)):
        part = dataclasses.replace(whole, n=last - first, m=last)
        inputs = [query[:, :, first:last], key[:, :, :last], value[:, :, :last]]
        got = engine.evaluate(part, inputs)
        close(engine, part, inputs, got, [array[:, :, first:last] for array in wanted])


def test_alibi_depends_on_distance_only(engine):
    case = Case(n=12, m=12, d=16, heads=8, score_mod="alibi", mask=Causal())
    query, key, value = case.inputs()
    longer = dataclasses.replace(case, n=20, m=20)
    pad = ((0, 0), (0, 0), (8, 0), (0, 0))
    moved = [np.pad(array, pad) for array in (query, key, value)]
    hidden = dataclasses.replace(longer, key_valid="bj")
    valid = np.broadcast_to(np.arange(20) >= 8, (1, 20)).astype(np.float64)
    got = engine.evaluate(hidden, [*moved, valid])[0][:, :, 8:]
    close(engine, case, [query, key, value], [got], engine.evaluate(case, [query, key, value]))


def rope(array, interleaved=False):
    """Rotary positions; pairs are (t, t + D/2), or (2t, 2t + 1)."""
    n, d = array.shape[-2:]
    angles = np.arange(n)[:, None] * 10000.0 ** (-2 * np.arange(d // 2) / d)
    even, odd = (array[..., 0::2], array[..., 1::2]) if interleaved else np.split(array, 2, axis=-1)
    left, right = even * np.cos(angles) - odd * np.sin(angles), odd * np.cos(angles) + even * np.sin(angles)
    return np.stack([left, right], -1).reshape(array.shape) if interleaved else np.concatenate([left, right], -1)


def test_golden_rope_half_causal(engine):
    golden = np.load(GOLDEN / "rope_half_causal.npz")
    case = Case(n=64, m=64, d=16, layout="hi", dtype="float64", scale=0.25, mask=Causal())
    query, key, value = (golden[name].astype(np.float64) for name in "qkv")
    got = engine.evaluate(case, [rope(query), rope(key), value])
    problem.assert_close(got, [golden["out"]], [1e-12])
    problem.assert_close(got, [golden["out_pkg"].astype(np.float64)], [5e-7])
    order = np.arange(16).reshape(2, 8).T.reshape(-1)  # half to interleaved
    mixed = [rope(array[..., order], interleaved=True) for array in (query, key)]
    problem.assert_close(engine.evaluate(case, [*mixed, value]), [golden["out"]], [1e-12])
