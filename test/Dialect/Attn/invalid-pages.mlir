// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints of attn.gather_pages.

func.func @negative_c1(%pool: tensor<5x16x4xf32>, %table: tensor<3xf32>, %init: tensor<?x4xf32>) {
  // expected-error @below {{expected a table [T] or [B, T] of integers (C1), got 'tensor<3xf32>'}}
  %r = attn.gather_pages ins(%pool, %table : tensor<5x16x4xf32>, tensor<3xf32>) outs(%init : tensor<?x4xf32>)
      -> tensor<?x4xf32>
  return
}

// -----

func.func @negative_c2_size(%pool: tensor<5x16x8xf32>, %table: tensor<3xi32>, %init: tensor<?x4xf32>) {
  // expected-error @below {{of one element type (C2), got 'tensor<5x16x8xf32>', 'tensor<3xi32>' and 'tensor<?x4xf32>'}}
  %r = attn.gather_pages ins(%pool, %table : tensor<5x16x8xf32>, tensor<3xi32>) outs(%init : tensor<?x4xf32>)
      -> tensor<?x4xf32>
  return
}

// -----

func.func @negative_c2_batch(%pool: tensor<5x16x4xf32>, %table: tensor<2x3xi32>, %init: tensor<3x?x4xf32>) {
  // expected-error @below {{of one element type (C2)}}
  %r = attn.gather_pages ins(%pool, %table : tensor<5x16x4xf32>, tensor<2x3xi32>) outs(%init : tensor<3x?x4xf32>)
      -> tensor<3x?x4xf32>
  return
}

// -----

func.func @negative_c3(%pool: tensor<5x12x4xf32>, %table: tensor<3xi32>, %init: tensor<?x4xf32>) {
  // expected-error @below {{expected pages of a static power of two of rows (C3), got 'tensor<5x12x4xf32>'}}
  %r = attn.gather_pages ins(%pool, %table : tensor<5x12x4xf32>, tensor<3xi32>) outs(%init : tensor<?x4xf32>)
      -> tensor<?x4xf32>
  return
}

// -----

func.func @negative_c4(%pool: tensor<5x16x4xf32>, %table: tensor<3xi32>, %init: tensor<?x4xf32>) {
  // expected-error @below {{expected a result of the type of output (C4), got 'tensor<7x4xf32>'}}
  %r = attn.gather_pages ins(%pool, %table : tensor<5x16x4xf32>, tensor<3xi32>) outs(%init : tensor<?x4xf32>)
      -> tensor<7x4xf32>
  return
}
