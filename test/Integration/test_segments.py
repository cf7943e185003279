# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Keys in several tensors, and positions relative to each other: attention over segments and memories.

Masks, biases and validity see the positions of all keys, wherever the parts are cut.
"""

import dataclasses
import shutil

import engines
import numpy as np
import problem
import pytest
import reference
from attention_case import Case
from masks import AllOf, AnyOf, Causal, Window

TYPES = ["float32", "float64", "float16", "bfloat16"]
PARTS = [(40, 57), (1, 96), (96, 1), (33, 32, 32), (3, 5, 89)]
MASKS = [None, Causal(), Causal("top_left"), Window(20, 0), AnyOf((Window(3, 0), Window(24, 0, 8)))]

CASES = [
    Case(n=9, m=13, d=7, e=5, parts=(4, 9), layout="bih", mask=Causal(), lse=True),
    Case(n=9, m=13, d=8, parts=(4, 0, 9), mask=Causal(), heads=4, group=2, key_valid="bj", bias="hij", batch=2),
    Case(n=6, m=11, d=8, relative="hr", mask=Causal(), lse=True),
    Case(n=6, m=11, d=8, relative="r", positions=11, mask=Causal(), batch=2, layout="bih"),
    Case(n=6, m=11, d=8, relative="hr", parts=(2, 3, 6), heads=4, group=2, bias="hr", mask=Window(4, 2)),
    Case(n=6, m=4, d=8, relative="hr", scale=0.3, score_mod="alibi", dynamic=False),
    Case(n=6, m=11, d=8, bias="r", positions=12),
    Case(n=6, m=11, d=8, bias="bhr", softcap=2.0, batch=2),
]

compiled = pytest.mark.skipif(not shutil.which("attn-compile"), reason="attn-compile is not built")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_reference_against_numpy(case):
    inputs = case.inputs()
    wanted = case.evaluate(inputs)
    tolerances = [1e-12] * len(wanted)
    problem.assert_close(reference.evaluate(case, inputs, by_loops=True), wanted, tolerances, "by loops")
    problem.assert_close(reference.evaluate(case, inputs), wanted, tolerances, "decomposed")


@compiled
@pytest.mark.parametrize("mask", MASKS, ids=str)
@pytest.mark.parametrize("parts", PARTS, ids=str)
def test_parts(parts, mask):
    engines.check(Case(n=70, m=97, d=32, parts=parts, mask=mask, lse=True))


@compiled
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("dynamic", [True, False])
def test_parts_in_all_types(dtype, dynamic):
    parts = (130, 300, 200)
    case = Case(n=150, m=630, d=64, parts=parts, mask=Causal(), lse=True, dtype=dtype, dynamic=dynamic)
    engines.check(dataclasses.replace(case, bias="hij", key_valid="bj", heads=4, group=2))


@compiled
@pytest.mark.parametrize("n", [1, 3])
def test_decode_over_caches(n):
    case = Case(n=n, m=5000, d=64, parts=(2500, 2049, 451), heads=8, group=4, mask=Causal(), lse=True)
    engines.check(case)
    engines.check(dataclasses.replace(case, key_valid="bj", mask=None))


@compiled
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("relative", ["hr", "r"])
def test_relative_types(dtype, relative):
    engines.check(Case(n=97, m=257, d=48, relative=relative, mask=Causal(), lse=True, dtype=dtype, spread=0.5))


@compiled
@pytest.mark.parametrize("mask", [*MASKS, AllOf((Causal(), Window(40, 40, 2)))], ids=str)
@pytest.mark.parametrize("lengths", [(1, 300), (2, 2), (97, 257), (130, 64), (300, 1025)], ids=str)
def test_relative_masks(mask, lengths):
    n, m = lengths
    engines.check(Case(n=n, m=m, d=32, relative="hr", mask=mask, lse=True))


@compiled
@pytest.mark.parametrize("positions", [257, 300, 353])
def test_positions_beyond_the_end_add_nothing(positions):
    engines.check(Case(n=97, m=257, d=32, relative="hr", positions=positions, lse=True))
    engines.check(Case(n=97, m=257, d=32, bias="hr", positions=positions, lse=True))


@compiled
@pytest.mark.parametrize("layout", ["bhi", "bih", "hi"])
@pytest.mark.parametrize("group", [1, 4])
def test_relative_layouts(layout, group):
    batch = 2 if "b" in layout else 1
    case = Case(n=45, m=77, d=24, heads=8, group=group, batch=batch, layout=layout, relative="hr", parts=(30, 47))
    engines.check(dataclasses.replace(case, mask=Causal(), bias="hr", key_valid="j", score_mod="alibi", lse=True))


@compiled
@pytest.mark.parametrize("bias", ["hr", "r", "bhr"])
@pytest.mark.parametrize("n", [1, 5, 120])
def test_bias_by_position(bias, n):
    engines.check(Case(n=n, m=200, d=16, batch=2, bias=bias, lse=True, mask=Causal(), parts=(150, 50)))


@compiled
def test_wrong_lengths_are_refused():
    import attn_compiler

    case = Case(n=8, m=20, d=16, parts=(12, 8), bias="hij", mask=Causal())
    inputs = case.inputs()
    with pytest.raises(attn_compiler.AttnError, match="expected as many keys"):
        engines.Compiled.evaluate(case, [*inputs[:3], inputs[3][..., :-1], *inputs[4:]])
    case = Case(n=8, m=20, d=16, relative="hr", mask=Causal())
    inputs = case.inputs()
    with pytest.raises(attn_compiler.AttnError, match="expected a relative position for each key"):
        engines.Compiled.evaluate(case, [*inputs[:3], inputs[3][:, :19], *inputs[4:]])


@compiled
def test_memory_of_any_length_gives_the_same_bits():
    """The order of the sum over keys follows the parts, which are whole tiles here."""
    whole = Case(n=64, m=768, d=64, mask=Causal())
    query, key, value = whole.inputs()
    cut = dataclasses.replace(whole, parts=(256, 512))
    parts = [query, key[:, :, :256], value[:, :, :256], key[:, :, 256:], value[:, :, 256:]]
    assert np.array_equal(engines.Compiled.evaluate(whole, [query, key, value])[0], engines.Compiled.evaluate(cut, parts)[0])
