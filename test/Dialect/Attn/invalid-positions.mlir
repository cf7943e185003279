// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints of the operations on positions.

func.func @negative_rotary_c1(%q: tensor<4x8xf32>, %o: tensor<4x8xf64>) {
  // expected-error @below {{expected input, output and result of one type of floating-point elements (C1), got 'tensor<4x8xf32>', 'tensor<4x8xf64>' and 'tensor<4x8xf64>'}}
  %r = attn.rotary half ins(%q : tensor<4x8xf32>) outs(%o : tensor<4x8xf64>) dim 0 -> tensor<4x8xf64>
  return
}

// -----

func.func @negative_rotary_c2(%q: tensor<4x7xf32>) {
  // expected-error @below {{expected a static, even last extent (C2), got 'tensor<4x7xf32>'}}
  %r = attn.rotary half ins(%q : tensor<4x7xf32>) outs(%q : tensor<4x7xf32>) dim 0 -> tensor<4x7xf32>
  return
}

// -----

func.func @negative_rotary_c3(%q: tensor<4x8xf32>) {
  // expected-error @below {{expected a dimension before the last (C3), got 1 of 2}}
  %r = attn.rotary interleaved ins(%q : tensor<4x8xf32>) outs(%q : tensor<4x8xf32>) dim 1 -> tensor<4x8xf32>
  return
}

// -----

func.func @negative_rotary_c4(%q: tensor<4x8xf32>) {
  // expected-error @below {{expected a positive, finite base (C4), got 0}}
  %r = attn.rotary half ins(%q : tensor<4x8xf32>) outs(%q : tensor<4x8xf32>) dim 0 base 0.0 -> tensor<4x8xf32>
  return
}

// -----

func.func @negative_sinusoid_c1(%p: index, %o: tensor<4x?xf32>) {
  // expected-error @below {{expected a static, even D (C1), got 'tensor<4x?xf32>'}}
  %r = attn.sinusoid first(%p) outs(%o : tensor<4x?xf32>) -> tensor<4x?xf32>
  return
}

// -----

func.func @negative_alibi_c1(%m: index, %o: tensor<?x4xf32>) {
  // expected-error @below {{expected a static, positive H (C1), got 'tensor<?x4xf32>'}}
  %r = attn.alibi keys(%m) outs(%o : tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @negative_bucket_c1(%t: tensor<32x4xf32>, %m: index, %o: tensor<8x9xf32>) {
  // expected-error @below {{expected as many heads in table and output (C1), got 'tensor<32x4xf32>' and 'tensor<8x9xf32>'}}
  %r = attn.bucket_bias ins(%t : tensor<32x4xf32>) keys(%m) outs(%o : tensor<8x9xf32>) max_distance 128 -> tensor<8x9xf32>
  return
}

// -----

func.func @negative_bucket_c2(%t: tensor<33x8xf32>, %m: index, %o: tensor<8x9xf32>) {
  // expected-error @below {{expected at least 4 buckets, and an even number of them if bidirectional (C2), got 'tensor<33x8xf32>'}}
  %r = attn.bucket_bias ins(%t : tensor<33x8xf32>) keys(%m) outs(%o : tensor<8x9xf32>) max_distance 128 bidirectional
      -> tensor<8x9xf32>
  return
}

// -----

func.func @negative_bucket_c3(%t: tensor<32x8xf32>, %m: index, %o: tensor<8x9xf32>) {
  // expected-error @below {{expected max_distance beyond 16 (C3), got 16}}
  %r = attn.bucket_bias ins(%t : tensor<32x8xf32>) keys(%m) outs(%o : tensor<8x9xf32>) max_distance 16 -> tensor<8x9xf32>
  return
}
