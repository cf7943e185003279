# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The reference itself: its evaluation by loops, its evaluation of the decomposition, numpy and PyTorch must agree."""

import numpy as np
import problem
import pytest
import reference
from attention_case import Case
from masks import AllOf, AnyOf, BigBird, Causal, Global, LocalChunks, Window

CASES = [
    Case(n=5, m=5, d=1),
    Case(n=9, m=13, d=7, e=5, layout="bih", mask=Causal("bottom_right"), lse=True),
    Case(n=13, m=9, d=16, mask=Causal("bottom_right"), lse=True),
    Case(n=6, m=11, mask=Causal("top_left"), heads=6, group=3, batch=2, dtype="float16"),
    Case(n=17, m=17, mask=Window(3, 2, 1, "top_left"), layout="hi", lse=True, dtype="float64"),
    Case(n=17, m=23, mask=Window(4, 4, 3), heads=4, group=4, dynamic=False),
    Case(n=17, m=23, mask=Window(4, 4, (1, 3, 2, 1)), heads=4, group=2, dynamic=False),
    Case(n=18, m=18, mask=BigBird(2, 2, 3), lse=True),
    Case(n=14, m=18, mask=AnyOf((LocalChunks(4, 1, 1), Global((1, (6, 8))))), lse=True),
    Case(n=16, m=16, mask=AnyOf((Window(2, 0), Window(8, 0, 4))), dtype="bfloat16"),
    Case(n=16, m=12, mask=AllOf((Causal("top_left"), Window(8, 8, 2, "top_left"))), lse=True),
    Case(n=8, m=10, bias="hij", key_valid="bj", batch=3, lse=True),
    Case(n=8, m=10, bias="bij", key_valid="j", layout="bih", batch=3, group=2),
    Case(n=8, m=10, bias="j", softcap=2.5, scale=0.7, layout="bih"),
    Case(n=8, m=10, bias="", scale=-0.3),
    Case(n=8, m=10, score_mod="alibi", heads=8, softcap=5.0),
    Case(n=8, m=8, score_mod="batch_bump", batch=2, mask=Causal(), bias="bhij", key_valid="bj", lse=True),
    Case(n=0, m=4, lse=True),
    Case(n=4, m=0, lse=True),
    Case(n=4, m=4, batch=0),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_against_numpy(case):
    inputs = case.inputs()
    wanted = case.evaluate(inputs)
    assert not any(np.isnan(array).any() for array in wanted)
    tolerances = [1e-12] * len(wanted)
    problem.assert_close(reference.evaluate(case, inputs, by_loops=True), wanted, tolerances, "by loops")
    problem.assert_close(reference.evaluate(case, inputs), wanted, tolerances, "decomposed")


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("group", [1, 4])
def test_against_pytorch(is_causal, group):
    torch = pytest.importorskip("torch")
    mask = Causal("top_left") if is_causal else None
    case = Case(n=12, m=19, d=24, heads=8, group=group, batch=2, mask=mask, dtype="float64")
    tensors = [torch.from_numpy(array) for array in case.inputs()]
    wanted = torch.nn.functional.scaled_dot_product_attention(*tensors, is_causal=is_causal, enable_gqa=True)
    problem.assert_close(reference.evaluate(case, case.inputs()), [wanted.numpy()], [1e-12])


def test_bad_inputs_are_errors():
    case = Case(n=4, m=5)
    query, key, value = case.inputs()
    for inputs, message in [
        ([query, key], "expected 3 inputs, got 2"),
        ([query, key, value[..., :-1]], "expected input 2 to fit"),
        ([query, key, value[:, :, :-1]], "the model refuses its inputs"),
    ]:
        done, _ = reference.run(case.ir(), inputs, 1)
        assert done.returncode == 1 and message in done.stderr, done.stderr
