# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Products with a matrix that only the run knows: it is packed then, in code whose size does not grow with it."""

import numpy
import pytest
from library import compile_library

PRODUCT = """
#x = affine_map<(i, j, k) -> (i, k)>
#w = affine_map<(i, j, k) -> ({layout})>
#y = affine_map<(i, j, k) -> (i, j)>
func.func @main(%x: tensor<{rows}x{depth}xf32>, %w: tensor<{shape}xf32>) -> tensor<{rows}x{columns}xf32> {{
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<{rows}x{columns}xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<{rows}x{columns}xf32>) -> tensor<{rows}x{columns}xf32>
  %y = linalg.generic {{indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "reduction"]}}
      ins(%x, %w : tensor<{rows}x{depth}xf32>, tensor<{shape}xf32>) outs(%init : tensor<{rows}x{columns}xf32>) {{
  ^bb0(%a: f32, %b: f32, %c: f32):
    %p = arith.mulf %a, %b : f32
    %s = arith.addf %c, %p : f32
    linalg.yield %s : f32
  }} -> tensor<{rows}x{columns}xf32>
  return %y : tensor<{rows}x{columns}xf32>
}}
"""


@pytest.mark.parametrize("flags", [["--cpu=x86-64-v3"], ["--cpu=native"]], ids=["v3", "native"])
@pytest.mark.parametrize("rows,depth,columns", [(50, 1536, 384), (17, 300, 67), (64, 65, 32), (12, 523, 33)])
@pytest.mark.parametrize("layout", ["k, j", "j, k"])
def test_packed_at_run_time(tmp_path, layout, rows, depth, columns, flags):
    rng = numpy.random.default_rng(3)
    x = rng.standard_normal((rows, depth), dtype="float32")
    w = rng.standard_normal((depth, columns), dtype="float32")
    given = w if layout == "k, j" else numpy.ascontiguousarray(w.T)
    shape = "x".join(map(str, given.shape))
    text = PRODUCT.format(layout=layout, shape=shape, rows=rows, depth=depth, columns=columns)
    library = compile_library(text, tmp_path, *flags)
    (y,) = library.call("main", x, given)
    exact = x.astype("float64") @ w.astype("float64")
    assert numpy.isfinite(y).all()
    assert numpy.abs(y - exact).max() < 1e-4 * depth**0.5
    assert (tmp_path / "library.so").stat().st_size < 100_000
