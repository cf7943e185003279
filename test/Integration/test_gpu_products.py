# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Products of matrices as kernels on tensor cores, in the simulator, against numpy: shapes and tails, layouts, types, batches
and what follows in registers; then feed-forward layers and reductions of rows."""

import dataclasses
import shutil
import subprocess

import numpy as np
import pytest
from feed_forward_case import ACTIVATIONS, FeedForwardCase
from product_case import ProductCase
from simulated_program import kernels, simulate

pytestmark = pytest.mark.skipif(not shutil.which("attn-compile"), reason="attn-compile is not built")

TYPES = ["float32", "float16", "bfloat16"]


def check(case):
    inputs = case.inputs()
    (got,), report = simulate(case.ir(), inputs, [dtype for _, _, dtype in case.operands()])
    wanted = case.evaluate(inputs)
    assert got.shape == wanted.shape and not np.isnan(got).any()
    beyond = np.abs(got - wanted) - case.tolerance(inputs)
    assert beyond.max(initial=-1) <= 0, f"{case}: an error of {np.abs(got - wanted).max()}, {beyond.max()} beyond the tolerance"
    return kernels(report)


def check_on_tensor_cores(case):
    counts = check(case)
    assert list(counts) == ["product"], list(counts)
    assert counts["product"]["mma"] > 0
    return counts["product"]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(1, 2, 2), (1, 40, 33), (40, 1, 64), (17, 15, 31), (64, 64, 64), (130, 66, 100), (33, 200, 8)],
                         ids=str)
def test_shapes(shape, dtype):
    m, n, k = shape
    check_on_tensor_cores(ProductCase(m=m, n=n, k=k, dtype=dtype))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("spec", ["mk,nk->mn", "km,kn->mn", "km,nk->mn", "mk,kn->nm", "km,nk->nm"])
@pytest.mark.parametrize("shape", [(48, 64, 80), (50, 34, 27)], ids=str)
def test_layouts(spec, shape, dtype):
    m, n, k = shape
    check_on_tensor_cores(ProductCase(spec, m=m, n=n, k=k, dtype=dtype))


@pytest.mark.parametrize(
    "spec",
    ["bmk,bkn->bmn", "bmk,bnk->bmn", "bmk,kn->bmn", "mk,bkn->bmn", "bmk,bkn->mbn", "mbk,bkn->bmn", "bck,bckn->bcn",
     "mck,ckn->mn", "kcm,nkc->mn", "mk,ncdk->mncd", "bmck,bkn->bmcn"],
)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_dimensions(spec, dtype):
    """Any number of dimensions is batch, rows, columns or depth."""
    check_on_tensor_cores(ProductCase(spec, m=20, n=24, k=16, b=3, c=5, d=4, dtype=dtype))
    check_on_tensor_cores(ProductCase(spec, m=9, n=7, k=13, b=2, c=3, d=2, dtype=dtype))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("dynamic", ["m", "n", "k", "mnk"])
def test_dynamic_extents(dynamic, dtype):
    check_on_tensor_cores(ProductCase("mk,nk->mn", m=45, n=50, k=70, dynamic=dynamic, dtype=dtype))
    check_on_tensor_cores(ProductCase("bmk,kn->bmn", m=5, n=32, k=64, dynamic="b" + dynamic, dtype=dtype))


@pytest.mark.parametrize("epilogue", ["bias", "gelu", "residual"])
@pytest.mark.parametrize("out", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("shape", [(64, 64, 64), (37, 41, 24)], ids=str)
def test_epilogues(epilogue, out, shape):
    m, n, k = shape
    dtype = "bfloat16" if out == "bfloat16" else "float16"
    check_on_tensor_cores(ProductCase("mk,nk->mn", m=m, n=n, k=k, dtype=dtype, epilogue=epilogue, out=out))
    check_on_tensor_cores(ProductCase("bmk,kn->bmn", m=m, n=n, k=k, dynamic="bm", dtype=dtype, epilogue=epilogue, out=out))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("spec", ["mk,nk->mn", "mk,kn->mn", "km,kn->mn"])
@pytest.mark.parametrize("shape", [(1, 48, 1024), (16, 40, 700), (3, 130, 257), (1, 20, 96)], ids=str)
def test_few_rows_share_the_depth(spec, shape, dtype):
    m, n, k = shape
    check_on_tensor_cores(ProductCase(spec, m=m, n=n, k=k, dtype=dtype, epilogue="gelu", out=dtype))


def test_few_rows_of_several_depths():
    check_on_tensor_cores(ProductCase("mck,ckn->mn", m=2, n=24, k=200, c=3))
    check_on_tensor_cores(ProductCase("bmk,bkn->bmn", m=1, n=24, k=512, b=3, epilogue="residual", out="float16"))
    check_on_tensor_cores(ProductCase("mk,nk->mn", m=1, n=24, k=512, dynamic="k"))
    check_on_tensor_cores(ProductCase("mk,nk->mn", m=4, n=24, k=512, initial=2.5))


def test_slices_of_the_depth_are_added_in_order():
    """In whatever order warps run, every bit is the same."""
    case = ProductCase("mk,nk->mn", m=3, n=40, k=1024)
    inputs, dtypes = case.inputs(), [dtype for _, _, dtype in case.operands()]
    first, second = (simulate(case.ir(), inputs, dtypes, order=order)[0][0] for order in (3, 11))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("sums", ["float32", "float16"])
def test_types_of_sums_and_initial_values(sums):
    check_on_tensor_cores(ProductCase(sums=sums, initial=1.5))
    check_on_tensor_cores(ProductCase(sums=sums, m=33, n=31, k=20))


@pytest.mark.parametrize("shape", [(256, 128, 64), (256, 256, 96), (128, 1024, 40)], ids=str)
@pytest.mark.parametrize("spec", ["mk,nk->mn", "km,kn->mn"])
def test_no_bank_conflicts(spec, shape):
    m, n, k = shape
    counts = check_on_tensor_cores(ProductCase(spec, m=m, n=n, k=k))
    assert counts["bank_conflicts"] == 0 and counts["local_accesses"] == 0
    assert counts["mma_flops"] >= 2 * m * n * k
    assert counts["cp_async"] > 0 and counts["ldmatrix"] > 0


def test_a_remark_says_what_stays_off_the_tensor_cores(tmp_path):
    (tmp_path / "double.mlir").write_text(ProductCase(dtype="float64", sums="float64").ir(), encoding="utf-8")
    command = ["attn-compile", tmp_path / "double.mlir", "--target=nvptx", "--emit=ptx", "--remarks", "-o", tmp_path / "out.ptx"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "NoTensorCores" in done.stderr and "its elements are neither of f16 nor of bf16 nor of f32" in done.stderr


def check_layer(case):
    inputs = case.inputs()
    (got,), report = simulate(case.ir(), inputs, [case.dtype] * len(inputs))
    wanted = case.evaluate(inputs)
    assert got.shape == wanted.shape and not np.isnan(got).any()
    beyond = np.abs(got - wanted) - case.tolerance(inputs)
    assert beyond.max(initial=-1) <= 0, f"{case}: an error of {np.abs(got - wanted).max()}, {beyond.max()} beyond the tolerance"
    return report


@pytest.mark.parametrize("gated", [False, True], ids=["plain", "gated"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_feed_forward_activations(activation, gated):
    report = check_layer(FeedForwardCase(activation, gated=gated, spread=4))
    assert len(report["kernels"]) == 2 and all(counts["mma"] > 0 for counts in report["kernels"].values())


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("gated", [False, True], ids=["plain", "gated"])
def test_feed_forward_types(dtype, gated):
    check_layer(FeedForwardCase("silu", gated=gated, dtype=dtype, transposed=gated))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("gated", [False, True], ids=["plain", "gated"])
def test_feed_forward_of_one_token(gated, dtype):
    check_layer(FeedForwardCase("silu", 1, 256, 320, 256, gated=gated, dtype=dtype, dynamic=False))


@pytest.mark.parametrize("shape", [(3, 5, 7, 11), (65, 33, 100, 17), (64, 64, 128, 64)], ids=str)
@pytest.mark.parametrize("changes", [{}, {"biased": False}, {"dynamic": False}, {"rows": 32}], ids=str)
def test_feed_forward_shapes(shape, changes):
    m, k, h, n = shape
    check_layer(dataclasses.replace(FeedForwardCase("gelu", m, k, h, n), **changes))


def reduction(rows, columns, combiner, initial, dynamic):
    """IR that reduces rows, of the square of an element where they are added."""
    matrix = f"tensor<{'?x?' if dynamic else f'{rows}x{columns}'}xf32>"
    vector = f"tensor<{'?' if dynamic else rows}xf32>"
    return f"""\
