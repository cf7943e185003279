# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Small programs, compiled to libraries and run."""

import pathlib
import resource

import numpy
import pytest
from library import compile_library

SCALE = "test/Tools/Inputs/scale.mlir"


def test_parallel_loop(root, tmp_path):
    library = compile_library((root / SCALE).read_text(), tmp_path)
    x = numpy.arange(7 * 64, dtype="float32").reshape(7, 64)
    (y,) = library.call("main", x)
    assert (y == 2 * x).all()


def test_no_rows(root, tmp_path):
    library = compile_library((root / SCALE).read_text(), tmp_path)
    (y,) = library.call("main", numpy.empty((0, 64), "float32"))
    assert y.shape == (0, 64)


def test_failed_assertion(root, tmp_path):
    library = compile_library((root / SCALE).read_text(), tmp_path)
    with pytest.raises(RuntimeError, match="expected fewer than 100 rows"):
        library.call("main", numpy.zeros((100, 64), "float32"))
    (y,) = library.call("main", numpy.ones((99, 64), "float32"))
    assert (y == 2).all()


def test_failed_assertion_on_a_thread(tmp_path):
    library = compile_library(
        """
        func.func @main(%x: tensor<8xi64>) -> tensor<8xi64> {
          %init = tensor.empty() : tensor<8xi64>
          %r = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
                               iterator_types = ["parallel"]}
              ins(%x : tensor<8xi64>) outs(%init : tensor<8xi64>) {
          ^bb0(%a: i64, %b: i64):
            %c5 = arith.constant 5 : i64
            %ok = arith.cmpi slt, %a, %c5 : i64
            cf.assert %ok, "expected tokens below 5"
            linalg.yield %a : i64
          } -> tensor<8xi64>
          return %r : tensor<8xi64>
        }
        """,
        tmp_path,
    )
    tokens = numpy.arange(8, dtype="int64") % 5
    assert (library.call("main", tokens)[0] == tokens).all()
    with pytest.raises(RuntimeError, match="expected tokens below 5"):
        library.call("main", numpy.arange(8, dtype="int64"))


@pytest.mark.parametrize("flags", [[], ["--cpu=x86-64-v3"]])
@pytest.mark.parametrize("kind", ["dense", "dense_resource"])
def test_large_constant(tmp_path, flags, kind):
    """Constants of 64 KiB and more take another way, from either spelling."""
    weights = numpy.arange(300 * 64, dtype="float32").reshape(300, 64)
    raw = "0x" + weights.tobytes().hex()
    tail = ""
    if kind == "dense_resource":
        tail = '{-# dialect_resources: { builtin: { weights: "0x04000000' + raw[2:] + '" } } #-}'
        raw = "weights"
    else:
        raw = f'"{raw}"'
    text = f"""
        func.func @main(%x: tensor<300x64xf32>) -> tensor<300x64xf32> {{
          %w = arith.constant {kind}<{raw}> : tensor<300x64xf32>
          %r = arith.addf %x, %w : tensor<300x64xf32>
          return %r : tensor<300x64xf32>
        }}
        {tail}
    """
    library = compile_library(text, tmp_path, *flags)
    x = numpy.ones((300, 64), "float32")
    assert (library.call("main", x)[0] == weights + 1).all()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["input.mlir", "library.so"]


def test_several_results_and_scalars(tmp_path):
    library = compile_library(
        """
        func.func @main(%x: tensor<?x3xf64>, %s: f64) -> (f64, tensor<?x3xf64>, tensor<3xf64>) {
          %two = arith.constant 2.0 : f64
          %t = arith.mulf %s, %two : f64
          %e = tensor.empty() : tensor<3xf64>
          %f = linalg.fill ins(%t : f64) outs(%e : tensor<3xf64>) -> tensor<3xf64>
          return %t, %x, %f : f64, tensor<?x3xf64>, tensor<3xf64>
        }
        """,
        tmp_path,
    )
    x = numpy.arange(6.0).reshape(2, 3)
    t, y, f = library.call("main", x, numpy.array(1.5))
    assert t == 3.0 and (y == x).all() and (f == 3.0).all()


def test_intermediate_of_every_size(tmp_path):
    """Static and dynamic intermediates, all of which share memory."""
    library = compile_library(
        """
        func.func @main(%x: tensor<?x8xf32>, %y: tensor<4x8xf32>) -> (tensor<?x8xf32>, tensor<4x8xf32>) {
          %a = math.exp %x : tensor<?x8xf32>
          %b = arith.addf %a, %x : tensor<?x8xf32>
          %c = math.log %b : tensor<?x8xf32>
          %p = math.exp %y : tensor<4x8xf32>
          %q = arith.addf %p, %y : tensor<4x8xf32>
          %r = math.log %q : tensor<4x8xf32>
          return %c, %r : tensor<?x8xf32>, tensor<4x8xf32>
        }
        """,
        tmp_path,
    )
    for rows in (0, 1, 33):
        x = numpy.random.default_rng(rows).uniform(0, 2, (rows, 8)).astype("float32")
        y = numpy.random.default_rng(7).uniform(0, 2, (4, 8)).astype("float32")
        c, r = library.call("main", x, y)
        numpy.testing.assert_allclose(c, numpy.log(numpy.exp(x) + x), rtol=2e-6, atol=1e-6)
        numpy.testing.assert_allclose(r, numpy.log(numpy.exp(y) + y), rtol=2e-6, atol=1e-6)


CHAIN = """
func.func @main(%x: tensor<?x1xf32>) -> tensor<?x1xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x1xf32>
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty(%n, %n) : tensor<?x?xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<?x?xf32>) -> tensor<?x?xf32>
  %one = tensor.empty(%n) : tensor<1x?xf32>
  %xt = linalg.transpose ins(%x : tensor<?x1xf32>) outs(%one : tensor<1x?xf32>) permutation = [1, 0]
  %square = linalg.matmul ins(%x, %xt : tensor<?x1xf32>, tensor<1x?xf32>) outs(%init : tensor<?x?xf32>) -> tensor<?x?xf32>
  %fourth = linalg.matmul ins(%square, %square : tensor<?x?xf32>, tensor<?x?xf32>) outs(%init : tensor<?x?xf32>)
      -> tensor<?x?xf32>
  %column = tensor.empty(%n) : tensor<?x1xf32>
  %start = linalg.fill ins(%zero : f32) outs(%column : tensor<?x1xf32>) -> tensor<?x1xf32>
  %r = linalg.matmul ins(%fourth, %x : tensor<?x?xf32>, tensor<?x1xf32>) outs(%start : tensor<?x1xf32>) -> tensor<?x1xf32>
  return %r : tensor<?x1xf32>
}
"""


def test_no_memory(tmp_path):
    """An allocation that fails ends the call with a message, and the next call works."""
    library = compile_library(CHAIN, tmp_path)
    small, large = numpy.ones((4, 1), "float32"), numpy.ones((1 << 14, 1), "float32")
    assert (library.call("main", small)[0] == 16).all()
    old = resource.getrlimit(resource.RLIMIT_AS)
    used = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20), old[1]))
    try:
        with pytest.raises(RuntimeError, match="no memory"):
            library.call("main", large)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, old)
    assert (library.call("main", small)[0] == 16).all()
