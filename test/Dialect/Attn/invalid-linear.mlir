// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Numbered constraints of attn.packed_matmul.

func.func @ranks(%x: tensor<4x8x8xf32>, %w: tensor<1x8x16xf32>, %o: tensor<4x16xf32>) {
  // expected-error @+1 {{expected lhs [M, K], panels [P, K, NR] and output [M, N] (C1)}}
  %0 = attn.packed_matmul ins(%x, %w : tensor<4x8x8xf32>, tensor<1x8x16xf32>) outs(%o : tensor<4x16xf32>) -> tensor<4x16xf32>
  return
}

// -----

func.func @panels(%x: tensor<4x8xf32>, %w: tensor<1x8x16xf32>, %o: tensor<4x17xf32>) {
  // expected-error @+1 {{expected a static depth K of lhs and panels and ceil(N / NR) panels (C1)}}
  %0 = attn.packed_matmul ins(%x, %w : tensor<4x8xf32>, tensor<1x8x16xf32>) outs(%o : tensor<4x17xf32>) -> tensor<4x17xf32>
  return
}

// -----

func.func @types(%x: tensor<4x8xf32>, %w: tensor<1x8x16xbf16>, %o: tensor<4x16xf32>) {
  // expected-error @+1 {{expected one element type of f32, f64 (C2)}}
  %0 = attn.packed_matmul ins(%x, %w : tensor<4x8xf32>, tensor<1x8x16xbf16>) outs(%o : tensor<4x16xf32>) -> tensor<4x16xf32>
  return
}

// -----

func.func @rows(%x: tensor<4x8xf32>, %w: tensor<1x8x16xf32>, %o: tensor<5x16xf32>) {
  // expected-error @+1 {{expected as many rows of the output as of lhs (C3)}}
  %0 = attn.packed_matmul ins(%x, %w : tensor<4x8xf32>, tensor<1x8x16xf32>) outs(%o : tensor<5x16xf32>) -> tensor<5x16xf32>
  return
}

// -----

func.func @result(%x: tensor<4x8xf32>, %w: tensor<1x8x16xf32>, %o: tensor<4x16xf32>) {
  // expected-error @+1 {{expected the output's type as result (C4)}}
  %0 = attn.packed_matmul ins(%x, %w : tensor<4x8xf32>, tensor<1x8x16xf32>) outs(%o : tensor<4x16xf32>) -> tensor<?x16xf32>
  return
}