func.func @main(%x: {matrix}) -> {vector} {{
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : {matrix}
  %start = arith.constant {initial} : f32
  %e = tensor.empty({"%n" if dynamic else ""}) : {vector}
  %f = linalg.fill ins(%start : f32) outs(%e : {vector}) -> {vector}
  %r = linalg.generic {{indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>],
      iterator_types = ["parallel", "reduction"]}} ins(%x : {matrix}) outs(%f : {vector}) {{
  ^bb0(%a: f32, %s: f32):
    %q = arith.mulf %a, %a : f32
    %t = {combiner} %s, {"%q" if "add" in combiner else "%a"} : f32
    linalg.yield %t : f32
  }} -> {vector}
  return %r : {vector}
}}
"""


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("shape", [(1, 32), (9, 100), (70, 384), (3, 1)], ids=str)
@pytest.mark.parametrize("combiner", ["arith.addf", "arith.maximumf"])
def test_row_reductions(combiner, shape, dynamic):
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    initial = "2.0" if "add" in combiner else "-1.0"
    (got,), report = simulate(reduction(*shape, combiner, initial, dynamic), [x], ["float32"])
    x = x.astype(np.float64)
    wanted = 2 + (x * x).sum(axis=1) if "add" in combiner else np.maximum(x.max(axis=1), -1)
    np.testing.assert_allclose(got, wanted, rtol=1e-5)
    counts = kernels(report)["generic"]
    if shape[1] >= 32:
        assert counts["shuffles"] > 0 and counts["uncoalesced"] <= 2 * shape[0]


def normalisation(rows, columns, dynamic):
    """IR of a layer normalisation without parameters, as models have it: a mean, a variance, and the elements."""
    matrix = f"tensor<{'?' if dynamic else rows}x{columns}xf32>"
    vector = f"tensor<{'?' if dynamic else rows}xf32>"
    size = "%n" if dynamic else ""

    def reduce(name, operands, types, maps, body):
        return f"""\
  %{name} = linalg.generic {{indexing_maps = [{maps}, #row], iterator_types = ["parallel", "reduction"]}}
      ins({operands} : {types}) outs(%f : {vector}) {{
{body}
  }} -> {vector}"""

    return f"""\
#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>
func.func @main(%x: {matrix}) -> {matrix} {{
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : {matrix}
  %zero = arith.constant 0.0 : f32
  %count = arith.constant {float(columns)} : f32
  %eps = arith.constant 1.0e-5 : f32
  %e = tensor.empty({size}) : {vector}
  %f = linalg.fill ins(%zero : f32) outs(%e : {vector}) -> {vector}
{reduce("sum", "%x", matrix, "#id", '''  ^bb0(%a: f32, %s: f32):
    %t = arith.addf %s, %a : f32
    linalg.yield %t : f32''')}
{reduce("squares", "%x, %sum", f"{matrix}, {vector}", "#id, #row", '''  ^bb0(%a: f32, %b: f32, %s: f32):
    %m = arith.divf %b, %count : f32
    %d = arith.subf %a, %m : f32
    %q = arith.mulf %d, %d : f32
    %t = arith.addf %s, %q : f32
    linalg.yield %t : f32''')}
  %to = tensor.empty({size}) : {matrix}
  %r = linalg.generic {{indexing_maps = [#id, #row, #row, #id], iterator_types = ["parallel", "parallel"]}}
      ins(%x, %sum, %squares : {matrix}, {vector}, {vector}) outs(%to : {matrix}) {{
  ^bb0(%a: f32, %b: f32, %c: f32, %o: f32):
    %m = arith.divf %b, %count : f32
    %d = arith.subf %a, %m : f32
    %v = arith.divf %c, %count : f32
    %w = arith.addf %v, %eps : f32
    %k = math.rsqrt %w : f32
    %y = arith.mulf %d, %k : f32
    linalg.yield %y : f32
  }} -> {matrix}
  return %r : {matrix}
}}
"""


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("shape", [(2, 32), (9, 100), (70, 384)], ids=str)
def test_normalisation_is_one_kernel(shape, dynamic):
    x = np.random.default_rng(2).standard_normal(shape).astype(np.float32) + 3
    (got,), report = simulate(normalisation(*shape, dynamic), [x], ["float32"])
    x = x.astype(np.float64)
    wanted = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)
    counts = kernels(report)
    assert list(counts) == ["rows"] and counts["rows"]["launches"] == 1
    assert counts["rows"]["uncoalesced"] <= 32 * shape[0]
