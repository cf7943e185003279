# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Dilated windows of static lengths, which are read as strided slices: the same results as the dense mask."""

import shutil
import subprocess

import engines
import pytest
from attention_case import Case
from masks import AllOf, Causal, Window

pytestmark = pytest.mark.skipif(not shutil.which("attn-compile"), reason="attn-compile is not built")

CASES = [
    Case(n=512, m=512, d=32, heads=3, dynamic=False, mask=Window(70, 70, 2), lse=True),
    Case(n=512, m=512, d=64, heads=2, batch=3, dynamic=False, mask=Window(150, 0, 2), lse=True),
    Case(n=360, m=360, d=16, heads=4, layout="bih", dynamic=False, mask=Window(50, 30, (1, 1, 2, 3)), key_valid="bj"),
    Case(n=1200, m=1200, d=64, e=24, heads=2, dynamic=False, mask=AllOf((Causal(), Window(60, 40, 4))), softcap=5.0),
    Case(n=64, m=64, d=16, heads=2, dynamic=False, mask=Window(3, 3, 64)),
    Case(n=600, m=600, d=16, heads=2, layout="hi", dynamic=False, mask=Window(70, 70, (2, 3)), dtype="float64", lse=True),
    Case(n=512, m=512, d=32, heads=2, dynamic=False, mask=Window(30, 30, 4), dtype="bfloat16"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_results(case, tmp_path):
    source = tmp_path / "case.mlir"
    source.write_text(case.ir())
    text = subprocess.run(["attn-opt", "--attn-split-dilation", source], capture_output=True, text=True, check=True).stdout
    assert "expand_shape" in text and "dilation" not in text
    engines.check(case)
