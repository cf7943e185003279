// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Every constraint of one token of linear attention, violated; C7 is in invalid-linear-features.mlir, whose verifier it is.

func.func @negative_rank(%q: tensor<8x4xf32>, %v: tensor<1x8x4xf32>, %s: tensor<8x4x4xf32>, %z: tensor<8x4xf32>) {
  // expected-error @below {{expected query, key, value and output of one rank in [1, 3] (C1), got 'tensor<1x8x4xf32>'}}
  %0:3 = attn.linear_step relu ins(%q, %q, %v : tensor<8x4xf32>, tensor<8x4xf32>, tensor<1x8x4xf32>)
      state(%s, %z : tensor<8x4x4xf32>, tensor<8x4xf32>) outs(%q : tensor<8x4xf32>)
      final(%s, %z : tensor<8x4x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>, tensor<8x4x4xf32>, tensor<8x4xf32>
  return
}

// -----

func.func @negative_valid(%q: tensor<8x4xf32>, %m: tensor<8xi1>, %s: tensor<8x4x4xf32>, %z: tensor<8x4xf32>) {
  // expected-error @below {{expected key_valid [B] (C1), got 'tensor<8xi1>'}}
  %0:3 = attn.linear_step relu ins(%q, %q, %q : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>) key_valid(%m : tensor<8xi1>)
      state(%s, %z : tensor<8x4x4xf32>, tensor<8x4xf32>) outs(%q : tensor<8x4xf32>)
      final(%s, %z : tensor<8x4x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>, tensor<8x4x4xf32>, tensor<8x4xf32>
  return
}

// -----

func.func @negative_heads(%q: tensor<8x4xf32>, %k: tensor<3x4xf32>, %s: tensor<8x4x4xf32>, %z: tensor<8x4xf32>) {
  // expected-error @below {{expected static heads, those of query and output a multiple of those of key and value (C2)}}
  %0:3 = attn.linear_step relu ins(%q, %k, %k : tensor<8x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>)
      state(%s, %z : tensor<8x4x4xf32>, tensor<8x4xf32>) outs(%q : tensor<8x4xf32>)
      final(%s, %z : tensor<8x4x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>, tensor<8x4x4xf32>, tensor<8x4xf32>
  return
}

// -----

func.func @negative_batch(%q: tensor<2x8x4xf32>, %k: tensor<3x8x4xf32>, %s: tensor<2x8x4x4xf32>, %z: tensor<2x8x4xf32>) {
  // expected-error @below {{expected a batch of 2 in all operands (C3), got 3}}
  %0:3 = attn.linear_step relu ins(%q, %k, %k : tensor<2x8x4xf32>, tensor<3x8x4xf32>, tensor<3x8x4xf32>)
      state(%s, %z : tensor<2x8x4x4xf32>, tensor<2x8x4xf32>) outs(%q : tensor<2x8x4xf32>)
      final(%s, %z : tensor<2x8x4x4xf32>, tensor<2x8x4xf32>) -> tensor<2x8x4xf32>, tensor<2x8x4x4xf32>, tensor<2x8x4xf32>
  return
}

// -----

func.func @negative_size(%q: tensor<8x4xf32>, %k: tensor<8x5xf32>, %s: tensor<8x4x4xf32>, %z: tensor<8x4xf32>) {
  // expected-error @below {{expected one static extent of D in [1, 1024] (C3), got 'tensor<8x4xf32>' and 'tensor<8x5xf32>'}}
  %0:3 = attn.linear_step relu ins(%q, %k, %q : tensor<8x4xf32>, tensor<8x5xf32>, tensor<8x4xf32>)
      state(%s, %z : tensor<8x4x4xf32>, tensor<8x4xf32>) outs(%q : tensor<8x4xf32>)
      final(%s, %z : tensor<8x4x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>, tensor<8x4x4xf32>, tensor<8x4xf32>
  return
}

// -----

func.func @negative_type(%q: tensor<8x4xf32>, %k: tensor<8x4xf16>, %s: tensor<8x4x4xf32>, %z: tensor<8x4xf32>) {
  // expected-error @below {{expected query, key, value and output to have one element type (C4), got 'f32' and 'f16'}}
  %0:3 = attn.linear_step relu ins(%q, %k, %q : tensor<8x4xf32>, tensor<8x4xf16>, tensor<8x4xf32>)
      state(%s, %z : tensor<8x4x4xf32>, tensor<8x4xf32>) outs(%q : tensor<8x4xf32>)
      final(%s, %z : tensor<8x4x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>, tensor<8x4x4xf32>, tensor<8x4xf32>
  return
}

// -----

func.func @negative_no_features(%q: tensor<8x4xf32>, %w: tensor<0x4xf32>, %s: tensor<8x0x4xf32>, %z: tensor<8x0xf32>, %c: tensor<8xf32>) {
  // expected-error @below {{expected a projection [r, D] or [H, r, D] of 'f32' with r in [1, 4096] and D = 4 (C5), got 'tensor<0x4xf32>'}}
  %0:4 = attn.linear_step softmax_positive ins(%q, %q, %q : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>)
      projection(%w : tensor<0x4xf32>) state(%s, %z, %c : tensor<8x0x4xf32>, tensor<8x0xf32>, tensor<8xf32>)
      outs(%q : tensor<8x4xf32>) final(%s, %z, %c : tensor<8x0x4xf32>, tensor<8x0xf32>, tensor<8xf32>)
      -> tensor<8x4xf32>, tensor<8x0x4xf32>, tensor<8x0xf32>, tensor<8xf32>
  return
}

// -----

func.func @negative_projection(%q: tensor<8x4xf32>, %w: tensor<6x4xf32>, %s: tensor<8x4x4xf32>, %z: tensor<8x4xf32>) {
  // expected-error @below {{expected no projection for relu (C6)}}
  %0:3 = attn.linear_step relu ins(%q, %q, %q : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>)
      projection(%w : tensor<6x4xf32>) state(%s, %z : tensor<8x4x4xf32>, tensor<8x4xf32>) outs(%q : tensor<8x4xf32>)
      final(%s, %z : tensor<8x4x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>, tensor<8x4x4xf32>, tensor<8x4xf32>
  return
}

// -----

func.func @negative_scale(%q: tensor<8x4xf32>, %s: tensor<8x4x4xf32>, %z: tensor<8x4xf32>) {
  // expected-error @below {{expected a positive, finite scale (C8), got 0}}
  %0:3 = attn.linear_step relu ins(%q, %q, %q : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>)
      state(%s, %z : tensor<8x4x4xf32>, tensor<8x4xf32>) outs(%q : tensor<8x4xf32>)
      final(%s, %z : tensor<8x4x4xf32>, tensor<8x4xf32>) scale 0.0 -> tensor<8x4xf32>, tensor<8x4x4xf32>, tensor<8x4xf32>
  return
}

// -----

func.func @negative_eps(%q: tensor<8x4xf32>, %w: tensor<6x4xf32>, %s: tensor<8x6x4xf32>, %z: tensor<8x6xf32>, %c: tensor<8xf32>) {
  // expected-error @below {{expected a feature_eps of 0 for causal or stateful softmax_positive (C9)}}
  %0:4 = attn.linear_step softmax_positive ins(%q, %q, %q : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>)
      projection(%w : tensor<6x4xf32>) state(%s, %z, %c : tensor<8x6x4xf32>, tensor<8x6xf32>, tensor<8xf32>)
      outs(%q : tensor<8x4xf32>) final(%s, %z, %c : tensor<8x6x4xf32>, tensor<8x6xf32>, tensor<8xf32>) feature_eps 1.0e-6
      -> tensor<8x4xf32>, tensor<8x6x4xf32>, tensor<8x6xf32>, tensor<8xf32>
  return
}
