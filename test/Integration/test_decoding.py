# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One token at a time: windows step by step, and their ring buffer. The letters are those of docs/Rationale/Testing.md."""

import dataclasses

import engines
import numpy as np
import problem
import pytest
from attention_case import Case
from masks import AllOf, AnyOf, Causal, Global, LocalChunks, Window

STEPS = 40


@pytest.fixture(params=engines.ENGINES, ids=lambda engine: engine.name)
def engine(request):
    return request.param


def whole(mask):
    case = Case(n=STEPS, m=STEPS, d=16, layout="hi", mask=mask)
    return case, case.inputs()


@pytest.mark.parametrize("window", [Window(0, 0), Window(7, 0), Window(3, 0, 2), Window(STEPS, 0)], ids=str)
def test_9b_windows_step_by_step_are_the_whole(engine, window):
    case, (query, key, value) = whole(window)
    wanted = case.evaluate([query, key, value])[0]
    tolerance = engine.tolerances(case, [query, key, value])[0]
    for i in range(STEPS):
        step = dataclasses.replace(case, n=1, m=i + 1)
        got = engine.evaluate(step, [query[:, i : i + 1], key[:, : i + 1], value[:, : i + 1]])[0]
        problem.assert_close([got[:, 0]], [wanted[:, i]], [tolerance])


@pytest.mark.parametrize("window", [1, 6, 16])
def test_9d_a_ring_buffer_wraps(engine, window):
    """Slot i mod w holds position i; slots are valid once they are written, and their order does not matter."""
    case, (query, key, value) = whole(Window(window - 1, 0))
    wanted = case.evaluate([query, key, value])[0]
    tolerance = 2 * engine.tolerances(case, [query, key, value])[0]
    step = Case(n=1, m=window, d=16, layout="hi", key_valid="j")
    rings = [np.full((2, window, 16), np.nan) for _ in range(2)]
    for i in range(STEPS):
        for ring, array in zip(rings, (key, value)):
            ring[:, i % window] = array[:, i]
        valid = (np.arange(window) <= i).astype(np.float64)
        got = engine.evaluate(step, [query[:, i : i + 1], *rings, valid])[0]
        problem.assert_close([got[:, 0]], [wanted[:, i]], [tolerance])


@pytest.mark.parametrize("chunk", [STEPS, 64])
def test_3e_one_local_chunk_is_full_attention(engine, chunk):
    case, inputs = whole(LocalChunks(chunk, 1, 1))
    if chunk > STEPS:
        case = dataclasses.replace(case, dynamic=True)
    full = dataclasses.replace(case, mask=None)
    got = engine.evaluate(case, inputs)
    problem.assert_close(got, full.evaluate(inputs), engine.tolerances(case, inputs))


@pytest.mark.parametrize("ahead", [0, 1])
def test_3f_the_first_chunk_ignores_the_last(engine, ahead):
    mask = LocalChunks(8, 1, ahead)
    for one in (mask, AllOf((Causal(), mask))):
        case, (query, key, value) = whole(one)
        before = engine.evaluate(case, [query, key, value])[0]
        key, value = key.copy(), value.copy()
        key[:, -8:], value[:, -8:] = 3, 7
        after = engine.evaluate(case, [query, key, value])[0]
        assert np.array_equal(before[:, :8], after[:, :8])


def test_7f_a_global_token_in_a_window_counts_once(engine):
    case, inputs = whole(AnyOf((Window(5, 5), Global(((2, 4), (20, 21)), "both"))))
    got = engine.evaluate(case, inputs)
    # The oracle is a boolean mask, in which nothing can count twice.
    problem.assert_close(got, case.evaluate(inputs), engine.tolerances(case, inputs))
