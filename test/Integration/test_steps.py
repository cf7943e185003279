# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Steps of one attention: any split of a sequence equals one call for every kind of cache, and bad steps change nothing."""

import engines
import numpy as np
import pytest
from step_programs import LENGTH, POOL, PROGRAMS, arrays, buffers, compiled, step

pytestmark = pytest.mark.skipif(len(engines.ENGINES) < 2, reason="there is no attn-compile")

SPLITS = [[50], [1] * 50, [20, 1, 7, 22], [49, 1], [1, 49], [16, 16, 18]]


@pytest.mark.parametrize("split", SPLITS, ids=lambda split: f"{split[0]}.. in {len(split)}")
@pytest.mark.parametrize("name", PROGRAMS)
def test_any_split_equals_one_call(name, split):
    module, inputs = compiled(name), arrays()
    whole = module.main(*inputs)
    state, firsts = buffers(module, np.nan), np.cumsum([0, *split])
    result = np.concatenate([step(module, inputs, *one, state) for one in zip(firsts, split)], axis=1)
    assert not np.isnan(result).any()
    # both are within rounding of the same sums, in another order
    assert np.abs(result - whole).max() <= 2e-6 * np.abs(whole).max() * np.sqrt(LENGTH)


@pytest.mark.parametrize("name", PROGRAMS)
def test_pieces_of_one_are_tokens(name):
    """NAME_step takes what NAME_token does."""
    module, inputs = compiled(name), arrays(2)
    first, second = buffers(module, 0), buffers(module, 0)
    for position in range(20):
        token = step(module, inputs, position, 1, first)
        part = [np.ascontiguousarray(array[:, position : position + 1]) for array in inputs]
        piece = module.main_step(*part, np.array(position, np.int64), *second)
        assert np.abs(token - piece).max() <= 1e-5


def refused(module, first, count, state, match):
    import attn_compiler

    inputs = [np.ones((2, count, *array.shape[2:]), np.float32) for array in arrays()]
    before = [np.copy(array) for array in state]
    entry = module.main_token if count == 1 else module.main_step
    with pytest.raises(attn_compiler.AttnError, match=match):
        entry(*inputs, np.array(first, np.int64), *state)
    assert all(np.array_equal(old, new) for old, new in zip(before, state))


@pytest.mark.parametrize("first, count", [(50, 20), (64, 1), (-1, 2), (-1, 1), (0, 65), (2**62, 3)])
@pytest.mark.parametrize("name", ["softmax", "paged"])
def test_a_step_out_of_the_cache_changes_nothing(name, first, count):
    message = "length of at least 0" if first < 0 else "within the cache's capacity of 64 positions"
    refused(compiled(name), first, count, buffers(compiled(name), 3), message)


@pytest.mark.parametrize("page", [POOL, -1, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize("count", [1, 20])
def test_a_page_out_of_the_pool_changes_nothing(page, count):
    module = compiled("paged")
    table, *pools = buffers(module, 3)
    for number in range(2):
        wrong = table.copy()
        wrong[1, number] = page
        refused(module, 16, count, [wrong, *pools], "expected pages of the pool")
    wrong[1, 1], wrong[1, 3] = table[1, 1], page  # not needed yet
    step(module, arrays(), 16, count, [wrong, *pools])
    short = [pool[:5].copy() for pool in pools]
    refused(module, 16, count, [table, pools[0], short[1]], "expected pages of the pool")


def test_a_cache_of_another_shape_or_type():
    import attn_compiler

    module, inputs = compiled("softmax"), arrays()
    key, value = buffers(module, 0)
    for wrong in (key[:, :, :32].copy(), key.astype(np.float64), key[:1].copy(), key[..., :8].copy()):
        with pytest.raises(attn_compiler.AttnError, match="key_cache0"):
            step(module, inputs, 0, 1, [wrong, value])
        with pytest.raises(attn_compiler.AttnError, match="key_cache0"):
            step(module, inputs, 0, 9, [wrong, value])


def test_a_state_of_another_shape_or_type():
    import attn_compiler

    module, inputs = compiled("favor"), arrays()
    sums, norms, references = buffers(module, 0)
    for wrong in (sums[..., :8].copy(), sums.astype(np.float16), sums[:, :, :5].copy()):
        for count in (1, 9):
            with pytest.raises(attn_compiler.AttnError, match="sum_state0"):
                step(module, inputs, 0, count, [wrong, norms, references])
    assert not sums.any() and not norms.any()
