# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Keys shared among tasks, where the queries of few heads are too few to be: the same results as the meaning, and the
same bits for any number of threads."""

import re
import shutil
import subprocess

import engines
import numpy as np
import pytest
from attention_case import Case
from masks import Causal

pytestmark = pytest.mark.skipif(not shutil.which("attn-compile"), reason="attn-compile is not built")

CASES = [
    Case(n=20, m=4099, d=64, dynamic=False, lse=True),
    Case(n=64, m=2500, d=32, heads=1, dynamic=False, mask=Causal(), lse=True),
    Case(n=300, m=3000, d=64, heads=2, dynamic=False, mask=Causal("top_left")),
    Case(n=40, m=2100, d=64, e=24, heads=4, group=4, dynamic=False, key_valid="bj", lse=True),
    Case(n=30, m=2100, d=16, batch=2, dynamic=False, bias="bhij", softcap=3.0, lse=True),
    Case(n=33, m=2600, d=72, heads=1, dynamic=False, layout="bih", scale=0.3),
    Case(n=12, m=700, d=16, dynamic=False, lse=True),  # too few keys for a second task
]


def splits(case, tmp_path):
    """The tasks that the keys of a head are cut into, from the tiled IR."""
    source = tmp_path / "case.mlir"
    source.write_text(case.ir())
    command = ["attn-compile", str(source), "--to=tile", "--emit=mlir", "-o", "-"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "attn.merge" not in text:
        return 1
    return int(re.search(r"scf\.forall .* -> \(tensor<1x2x(\d+)x1x", text).group(1))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_results(case):
    engines.check(case)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_other_types(dtype):
    engines.check(Case(**{**vars(CASES[1]), "dtype": dtype}))


def test_keys_are_split(tmp_path):
    assert [splits(case, tmp_path) for case in (CASES[0], CASES[-1])] == [5, 1]


def test_results_do_not_depend_on_the_number_of_threads():
    import attn_compiler

    before, results = attn_compiler.num_threads(), []
    try:
        for threads in (1, 2, 3, 7):
            attn_compiler.set_num_threads(threads)
            results.append(engines.check(CASES[0]))
    finally:
        attn_compiler.set_num_threads(before)
    for other in results[1:]:
        for one, two in zip(results[0], other):
            assert np.array_equal(one, two)


@pytest.mark.parametrize("place", ["key", "value"])
def test_no_nan_from_masked_keys(place):
    """A whole task of keys that are padding holds anything."""
    case = CASES[3]
    inputs = case.inputs()
    index = case.operands().index(place)
    valid = inputs[case.operands().index("key_valid")]
    valid[:, 1000:] = 0
    clean = engines.check(case, inputs=inputs)
    inputs[index][:, :, 1000:] = np.nan
    for one, two in zip(clean, engines.Compiled.evaluate(case, inputs)):
        assert np.array_equal(one, two)
