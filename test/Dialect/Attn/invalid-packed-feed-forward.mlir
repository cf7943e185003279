// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints of attn.packed_feed_forward.

func.func @negative_c1_up(%x: tensor<8x4xf32>, %w: tensor<1x4x32xf32>, %b: tensor<40xf32>, %v: tensor<1x40x32xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected input [M, K], up and gate [H / NR, K, NR], down [N / NR, H, NR], output [M, N] and biases to match (C1)}}
  %r = attn.packed_feed_forward silu ins(%x : tensor<8x4xf32>) up(%w : tensor<1x4x32xf32>) up_bias(%b : tensor<40xf32>)
      down(%v : tensor<1x40x32xf32>) outs(%o : tensor<8x4xf32>) tile 64, 64 -> tensor<8x4xf32>
  return
}

// -----

func.func @negative_c1_bias(%x: tensor<8x4xf32>, %w: tensor<2x4x32xf32>, %b: tensor<64xf32>, %v: tensor<1x40x32xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected input [M, K], up and gate [H / NR, K, NR], down [N / NR, H, NR], output [M, N] and biases to match (C1)}}
  %r = attn.packed_feed_forward silu ins(%x : tensor<8x4xf32>) up(%w : tensor<2x4x32xf32>) up_bias(%b : tensor<64xf32>)
      down(%v : tensor<1x40x32xf32>) outs(%o : tensor<8x4xf32>) tile 64, 64 -> tensor<8x4xf32>
  return
}

// -----

func.func @negative_c1_rank(%x: tensor<8x4xf32>, %w: tensor<2x4x32xf32>, %b: tensor<40xf32>, %v: tensor<40x32xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected input [M, K], up and gate [H / NR, K, NR], down [N / NR, H, NR], output [M, N] and biases to match (C1)}}
  %r = attn.packed_feed_forward silu ins(%x : tensor<8x4xf32>) up(%w : tensor<2x4x32xf32>) up_bias(%b : tensor<40xf32>)
      down(%v : tensor<40x32xf32>) outs(%o : tensor<8x4xf32>) tile 64, 64 -> tensor<8x4xf32>
  return
}

// -----

func.func @negative_c2(%x: tensor<8x4xf32>, %w: tensor<2x4x32xf32>, %b: tensor<40xf64>, %v: tensor<1x40x32xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected one element type of f32, f64 (C2), got 'tensor<40xf64>'}}
  %r = attn.packed_feed_forward silu ins(%x : tensor<8x4xf32>) up(%w : tensor<2x4x32xf32>) up_bias(%b : tensor<40xf64>)
      down(%v : tensor<1x40x32xf32>) outs(%o : tensor<8x4xf32>) tile 64, 64 -> tensor<8x4xf32>
  return
}

// -----

func.func @negative_c3(%x: tensor<8x4xf32>, %w: tensor<2x4x32xf32>, %b: tensor<40xf32>, %v: tensor<1x40x32xf32>, %o: tensor<7x4xf32>) {
  // expected-error @below {{expected as many rows of the output as of the input (C3)}}
  %r = attn.packed_feed_forward silu ins(%x : tensor<8x4xf32>) up(%w : tensor<2x4x32xf32>) up_bias(%b : tensor<40xf32>)
      down(%v : tensor<1x40x32xf32>) outs(%o : tensor<7x4xf32>) tile 64, 64 -> tensor<7x4xf32>
  return
}

// -----

func.func @negative_c4(%x: tensor<8x4xf32>, %w: tensor<2x4x32xf32>, %b: tensor<40xf32>, %v: tensor<1x40x32xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected a positive tile whose columns are a multiple of 32 (C4), got 64, 40}}
  %r = attn.packed_feed_forward silu ins(%x : tensor<8x4xf32>) up(%w : tensor<2x4x32xf32>) up_bias(%b : tensor<40xf32>)
      down(%v : tensor<1x40x32xf32>) outs(%o : tensor<8x4xf32>) tile 64, 40 -> tensor<8x4xf32>
  return
}

// -----

func.func @negative_c5(%x: tensor<8x4xf32>, %w: tensor<2x4x32xf32>, %b: tensor<40xf32>, %v: tensor<1x40x32xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected result types equal to the types of the destinations (C5)}}
  %r = attn.packed_feed_forward silu ins(%x : tensor<8x4xf32>) up(%w : tensor<2x4x32xf32>) up_bias(%b : tensor<40xf32>)
      down(%v : tensor<1x40x32xf32>) outs(%o : tensor<8x4xf32>) tile 64, 64 -> tensor<?x4xf32>
  return
}
