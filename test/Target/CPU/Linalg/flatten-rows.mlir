// RUN: attn-opt %s --attn-flatten-rows | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Chains of element-wise operations are fused and see their rows as one dimension.

#id = affine_map<(b, n, c) -> (b, n, c)>
#bias = affine_map<(b, n, c) -> (c)>
#batch = affine_map<(b, n, c) -> (b, c)>

// CHECK-LABEL: func.func @reshapes_cancel
// CHECK-NOT: tensor.expand_shape
// CHECK: linalg.generic
// CHECK-SAME: iterator_types = ["parallel", "parallel"]
// CHECK: arith.addf
// CHECK: arith.mulf
// CHECK-NOT: linalg.generic
// CHECK-NOT: tensor.collapse_shape
func.func @reshapes_cancel(%x: tensor<40x16xf32>, %bias: tensor<16xf32>) -> tensor<40x16xf32> {
  %y = tensor.expand_shape %x [[0, 1], [2]] output_shape [8, 5, 16] : tensor<40x16xf32> into tensor<8x5x16xf32>
  %init = tensor.empty() : tensor<8x5x16xf32>
  %z = linalg.generic {indexing_maps = [#id, #bias, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%y, %bias : tensor<8x5x16xf32>, tensor<16xf32>) outs(%init : tensor<8x5x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %s = arith.addf %a, %b : f32
    linalg.yield %s : f32
  } -> tensor<8x5x16xf32>
  %sq = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%z : tensor<8x5x16xf32>) outs(%init : tensor<8x5x16xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = arith.mulf %a, %a : f32
    linalg.yield %s : f32
  } -> tensor<8x5x16xf32>
  %r = tensor.collapse_shape %sq [[0, 1], [2]] : tensor<8x5x16xf32> into tensor<40x16xf32>
  return %r : tensor<40x16xf32>
}

// An operand that differs from batch to batch keeps batch and sequence apart.
// CHECK-LABEL: func.func @negative_per_batch_operand
// CHECK: linalg.generic
// CHECK-SAME: iterator_types = ["parallel", "parallel", "parallel"]
func.func @negative_per_batch_operand(%x: tensor<40x16xf32>, %shift: tensor<8x16xf32>) -> tensor<8x5x16xf32> {
  %y = tensor.expand_shape %x [[0, 1], [2]] output_shape [8, 5, 16] : tensor<40x16xf32> into tensor<8x5x16xf32>
  %init = tensor.empty() : tensor<8x5x16xf32>
  %z = linalg.generic {indexing_maps = [#id, #batch, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%y, %shift : tensor<8x5x16xf32>, tensor<8x16xf32>) outs(%init : tensor<8x5x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %s = arith.addf %a, %b : f32
    linalg.yield %s : f32
  } -> tensor<8x5x16xf32>
  return %z : tensor<8x5x16xf32>
}
