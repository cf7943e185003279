// RUN: attn-opt %s --attn-gpu-fuse-elementwise --split-input-file | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Element-wise operations become one; products take in what moves and widens their operands.

#id = affine_map<(i, j) -> (i, j)>

// CHECK-LABEL: func.func @chain
// CHECK: linalg.generic
// CHECK: arith.negf
// CHECK: math.absf
// CHECK-NOT: linalg.generic
func.func @chain(%a: tensor<8x4xf32>) -> tensor<8x4xf32> {
  %e = tensor.empty() : tensor<8x4xf32>
  %n = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%a : tensor<8x4xf32>) outs(%e : tensor<8x4xf32>) {
  ^bb0(%x: f32, %o: f32):
    %y = arith.negf %x : f32
    linalg.yield %y : f32
  } -> tensor<8x4xf32>
  %m = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%n : tensor<8x4xf32>) outs(%e : tensor<8x4xf32>) {
  ^bb0(%x: f32, %o: f32):
    %y = math.absf %x : f32
    linalg.yield %y : f32
  } -> tensor<8x4xf32>
  return %m : tensor<8x4xf32>
}

// -----

// The weights are read where they lie.
// CHECK: #[[$W:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-LABEL: func.func @transposed_weights
// CHECK-SAME: %[[X:.*]]: tensor<8x4xf16>, %[[WEIGHTS:.*]]: tensor<16x4xf16>
// CHECK-NOT: linalg.transpose
// CHECK: linalg.generic {indexing_maps = [#{{.*}}, #[[$W]], #{{.*}}], {{.*}}ins(%[[X]], %[[WEIGHTS]] :
// CHECK: arith.extf
// CHECK-NOT: linalg.generic
func.func @transposed_weights(%x: tensor<8x4xf16>, %w: tensor<16x4xf16>, %sums: tensor<8x16xf32>) -> tensor<8x16xf32> {
  %e = tensor.empty() : tensor<4x16xf16>
  %t = linalg.transpose ins(%w : tensor<16x4xf16>) outs(%e : tensor<4x16xf16>) permutation = [1, 0]
  %r = linalg.generic {indexing_maps = [affine_map<(i, j, k) -> (i, k)>, affine_map<(i, j, k) -> (k, j)>,
                                        affine_map<(i, j, k) -> (i, j)>],
                       iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %t : tensor<8x4xf16>, tensor<4x16xf16>) outs(%sums : tensor<8x16xf32>) {
  ^bb0(%a: f16, %b: f16, %s: f32):
    %c = arith.extf %a : f16 to f32
    %d = arith.extf %b : f16 to f32
    %p = arith.mulf %c, %d : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<8x16xf32>
  return %r : tensor<8x16xf32>
}

// -----

// What would be computed for every column anew stays outside of the product.
// CHECK-LABEL: func.func @negative_computed
// CHECK: linalg.generic
// CHECK: math.absf
// CHECK: linalg.generic
// CHECK: arith.mulf
func.func @negative_computed(%x: tensor<8x4xf32>, %w: tensor<4x16xf32>, %sums: tensor<8x16xf32>) -> tensor<8x16xf32> {
  %e = tensor.empty() : tensor<8x4xf32>
  %n = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
                       iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<8x4xf32>) outs(%e : tensor<8x4xf32>) {
  ^bb0(%a: f32, %o: f32):
    %y = math.absf %a : f32
    linalg.yield %y : f32
  } -> tensor<8x4xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(i, j, k) -> (i, k)>, affine_map<(i, j, k) -> (k, j)>,
                                        affine_map<(i, j, k) -> (i, j)>],
                       iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%n, %w : tensor<8x4xf32>, tensor<4x16xf32>) outs(%sums : tensor<8x16xf32>) {
  ^bb0(%a: f32, %b: f32, %s: f32):
    %p = arith.mulf %a, %b : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  } -> tensor<8x16xf32>
  return %r : tensor<8x16xf32>
}
