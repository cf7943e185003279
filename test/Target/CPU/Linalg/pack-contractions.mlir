// RUN: attn-opt %s --attn-pack-contractions --cse --split-input-file | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products with a matrix that all rows share become packed products.

// A transposed weight is read as it lies.
// CHECK: affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-LABEL: func.func @transposed_weight
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[W:.*]]: tensor<16x8xf32>
// CHECK: %[[PANELS:.*]] = attn.pack panels ins(%[[W]] : tensor<16x8xf32>) outs(%{{.*}} : tensor<1x8x32xf32>)
// CHECK: attn.packed_matmul ins(%[[X]], %[[PANELS]] : tensor<?x8xf32>, tensor<1x8x32xf32>)
// CHECK-NOT: linalg.matmul
func.func @transposed_weight(%x: tensor<?x8xf32>, %w: tensor<16x8xf32>, %init: tensor<?x16xf32>) -> tensor<?x16xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<8x16xf32>
  %t = linalg.transpose ins(%w : tensor<16x8xf32>) outs(%empty : tensor<8x16xf32>) permutation = [1, 0]
  %fill = linalg.fill ins(%zero : f32) outs(%init : tensor<?x16xf32>) -> tensor<?x16xf32>
  %y = linalg.matmul ins(%x, %t : tensor<?x8xf32>, tensor<8x16xf32>) outs(%fill : tensor<?x16xf32>) -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// A weight that is broadcast over the batch; batch and sequence become rows.
// CHECK: affine_map<(d0, d1, d2) -> (d2, d1)>
// CHECK-LABEL: func.func @broadcast_weight
// CHECK: %[[ROWS:.*]] = tensor.collapse_shape %{{.*}} {{\[}}[0, 1], [2]] : tensor<2x5x8xf32> into tensor<10x8xf32>
// CHECK: attn.pack panels ins(%{{.*}} : tensor<8x40xf32>) outs(%{{.*}} : tensor<2x8x32xf32>)
// CHECK: attn.packed_matmul ins(%[[ROWS]]
// CHECK: tensor.expand_shape
func.func @broadcast_weight(%x: tensor<2x5x8xf32>, %w: tensor<8x40xf32>) -> tensor<2x5x40xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<2x8x40xf32>
  %b = linalg.broadcast ins(%w : tensor<8x40xf32>) outs(%empty : tensor<2x8x40xf32>) dimensions = [0]
  %init = tensor.empty() : tensor<2x5x40xf32>
  %fill = linalg.fill ins(%zero : f32) outs(%init : tensor<2x5x40xf32>) -> tensor<2x5x40xf32>
  %y = linalg.batch_matmul ins(%x, %b : tensor<2x5x8xf32>, tensor<2x8x40xf32>) outs(%fill : tensor<2x5x40xf32>)
      -> tensor<2x5x40xf32>
  return %y : tensor<2x5x40xf32>
}

// -----

// Half precision: operands are widened, the sum is narrowed; a destination that is not zero is added.
// CHECK-LABEL: func.func @half_precision_onto_destination
// CHECK: arith.extf
// CHECK: attn.packed_matmul {{.*}} outs(%{{.*}} : tensor<3x16xf32>)
// CHECK: arith.addf {{.*}} : f32
// CHECK: arith.truncf
func.func @half_precision_onto_destination(%x: tensor<3x8xbf16>, %w: tensor<8x16xbf16>, %init: tensor<3x16xbf16>)
    -> tensor<3x16xbf16> {
  %y = linalg.matmul ins(%x, %w : tensor<3x8xbf16>, tensor<8x16xbf16>) outs(%init : tensor<3x16xbf16>) -> tensor<3x16xbf16>
  return %y : tensor<3x16xbf16>
}

// -----

// Every batch has a matrix of its own.
// CHECK-LABEL: func.func @negative_batched_matrix
// CHECK: linalg.batch_matmul
// CHECK-NOT: attn.packed_matmul
func.func @negative_batched_matrix(%x: tensor<2x5x8xf32>, %w: tensor<2x8x40xf32>, %init: tensor<2x5x40xf32>)
    -> tensor<2x5x40xf32> {
  %y = linalg.batch_matmul ins(%x, %w : tensor<2x5x8xf32>, tensor<2x8x40xf32>) outs(%init : tensor<2x5x40xf32>)
      -> tensor<2x5x40xf32>
  return %y : tensor<2x5x40xf32>
}
