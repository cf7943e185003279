// RUN: attn-opt %s --attn-import --split-input-file | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Elementwise code between a reshape and its inverse, with a dynamic length.

#id = affine_map<(d0, d1, d2) -> (d0, d1, d2)>

// The sigmoid stands alone, so a tree of two functions is taken to rows.
// CHECK-LABEL: func.func @silu
// CHECK-SAME: %[[X:.*]]: tensor<?x4xf32>
// CHECK-NOT: tensor.expand_shape
// CHECK: %[[S:.*]] = linalg.generic {{.*}} ins(%[[X]] : tensor<?x4xf32>) outs({{.*}} : tensor<?x4xf32>)
// CHECK: %[[Y:.*]] = linalg.generic {{.*}} ins(%[[X]], %[[S]] : tensor<?x4xf32>, tensor<?x4xf32>)
// CHECK: return %[[Y]] : tensor<?x4xf32>
func.func @silu(%x: tensor<?x4xf32>, %n: index) -> tensor<?x4xf32> {
  %one = arith.constant 1.0 : f32
  %e = tensor.expand_shape %x [[0, 1], [2]] output_shape [2, %n, 4] : tensor<?x4xf32> into tensor<2x?x4xf32>
  %init = tensor.empty(%n) : tensor<2x?x4xf32>
  %s = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%e : tensor<2x?x4xf32>) outs(%init : tensor<2x?x4xf32>) {
  ^bb0(%in: f32, %out: f32):
    %0 = arith.negf %in : f32
    %1 = math.exp %0 : f32
    %2 = arith.addf %1, %one : f32
    %3 = arith.divf %one, %2 : f32
    linalg.yield %3 : f32
  } -> tensor<2x?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%e, %s : tensor<2x?x4xf32>, tensor<2x?x4xf32>) outs(%init : tensor<2x?x4xf32>) {
  ^bb0(%in: f32, %factor: f32, %out: f32):
    %0 = arith.mulf %in, %factor : f32
    linalg.yield %0 : f32
  } -> tensor<2x?x4xf32>
  %c = tensor.collapse_shape %y [[0, 1], [2]] : tensor<2x?x4xf32> into tensor<?x4xf32>
  return %c : tensor<?x4xf32>
}

// -----

#id = affine_map<(d0, d1, d2) -> (d0, d1, d2)>

// Other groups, another use, and a static length: nothing to gain.
// CHECK-LABEL: func.func @negative_groups
// CHECK: linalg.generic {{.*}} outs({{.*}} : tensor<2x?x4xf32>)
func.func @negative_groups(%x: tensor<2x?xf32>, %n: index) -> tensor<?x4xf32> {
  %e = tensor.expand_shape %x [[0], [1, 2]] output_shape [2, %n, 4] : tensor<2x?xf32> into tensor<2x?x4xf32>
  %init = tensor.empty(%n) : tensor<2x?x4xf32>
  %s = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%e : tensor<2x?x4xf32>) outs(%init : tensor<2x?x4xf32>) {
  ^bb0(%in: f32, %out: f32):
    %0 = math.exp %in : f32
    linalg.yield %0 : f32
  } -> tensor<2x?x4xf32>
  %c = tensor.collapse_shape %s [[0, 1], [2]] : tensor<2x?x4xf32> into tensor<?x4xf32>
  return %c : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @negative_use
// CHECK: linalg.generic {{.*}} outs({{.*}} : tensor<2x?x4xf32>)
func.func @negative_use(%x: tensor<?x4xf32>, %n: index) -> (tensor<?x4xf32>, tensor<2x?x4xf32>) {
  %e = tensor.expand_shape %x [[0, 1], [2]] output_shape [2, %n, 4] : tensor<?x4xf32> into tensor<2x?x4xf32>
  %init = tensor.empty(%n) : tensor<2x?x4xf32>
  %s = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%e : tensor<2x?x4xf32>) outs(%init : tensor<2x?x4xf32>) {
  ^bb0(%in: f32, %out: f32):
    %0 = math.exp %in : f32
    linalg.yield %0 : f32
  } -> tensor<2x?x4xf32>
  %c = tensor.collapse_shape %s [[0, 1], [2]] : tensor<2x?x4xf32> into tensor<?x4xf32>
  return %c, %s : tensor<?x4xf32>, tensor<2x?x4xf32>
}

// CHECK-LABEL: func.func @negative_static
// CHECK: linalg.generic {{.*}} outs({{.*}} : tensor<2x3x4xf32>)
func.func @negative_static(%x: tensor<6x4xf32>) -> tensor<6x4xf32> {
  %e = tensor.expand_shape %x [[0, 1], [2]] output_shape [2, 3, 4] : tensor<6x4xf32> into tensor<2x3x4xf32>
  %init = tensor.empty() : tensor<2x3x4xf32>
  %s = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%e : tensor<2x3x4xf32>) outs(%init : tensor<2x3x4xf32>) {
  ^bb0(%in: f32, %out: f32):
    %0 = math.exp %in : f32
    linalg.yield %0 : f32
  } -> tensor<2x3x4xf32>
  %c = tensor.collapse_shape %s [[0, 1], [2]] : tensor<2x3x4xf32> into tensor<6x4xf32>
  return %c : tensor<6x4xf32>
}
