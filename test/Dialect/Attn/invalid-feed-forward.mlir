// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints of attn.feed_forward: maps and shapes.

#up = affine_map<(m, k, h, n) -> (h, k)>
#down = affine_map<(m, k, h, n) -> (h, n)>
func.func @negative_c1_count(%x: tensor<8x4xf32>, %w: tensor<16x4xf32>, %v: tensor<16x4xf32>, %o: tensor<8x4xf32>, %g: tensor<16x4xf32>) {
  // expected-error @below {{expected 3 maps (C1), got 2}}
  %r = attn.feed_forward relu ins(%x : tensor<8x4xf32>) up(%w : tensor<16x4xf32>) gate(%g : tensor<16x4xf32>)
      down(%v : tensor<16x4xf32>) outs(%o : tensor<8x4xf32>)
      maps [#up, #down] -> tensor<8x4xf32>
  return
}

// -----

#up = affine_map<(m, k, h, n) -> (h, k)>
#down = affine_map<(m, k, h, n) -> (h, n)>
func.func @negative_c1_map(%x: tensor<8x4xf32>, %w: tensor<16x4xf32>, %v: tensor<16x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected a map of down over (m, k, h, n) that uses its two dimensions (C1)}}
  %r = attn.feed_forward relu ins(%x : tensor<8x4xf32>) up(%w : tensor<16x4xf32>)
      down(%v : tensor<16x4xf32>) outs(%o : tensor<8x4xf32>)
      maps [#up, #up] -> tensor<8x4xf32>
  return
}

// -----

#up = affine_map<(m, k, h, n) -> (h, k)>
#down = affine_map<(m, k, h, n) -> (h, n)>
func.func @negative_c2_rank(%x: tensor<2x8x4xf32>, %w: tensor<16x4xf32>, %v: tensor<16x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected input [M, K] and output [M, N] with static K and N (C2)}}
  %r = attn.feed_forward relu ins(%x : tensor<2x8x4xf32>) up(%w : tensor<16x4xf32>)
      down(%v : tensor<16x4xf32>) outs(%o : tensor<8x4xf32>)
      maps [#up, #down] -> tensor<8x4xf32>
  return
}

// -----

#up = affine_map<(m, k, h, n) -> (h, k)>
#down = affine_map<(m, k, h, n) -> (h, n)>
func.func @negative_c2_dynamic(%x: tensor<8x4xf32>, %w: tensor<?x4xf32>, %v: tensor<16x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected a static matrix as up (C2), got 'tensor<?x4xf32>'}}
  %r = attn.feed_forward relu ins(%x : tensor<8x4xf32>) up(%w : tensor<?x4xf32>)
      down(%v : tensor<16x4xf32>) outs(%o : tensor<8x4xf32>)
      maps [#up, #down] -> tensor<8x4xf32>
  return
}

// -----

#up = affine_map<(m, k, h, n) -> (h, k)>
#down = affine_map<(m, k, h, n) -> (h, n)>
func.func @negative_c2_depth(%x: tensor<8x4xf32>, %w: tensor<16x5xf32>, %v: tensor<16x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected extents of up that are positive and agree with the others' (C2), got 'tensor<16x5xf32>'}}
  %r = attn.feed_forward relu ins(%x : tensor<8x4xf32>) up(%w : tensor<16x5xf32>)
      down(%v : tensor<16x4xf32>) outs(%o : tensor<8x4xf32>)
      maps [#up, #down] -> tensor<8x4xf32>
  return
}

// -----

#up = affine_map<(m, k, h, n) -> (h, k)>
#down = affine_map<(m, k, h, n) -> (h, n)>
func.func @negative_c2_hidden(%x: tensor<8x4xf32>, %w: tensor<16x4xf32>, %v: tensor<12x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected extents of down that are positive and agree with the others' (C2), got 'tensor<12x4xf32>'}}
  %r = attn.feed_forward relu ins(%x : tensor<8x4xf32>) up(%w : tensor<16x4xf32>)
      down(%v : tensor<12x4xf32>) outs(%o : tensor<8x4xf32>)
      maps [#up, #down] -> tensor<8x4xf32>
  return
}

// -----

#up = affine_map<(m, k, h, n) -> (h, k)>
#down = affine_map<(m, k, h, n) -> (h, n)>
func.func @negative_c2_rows(%x: tensor<8x4xf32>, %w: tensor<16x4xf32>, %v: tensor<16x4xf32>, %o: tensor<9x4xf32>) {
  // expected-error @below {{expected as many rows of the output as of the input (C2)}}
  %r = attn.feed_forward relu ins(%x : tensor<8x4xf32>) up(%w : tensor<16x4xf32>)
      down(%v : tensor<16x4xf32>) outs(%o : tensor<9x4xf32>)
      maps [#up, #down] -> tensor<9x4xf32>
  return
}

// -----

#up = affine_map<(m, k, h, n) -> (h, k)>
#down = affine_map<(m, k, h, n) -> (h, n)>
func.func @negative_c3_bias(%x: tensor<8x4xf32>, %w: tensor<16x4xf32>, %v: tensor<16x4xf32>, %o: tensor<8x4xf32>, %a: tensor<4xf32>) {
  // expected-error @below {{expected a bias of 16 elements (C3), got 'tensor<4xf32>'}}
  %r = attn.feed_forward relu ins(%x : tensor<8x4xf32>) up(%w : tensor<16x4xf32>) up_bias(%a : tensor<4xf32>)
      down(%v : tensor<16x4xf32>) outs(%o : tensor<8x4xf32>)
      maps [#up, #down] -> tensor<8x4xf32>
  return
}

// -----

#up = affine_map<(m, k, h, n) -> (h, k)>
#down = affine_map<(m, k, h, n) -> (h, n)>
func.func @negative_c3_down_bias(%x: tensor<8x4xf32>, %w: tensor<16x4xf32>, %v: tensor<16x4xf32>, %o: tensor<8x4xf32>, %d: tensor<16xf32>) {
  // expected-error @below {{expected a bias of 4 elements (C3), got 'tensor<16xf32>'}}
  %r = attn.feed_forward relu ins(%x : tensor<8x4xf32>) up(%w : tensor<16x4xf32>)
      down(%v : tensor<16x4xf32>) down_bias(%d : tensor<16xf32>) outs(%o : tensor<8x4xf32>)
      maps [#up, #down] -> tensor<8x4xf32>
  return
}

// -----

#up = affine_map<(m, k, h, n) -> (h, k)>
#down = affine_map<(m, k, h, n) -> (h, n)>
func.func @negative_c3_gate_bias(%x: tensor<8x4xf32>, %w: tensor<16x4xf32>, %v: tensor<16x4xf32>, %o: tensor<8x4xf32>, %b: tensor<16xf32>) {
  // expected-error @below {{expected a gate for the gate_bias (C3)}}
  %r = attn.feed_forward relu ins(%x : tensor<8x4xf32>) up(%w : tensor<16x4xf32>) gate_bias(%b : tensor<16xf32>)
      down(%v : tensor<16x4xf32>) outs(%o : tensor<8x4xf32>)
      maps [#up, #down] -> tensor<8x4xf32>
  return
}
