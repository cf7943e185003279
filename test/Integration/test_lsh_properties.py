# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What must hold of LSH attention whatever the numbers are, of the reference and of compiled libraries.

The letters are those of the list of properties in docs/Rationale/Lsh.md.
"""

import dataclasses

import lsh_engines
import numpy as np
import pytest
from lsh_case import LshCase


@pytest.fixture(params=lsh_engines.ENGINES, ids=lambda engine: engine.name)
def engine(request):
    return request.param


def close(engine, case, made, got, wanted, names=None, times=2):
    """Two results of the same engine: each may be off by the tolerance."""
    tolerances = engine.tolerances(case, made)
    for name in names or case.destinations():
        assert np.array_equal(np.isneginf(got[name]), np.isneginf(wanted[name])), name
        finite = np.isfinite(wanted[name])
        error = np.max(np.abs(got[name][finite] - wanted[name][finite]), initial=0)
        assert error <= times * tolerances[name], f"{engine.name} {case} {name}: {error}"


def softmax_over(case, made, allowed):
    """Output and lse of dense attention over `allowed` [B,H,N,N], for canonical inputs."""
    output, lse = np.zeros_like(made["value"]), np.full(allowed.shape[:3], -np.inf)
    for at in np.ndindex(allowed.shape[:2]):
        x = made["x"][at]
        rho = np.sqrt((x * x).sum(-1) + case.d * case.key_eps)
        scores = np.where(allowed[at], case.scale * x @ (x / rho[:, None]).T, -np.inf)
        top = scores.max(-1, keepdims=True)
        p = np.exp(scores - np.where(np.isneginf(top), 0, top))
        total = p.sum(-1)
        lse[at] = np.where(total > 0, top[:, 0] + np.log(np.where(total > 0, total, 1)), -np.inf)
        output[at] = np.where(total[:, None] > 0, p @ made["value"][at] / np.where(total > 0, total, 1)[:, None], made["value"][at])
    return {"output": output, "lse": lse}


@pytest.mark.parametrize("rounds", [1, 3])
def test_a_one_chunk_is_full_attention_without_self(engine, rounds):
    case = LshCase(n=48, chunk=48, rounds=rounds, same_bucket=False, buckets=(4,), d=32)
    made = engine.prepare(case, case.inputs())
    allowed = np.broadcast_to(~np.eye(case.n, dtype=bool), (1, case.heads, case.n, case.n))
    close(engine, case, made, engine.evaluate(case, made), softmax_over(case, made, allowed))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("same_bucket", [False, True])
def test_b_union_oracle(engine, causal, same_bucket):
    case = LshCase(n=150, chunk=16, rounds=4, causal=causal, same_bucket=same_bucket, injected=True, buckets=(10,))
    made = engine.prepare(case, case.inputs())
    allowed = np.zeros((1, case.heads, case.n, case.n), bool)
    positions = np.arange(case.n)
    for head in range(case.heads):
        for bucket in made["injected"][0, head]:
            rank = np.argsort(np.argsort(bucket * case.n + positions))
            step = rank[None, :] // case.chunk - rank[:, None] // case.chunk
            hit = (step >= -case.back) & (step <= case.ahead)
            allowed[0, head] |= hit & ((bucket[:, None] == bucket) | (not same_bucket))
    allowed &= positions[:, None] >= positions if causal else True
    allowed &= ~np.eye(case.n, dtype=bool)
    close(engine, case, made, engine.evaluate(case, made), softmax_over(case, made, allowed))


@pytest.mark.parametrize("causal", [False, True])
def test_c_rounds_may_be_permuted_and_repeated(engine, causal):
    case = LshCase(n=130, rounds=3, causal=causal, injected=True)
    made = engine.prepare(case, case.inputs())
    plain = engine.evaluate(case, made)
    permuted = dict(made, injected=made["injected"][:, :, [2, 0, 1]])
    close(engine, case, made, engine.evaluate(case, permuted), plain)
    repeated = dict(made, injected=made["injected"][:, :, [0, 1, 2, 1]])
    close(engine, case, made, engine.evaluate(dataclasses.replace(case, rounds=4), repeated), plain)


@pytest.mark.parametrize("buckets", [(8,), (4, 6)])
def test_d_buckets_ignore_length_and_mirror_the_sign(engine, buckets):
    # One round and the LSE tell buckets apart: a token's output depends on nothing but who shares its bucket.
    case = LshCase(n=64, chunk=64, rounds=1, buckets=buckets)
    made = engine.prepare(case, case.inputs())
    flipped = case.hash(dict(made, x=-made["x"]))
    bucket, stride = case.hash(made), 1
    for factor in buckets:
        digit, other = bucket // stride % factor, flipped // stride % factor
        assert np.array_equal((digit + factor // 2) % factor, other)
        stride *= factor
    assert np.array_equal(case.hash(dict(made, x=3 * made["x"])), bucket)
    results = engine.evaluate(case, made)
    fixed = dataclasses.replace(case, injected=True)
    close(engine, case, made, engine.evaluate(fixed, dict(made, injected=bucket)), results)


@pytest.mark.parametrize("rounds", [1, 4])
def test_e_causal_rows_ignore_what_comes_later(engine, rounds):
    case = LshCase(n=100, rounds=rounds, causal=True, injected=True)
    made = engine.prepare(case, case.inputs())
    before, at = engine.evaluate(case, made), 57
    x, value = made["x"].copy(), made["value"].copy()
    x[:, :, at], value[:, :, at] = 2.0, -3.0
    after = engine.evaluate(case, dict(made, x=x, value=value))
    for name in case.destinations():
        assert np.array_equal(before[name][:, :, :at], after[name][:, :, :at]), name
    assert np.array_equal(before["output"][:, :, 0], made["value"][:, :, 0])


@pytest.mark.parametrize("causal", [False, True])
def test_f_invalid_tokens_at_the_end_change_nothing(engine, causal):
    case = LshCase(n=90, rounds=2, causal=causal, injected=True, valid=True)
    made = engine.prepare(case, case.inputs())
    longer = dataclasses.replace(case, n=131)

    def extend(name, array):
        axis = {"valid": 1, "injected": 3}.get(name, 2)
        shape = list(array.shape)
        shape[axis] = longer.n - case.n
        filler = np.full(shape, np.nan if name in ("x", "value") else 0)
        return np.concatenate([array, filler.astype(array.dtype)], axis)

    padded = {name: extend(name, made[name]) for name in case.operands()}
    got, wanted = engine.evaluate(longer, padded), engine.evaluate(case, made)
    got = {name: array[:, :, : case.n] for name, array in got.items()}
    close(engine, case, made, got, wanted)
    assert not np.isnan(got["output"]).any()


def test_g_equal_tokens_average_their_window(engine):
    case = LshCase(n=70, rounds=2, causal=True, chunk=16)
    made = case.inputs()
    made["x"] = np.broadcast_to(made["x"][:, :, :1], made["x"].shape)
    made = engine.prepare(case, made)
    wanted = made["value"].copy()
    for i in range(1, case.n):
        wanted[:, :, i] = made["value"][:, :, max(0, i // 16 * 16 - 16) : i].mean(2)
    close(engine, case, made, engine.evaluate(case, made), {"output": wanted}, ["output"])


def test_h_error_falls_with_rounds(engine):
    errors = []
    for rounds in (1, 2, 4, 8):
        case = LshCase(n=256, chunk=16, rounds=rounds, buckets=(32,), d=16)
        made = engine.prepare(case, case.inputs())
        made["x"] = engine.prepare(case, {"x": 2 * case.inputs()["x"]})["x"]
        allowed = np.broadcast_to(~np.eye(case.n, dtype=bool), (1, case.heads, case.n, case.n))
        exact = softmax_over(case, made, allowed)["output"]
        errors.append(np.abs(engine.evaluate(case, made)["output"] - exact).mean())
    assert errors == sorted(errors, reverse=True), errors
