# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Documents that lie one after the other in a sequence: compiled and by reference, against a dense mask in numpy."""

import numpy as np
import problem
import programs
import pytest
from attention_case import Case
from problem import MLIR_TYPES
from masks import Causal, Window

# What the lengths of documents may be; the last one is of a document that is longer than a tile.
SPLITS = [(1,), (5, 1, 30), (17, 64, 64, 3), (300, 40)]
MASKS = [None, Causal(), Window(6, 6), Window(9, 0)]


def ir(n, mask, dtype, batch=None, dynamic=False, key_valid=False):
    """Heads are inside rows: [B, n, 2, 16]."""
    extent, outer = ("?" if dynamic else n), ("" if batch is None else f"{batch}x")
    tensor = f"tensor<{outer}{extent}x2x16x{MLIR_TYPES[dtype]}>"
    ids, valid = f"tensor<{outer}{extent}xi32>", f"tensor<{outer}{extent}xi1>"
    dims = ["" if batch is None else "b, "] * 6
    maps = [f"affine_map<(b, h, i, j, d, e) -> ({dim}{text})>" for dim, text in zip(dims, ("i, h, d", "j, h, d", "j, h, e", "j", "i, h, e", "i"))]
    maps = maps[:3] + (maps[3:4] if key_valid else []) + maps[4:]
    return f"""
func.func @main(%q: {tensor}, %k: {tensor}, %v: {tensor}, %ids: {ids}, %valid: {valid}) -> {tensor} {{
  %c = arith.constant {0 if batch is None else 1} : index
  %n = tensor.dim %q, %c : {tensor}
  %init = tensor.empty({"%n" if dynamic else ""}) : {tensor}
  %o = attn.attention ins(%q, %k, %v : {tensor}, {tensor}, {tensor}) documents(%ids : {ids})
      {f"key_valid(%valid : {valid})" if key_valid else ""} outs(%init : {tensor}) maps [{", ".join(maps)}]
      {f"mask {mask}" if mask else ""} -> {tensor}
  return %o : {tensor}
}}"""


def oracle(query, key, value, ids, mask, valid=None):
    """Of [n, H, D] arrays."""
    n = len(query)
    same = ids[:, None] == ids
    same &= np.cumsum(np.diff(ids, prepend=ids[:1]) != 0)[:, None] == np.cumsum(np.diff(ids, prepend=ids[:1]) != 0)
    if mask is not None:
        same &= mask.allowed(n, n)
    if valid is not None:
        same &= valid
    scores = np.where(same, np.einsum("ihd,jhd->hij", query, key) / 4, -np.inf)
    top = scores.max(-1, keepdims=True)
    weights = np.exp(scores - np.where(np.isneginf(top), 0, top))
    total = weights.sum(-1, keepdims=True)
    return np.einsum("hij,jhd->ihd", weights / np.where(total > 0, total, 1), value)


def tolerance(engine, dtype, arrays):
    if engine is programs.by_reference or dtype == "float64":
        return 1e-11
    n, heads, d = arrays[0].shape[-3:]
    case = Case(n=n, m=n, d=d, heads=heads, layout="hi", dtype=dtype)
    batches = zip(*(array.reshape(-1, n, heads, d).transpose(0, 2, 1, 3) for array in arrays))
    return max(case.tolerances(list(one))[0] for one in batches)


@pytest.fixture(params=programs.ENGINES)
def engine(request):
    return request.param


def draw(*shape, dtype="float32"):
    rng = np.random.default_rng(list(shape))
    return [problem.round_to(rng.standard_normal(shape), dtype) for _ in range(3)]


@pytest.mark.parametrize("mask", MASKS, ids=str)
@pytest.mark.parametrize("lengths", SPLITS, ids=str)
def test_dense_mask_oracle(engine, lengths, mask):
    # The numbers of neighbours differ, and may come again.
    ids = np.repeat(np.arange(len(lengths)) % 3 * 7 - 2, lengths).astype(np.int32)
    arrays = draw(len(ids), 2, 16)
    inputs = [*arrays, ids, np.ones(len(ids), bool)]
    got = programs.evaluate(engine, ir(len(ids), mask, "float32", dynamic=len(lengths) > 2), inputs)
    problem.assert_close(got, [oracle(*arrays, ids, mask)], [tolerance(engine, "float32", arrays)])


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_types_batches_and_padding(engine, dtype):
    rng = np.random.default_rng(3)
    n, batch = 90, 3
    ids = np.sort(rng.integers(0, 6, (batch, n)), axis=1).astype(np.int32)
    valid = rng.random((batch, n)) < 0.8
    arrays = draw(batch, n, 2, 16, dtype=dtype)
    got = programs.evaluate(engine, ir(n, Causal(), dtype, batch, key_valid=True), [*arrays, ids, valid], dtype)
    wanted = np.stack([oracle(*(array[b] for array in arrays), ids[b], Causal(), valid[b]) for b in range(batch)])
    problem.assert_close(got, [wanted], [tolerance(engine, dtype, arrays)])


def test_nothing_leaks_between_documents(engine):
    ids = np.repeat(np.array([4, 9], np.int32), (30, 50))
    arrays = draw(80, 2, 16)
    text, valid = ir(80, None, "float32"), np.ones(80, bool)
    before = programs.evaluate(engine, text, [*arrays, ids, valid])[0]
    for array in arrays[1:]:
        array[30:] = np.nan
    after = programs.evaluate(engine, text, [*arrays, ids, valid])[0]
    assert np.array_equal(before[:30], after[:30])


def test_one_document_is_the_whole_sequence(engine):
    arrays = draw(70, 2, 16)
    mask = Causal()
    got = programs.evaluate(engine, ir(70, mask, "float32"), [*arrays, np.zeros(70, np.int32), np.ones(70, bool)])
    problem.assert_close(got, [oracle(*arrays, np.zeros(70, int), mask)], [tolerance(engine, "float32", arrays)])
