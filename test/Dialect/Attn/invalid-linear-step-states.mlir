// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// States of another kind, head size or type, and results that are not there (C10, C11).

func.func @negative_parts(%q: tensor<8x4xf32>, %s: tensor<8x4x4xf32>, %z: tensor<8x4xf32>, %c: tensor<8xf32>) {
  // expected-error @below {{expected 2 tensors in state (C10), got 3}}
  %0:3 = attn.linear_step relu ins(%q, %q, %q : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>)
      state(%s, %z, %c : tensor<8x4x4xf32>, tensor<8x4xf32>, tensor<8xf32>) outs(%q : tensor<8x4xf32>)
      final(%s, %z : tensor<8x4x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>, tensor<8x4x4xf32>, tensor<8x4xf32>
  return
}

// -----

func.func @negative_head_size(%q: tensor<8x4xf32>, %s: tensor<8x4x6xf32>, %z: tensor<8x4xf32>) {
  // expected-error @below {{expected 'tensor<8x4x4xf32>' in state (C10), got 'tensor<8x4x6xf32>'}}
  %0:3 = attn.linear_step relu ins(%q, %q, %q : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>)
      state(%s, %z : tensor<8x4x6xf32>, tensor<8x4xf32>) outs(%q : tensor<8x4xf32>)
      final(%s, %z : tensor<8x4x6xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>, tensor<8x4x6xf32>, tensor<8x4xf32>
  return
}

// -----

func.func @negative_state_type(%q: tensor<8x4xf16>, %s: tensor<8x4x4xf32>, %z: tensor<8x4xf16>) {
  // expected-error @below {{expected 'tensor<8x4xf32>' in state (C10), got 'tensor<8x4xf16>'}}
  %0:3 = attn.linear_step relu ins(%q, %q, %q : tensor<8x4xf16>, tensor<8x4xf16>, tensor<8x4xf16>)
      state(%s, %z : tensor<8x4x4xf32>, tensor<8x4xf16>) outs(%q : tensor<8x4xf16>)
      final(%s, %z : tensor<8x4x4xf32>, tensor<8x4xf16>) -> tensor<8x4xf16>, tensor<8x4x4xf32>, tensor<8x4xf16>
  return
}

// -----

func.func @negative_final(%q: tensor<8x4xf32>, %s: tensor<8x4x4xf32>, %z: tensor<8x4xf32>, %t: tensor<7x4x4xf32>) {
  // expected-error @below {{expected 'tensor<8x4x4xf32>' in final (C10), got 'tensor<7x4x4xf32>'}}
  %0:3 = attn.linear_step relu ins(%q, %q, %q : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>)
      state(%s, %z : tensor<8x4x4xf32>, tensor<8x4xf32>) outs(%q : tensor<8x4xf32>)
      final(%t, %z : tensor<7x4x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>, tensor<7x4x4xf32>, tensor<8x4xf32>
  return
}

// -----

func.func @negative_results(%q: tensor<8x4xf32>, %s: tensor<8x4x4xf32>, %z: tensor<8x4xf32>) {
  // expected-error @below {{(C11)}}
  %0 = attn.linear_step relu ins(%q, %q, %q : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>)
      state(%s, %z : tensor<8x4x4xf32>, tensor<8x4xf32>) outs(%q : tensor<8x4xf32>)
      final(%s, %z : tensor<8x4x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>
  return
}
