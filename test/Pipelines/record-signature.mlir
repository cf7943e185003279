// RUN: attn-opt %s --split-input-file --attn-record-signature --verify-diagnostics | FileCheck %s

// The lengths of keys and values are one; so are those of query and result.
// CHECK-LABEL: func.func @attention
// CHECK-SAME:    args = [{dtype = "float32", name = "arg0", shape = ["N0", 64]},
// CHECK-SAME:            {dtype = "float32", name = "arg1", shape = ["N1", 64]},
// CHECK-SAME:            {dtype = "float32", name = "values", shape = ["N1", 64]}]
// CHECK-SAME:    results = [{dtype = "float32", name = "result0", shape = ["N0", 64]}]
func.func @attention(%q: tensor<?x64xf32>, %k: tensor<?x64xf32>,
                     %v: tensor<?x64xf32> {attn.name = "values"}) -> tensor<?x64xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %q, %c0 : tensor<?x64xf32>
  %init = tensor.empty(%n) : tensor<?x64xf32>
  %o = attn.attention ins(%q, %k, %v : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>)
      outs(%init : tensor<?x64xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, d)>, affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>, affine_map<(b, h, i, j, d, e) -> (i, e)>]
      -> tensor<?x64xf32>
  return %o : tensor<?x64xf32>
}

// -----

// CHECK-LABEL: func.func @reshape
// CHECK-SAME:    shape = ["N0", "N1"]
// CHECK-SAME:    shape = ["N0", 8, "N1"]
func.func @reshape(%x: tensor<?x?xi64>, %y: tensor<?x8x?xi64>) -> tensor<?x8x?xi64> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = tensor.dim %x, %c0 : tensor<?x?xi64>
  %m = tensor.dim %x, %c1 : tensor<?x?xi64>
  %e = tensor.expand_shape %x [[0, 1], [2]] output_shape [%n, 1, %m] : tensor<?x?xi64> into tensor<?x1x?xi64>
  %init = tensor.empty(%n, %m) : tensor<?x8x?xi64>
  %o = linalg.generic {indexing_maps = [affine_map<(a, b, c) -> (a, 0, c)>, affine_map<(a, b, c) -> (a, b, c)>,
                                        affine_map<(a, b, c) -> (a, b, c)>],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%e, %y : tensor<?x1x?xi64>, tensor<?x8x?xi64>) outs(%init : tensor<?x8x?xi64>) {
  ^bb0(%a: i64, %b: i64, %c: i64):
    %s = arith.addi %a, %b : i64
    linalg.yield %s : i64
  } -> tensor<?x8x?xi64>
  return %o : tensor<?x8x?xi64>
}

// -----

// CHECK-LABEL: func.func private @negative_private
// CHECK-NOT:     attn.signature
func.func private @negative_private(%x: tensor<?xf32>) -> tensor<?xf32> {
  return %x : tensor<?xf32>
}

// -----

// expected-error @+1 {{expected arguments and results that are ranked tensors or scalars of a type that NumPy has or bf16, got 'tensor<4xi3>'}}
func.func @narrow(%x: tensor<4xi3>) {
  return
}
