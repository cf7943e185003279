// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints of attn.feed_forward: types and attributes.

#up = affine_map<(m, k, h, n) -> (h, k)>
#down = affine_map<(m, k, h, n) -> (h, n)>
func.func @negative_c4_types(%x: tensor<8x4xf32>, %w: tensor<16x4xf32>, %v: tensor<16x4xf32>, %o: tensor<8x4xf16>) {
  // expected-error @below {{expected one element type of f16, bf16, f32, f64 of input and output (C4), got 'f32', 'f16'}}
  %r = attn.feed_forward relu ins(%x : tensor<8x4xf32>) up(%w : tensor<16x4xf32>)
      down(%v : tensor<16x4xf32>) outs(%o : tensor<8x4xf16>)
      maps [#up, #down] -> tensor<8x4xf16>
  return
}

// -----

#up = affine_map<(m, k, h, n) -> (h, k)>
#down = affine_map<(m, k, h, n) -> (h, n)>
func.func @negative_c4_wide(%x: tensor<8x4xf32>, %w: tensor<16x4xf64>, %v: tensor<16x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected floating-point weights of at most 32 bits (C4), got 'tensor<16x4xf64>'}}
  %r = attn.feed_forward relu ins(%x : tensor<8x4xf32>) up(%w : tensor<16x4xf64>)
      down(%v : tensor<16x4xf32>) outs(%o : tensor<8x4xf32>)
      maps [#up, #down] -> tensor<8x4xf32>
  return
}

// -----

#up = affine_map<(m, k, h, n) -> (h, k)>
#down = affine_map<(m, k, h, n) -> (h, n)>
func.func @negative_c5(%x: tensor<8x4xf32>, %w: tensor<16x4xf32>, %v: tensor<16x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected positive rows (C5), got 0}}
  %r = attn.feed_forward relu ins(%x : tensor<8x4xf32>) up(%w : tensor<16x4xf32>)
      down(%v : tensor<16x4xf32>) outs(%o : tensor<8x4xf32>)
      maps [#up, #down] rows 0 -> tensor<8x4xf32>
  return
}

// -----

#up = affine_map<(m, k, h, n) -> (h, k)>
#down = affine_map<(m, k, h, n) -> (h, n)>
func.func @negative_c6(%x: tensor<8x4xf32>, %w: tensor<16x4xf32>, %v: tensor<16x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected the output's type as result (C6), got 'tensor<?x4xf32>'}}
  %r = attn.feed_forward relu ins(%x : tensor<8x4xf32>) up(%w : tensor<16x4xf32>)
      down(%v : tensor<16x4xf32>) outs(%o : tensor<8x4xf32>)
      maps [#up, #down] -> tensor<?x4xf32>
  return
}
