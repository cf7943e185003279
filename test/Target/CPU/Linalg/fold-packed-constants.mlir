// RUN: attn-opt %s --attn-fold-packed-constants | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constant matrices are packed by the compiler.

// CHECK-LABEL: func.func @rows_by_depth
// CHECK: %[[PANELS:.*]] = arith.constant dense_resource<attn_packed> : tensor<1x2x4xf32>
// CHECK: return %[[PANELS]]
func.func @rows_by_depth() -> tensor<1x2x4xf32> {
  %w = arith.constant dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>
  %dest = tensor.empty() : tensor<1x2x4xf32>
  %p = attn.pack panels ins(%w : tensor<3x2xf32>) outs(%dest : tensor<1x2x4xf32>)
      map affine_map<(g, row, depth) -> (row, depth)> -> tensor<1x2x4xf32>
  return %p : tensor<1x2x4xf32>
}

// CHECK-LABEL: func.func @negative_argument
// CHECK: attn.pack
func.func @negative_argument(%w: tensor<3x2xf32>) -> tensor<1x2x4xf32> {
  %dest = tensor.empty() : tensor<1x2x4xf32>
  %p = attn.pack panels ins(%w : tensor<3x2xf32>) outs(%dest : tensor<1x2x4xf32>)
      map affine_map<(g, row, depth) -> (row, depth)> -> tensor<1x2x4xf32>
  return %p : tensor<1x2x4xf32>
}

// Depth 0 of the three rows and a zero of padding, then depth 1: 1 3 5 0 2 4 6 0.
// CHECK: attn_packed: "0x400000000000803F000040400000A0400000000000000040000080400000C04000000000"
