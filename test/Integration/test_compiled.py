# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiled libraries against the meaning, over shapes, masks and types.

Most cases have dynamic lengths, so one library serves several of them. Seeds are fixed; tolerances are derived in
attention_case.py.
"""

import dataclasses
import shutil

import attention_case
import engines
import numpy as np
import problem
import pytest
from attention_case import Case
from masks import AllOf, AnyOf, Causal, Global, LocalChunks, Window

pytestmark = pytest.mark.skipif(not shutil.which("attn-compile"), reason="attn-compile is not built")

TYPES = ["float32", "float64", "float16", "bfloat16"]
# One query; less than a tile; one more than a tile; odd and longer than several.
LENGTHS = [(1, 1), (1, 300), (7, 5), (33, 31), (97, 257), (130, 64), (259, 515)]
MASKS = [
    Causal("top_left"),
    Causal("bottom_right"),
    Window(0, 0),
    Window(5, 3, 1, "top_left"),
    Window(63, 0),
    Window(300, 0),
    Window(4, 4, 3),
    AllOf((Causal(), Window(40, 40, 2))),
    AnyOf((Window(3, 0), Window(24, 0, 8))),
    AnyOf((Window(2, 2, 1, "top_left"), Causal("bottom_right"))),
    AllOf((AnyOf((Window(9, 0), Window(50, 0, 10))), Causal())),
    Global(((0, 20), 40)),
    Global((1, 5, 9, 17, 40, 41, 60), "both", "top_left"),
    LocalChunks(16, 1, 1),
    LocalChunks(100, 1, 0, "top_left"),
    AnyOf((Window(12, 12), Global(((0, 20), 40)))),
    AnyOf((Window(12, 12, (1, 3)), Global((0, 127), "both", "top_left"))),
    AllOf((Causal(), AnyOf((Window(30, 30, 2), Global(((0, 5), (100, 130))))))),
]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_lengths(lengths, dtype):
    n, m = lengths
    engines.check(Case(n=n, m=m, d=64, lse=True, dtype=dtype))


@pytest.mark.parametrize("d", [1, 7, 16, 31, 72, 80, 96, 128, 256])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_head_sizes(d, dtype):
    engines.check(Case(n=65, m=131, d=d, dtype=dtype, mask=Causal()))


@pytest.mark.parametrize("d, e", [(16, 48), (64, 8), (33, 65)])
def test_value_size_differs(d, e):
    engines.check(Case(n=50, m=70, d=d, e=e, lse=True))


@pytest.mark.parametrize("mask", MASKS, ids=str)
@pytest.mark.parametrize("lengths", [(97, 257), (200, 130), (300, 300)], ids=str)
def test_masks(mask, lengths):
    n, m = lengths
    engines.check(Case(n=n, m=m, d=32, mask=mask, lse=True))


@pytest.mark.parametrize("mask", [Causal(), Window(31, 0), AnyOf((Window(3, 0), Window(24, 0, 8)))], ids=str)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_masks_in_other_types(mask, dtype):
    engines.check(Case(n=130, m=260, d=32, mask=mask, lse=True, dtype=dtype))


@pytest.mark.parametrize("layout", ["bhi", "bih", "hi", "ih", "hbi"])
@pytest.mark.parametrize("group", [1, 2, 8])
def test_layouts_and_groups(layout, group):
    batch = 3 if "b" in layout else 1
    engines.check(Case(n=45, m=77, d=24, heads=8, group=group, batch=batch, layout=layout, lse=True))


@pytest.mark.parametrize("bias", ["bhij", "hij", "ij", "j", "i", "bj", "h", ""])
def test_bias_broadcasts(bias):
    engines.check(Case(n=37, m=69, d=16, batch=2, bias=bias, lse=True, mask=Causal()))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("key_valid", ["bj", "j"])
def test_key_validity(key_valid, dtype):
    engines.check(Case(n=37, m=300, d=32, batch=2, key_valid=key_valid, lse=True, dtype=dtype, group=2))


@pytest.mark.parametrize("score_mod", attention_case.SCORE_MODS)
@pytest.mark.parametrize("softcap", [None, 3.0])
def test_score_mods(score_mod, softcap):
    engines.check(Case(n=40, m=90, d=16, batch=2, heads=4, score_mod=score_mod, softcap=softcap, mask=Causal()))


@pytest.mark.parametrize("dtype", TYPES)
def test_everything_at_once(dtype):
    case = Case(n=61, m=143, d=40, e=24, batch=2, heads=6, group=3, layout="bih", dtype=dtype, lse=True)
    case = dataclasses.replace(case, mask=Causal(), bias="hij", key_valid="bj", softcap=4.0, scale=0.3, score_mod="alibi")
    engines.check(case)


@pytest.mark.parametrize("scale", [0.0, -1.5, 2.0])
def test_scale(scale):
    engines.check(Case(n=20, m=30, d=16, scale=scale, lse=True))


@pytest.mark.parametrize("softcap", [0.5, 50.0])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_softcap(softcap, dtype):
    engines.check(Case(n=33, m=120, d=64, softcap=softcap, dtype=dtype, spread=4.0))


@pytest.mark.parametrize("lengths", [(1, 1000), (3, 260), (128, 128), (130, 70)], ids=str)
@pytest.mark.parametrize("mask", [None, Causal()], ids=str)
def test_static_shapes(lengths, mask):
    n, m = lengths
    engines.check(Case(n=n, m=m, d=64, heads=4, group=2, mask=mask, dynamic=False, lse=True))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_decode_is_split_over_keys(dtype):
    engines.check(Case(n=1, m=5001, d=64, heads=8, group=4, mask=Causal(), dtype=dtype, lse=True))


@pytest.mark.parametrize(
    "cpu, dtype",
    [
        ("x86-64-v3", "float32"),
        ("x86-64-v3", "bfloat16"),
        ("x86-64-v4", "float32"),
        ("x86-64-v4", "bfloat16"),
    ],
)
def test_other_vector_widths(cpu, dtype):
    engines.check(Case(n=70, m=150, d=72, mask=Causal(), dtype=dtype, lse=True), cpu=cpu)


def test_results_do_not_depend_on_the_number_of_threads():
    import attn_compiler

    case = Case(n=200, m=333, d=64, heads=3, mask=Causal(), lse=True)
    inputs = case.inputs()
    before = attn_compiler.num_threads()
    try:
        runs = []
        for threads in (1, 2, 3):
            attn_compiler.set_num_threads(threads)
            runs.append(engines.Compiled.evaluate(case, inputs))
    finally:
        attn_compiler.set_num_threads(before)
    for run in runs[1:]:
        assert all(np.array_equal(left, right) for left, right in zip(runs[0], run))


def test_the_reference_agrees_on_the_same_ir():
    case = Case(n=30, m=50, d=16, mask=Causal(), bias="hij", lse=True, score_mod="alibi")
    inputs = case.inputs()
    got = engines.Compiled.evaluate(case, inputs)
    problem.assert_close(got, engines.Reference.evaluate(case, inputs), case.tolerances(inputs))


def test_empty_arrays_are_refused():
    import attn_compiler

    with pytest.raises(attn_compiler.ArgumentError, match="positive, got 0"):
        engines.Compiled.evaluate(Case(n=4, m=0), Case(n=4, m=0).inputs())


def test_a_length_without_the_global_tokens_is_refused():
    import attn_compiler

    case = Case(n=9, m=9, mask=AnyOf((Window(1, 1), Global(((0, 4), 12)))))
    with pytest.raises(attn_compiler.AttnError, match="at least 13 keys for the global tokens"):
        engines.Compiled.evaluate(case, case.inputs())
