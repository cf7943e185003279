// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints of the operations on memories.

func.func @negative_compress_c1(%x: tensor<12x4xf32>, %o: tensor<4x5xf32>) {
  // expected-error @below {{expected [R, D] or [B, R, D], fewer rows in output and result, of floating-point elements (C1)}}
  %r = attn.compress mean_pool ins(%x : tensor<12x4xf32>) outs(%o : tensor<4x5xf32>) rate 3 -> tensor<4x5xf32>
  return
}

// -----

func.func @negative_compress_c2_rate(%x: tensor<12x4xf32>, %o: tensor<4x4xf32>) {
  // expected-error @below {{expected a positive rate (C2), got 0}}
  %r = attn.compress mean_pool ins(%x : tensor<12x4xf32>) outs(%o : tensor<4x4xf32>) rate 0 -> tensor<4x4xf32>
  return
}

// -----

func.func @negative_compress_c2_rows(%x: tensor<13x4xf32>, %o: tensor<4x4xf32>) {
  // expected-error @below {{expected rows that are 3 times those of output (C2), got 13 and 4}}
  %r = attn.compress max_pool ins(%x : tensor<13x4xf32>) outs(%o : tensor<4x4xf32>) rate 3 -> tensor<4x4xf32>
  return
}

// -----

func.func @negative_compress_c3_missing(%x: tensor<12x4xf32>, %o: tensor<4x4xf32>) {
  // expected-error @below {{expected weights and bias for conv and for it alone (C3)}}
  %r = attn.compress conv ins(%x : tensor<12x4xf32>) outs(%o : tensor<4x4xf32>) rate 3 -> tensor<4x4xf32>
  return
}

// -----

func.func @negative_compress_c3_dilation(%x: tensor<12x4xf32>, %o: tensor<4x4xf32>) {
  // expected-error @below {{expected a positive dilation, 1 but for conv (C3), got 2}}
  %r = attn.compress mean_pool ins(%x : tensor<12x4xf32>) outs(%o : tensor<4x4xf32>) rate 3 dilation 2 -> tensor<4x4xf32>
  return
}

// -----

func.func @negative_compress_c3_shape(%x: tensor<12x4xf32>, %w: tensor<4x5x3xf32>, %b: tensor<4xf32>, %o: tensor<4x4xf32>) {
  // expected-error @below {{expected weights [4, 4, taps] and bias [4] of 'f32' (C3), got 'tensor<4x5x3xf32>' and 'tensor<4xf32>'}}
  %r = attn.compress conv ins(%x : tensor<12x4xf32>) weights(%w, %b : tensor<4x5x3xf32>, tensor<4xf32>)
      outs(%o : tensor<4x4xf32>) rate 3 -> tensor<4x4xf32>
  return
}

// -----

func.func @negative_compress_c3_reach(%x: tensor<12x4xf32>, %w: tensor<4x4x2xf32>, %b: tensor<4xf32>, %o: tensor<4x4xf32>) {
  // expected-error @below {{expected taps and dilation that reach over 3 rows (C3), got 2}}
  %r = attn.compress conv ins(%x : tensor<12x4xf32>) weights(%w, %b : tensor<4x4x2xf32>, tensor<4xf32>)
      outs(%o : tensor<4x4xf32>) rate 3 -> tensor<4x4xf32>
  return
}

// -----

func.func @negative_compress_c4(%x: tensor<12x4xf32>, %o: tensor<4x4xf32>) {
  // expected-error @below {{expected received for most_used and for it alone (C4)}}
  %r = attn.compress most_used ins(%x : tensor<12x4xf32>) outs(%o : tensor<4x4xf32>) rate 3 -> tensor<4x4xf32>
  return
}

// -----

func.func @negative_compress_c4_shape(%x: tensor<12x4xf32>, %u: tensor<11xf32>, %o: tensor<4x4xf32>) {
  // expected-error @below {{expected received for each row of 'tensor<12x4xf32>' (C4), got 'tensor<11xf32>'}}
  %r = attn.compress most_used ins(%x : tensor<12x4xf32>) received(%u : tensor<11xf32>) outs(%o : tensor<4x4xf32>) rate 3
      -> tensor<4x4xf32>
  return
}

// -----

func.func @negative_update_c1(%m: tensor<6x4xf32>, %h: tensor<2x5xf32>, %k: tensor<6x4xf32>, %e: tensor<2x4xf32>) {
  // expected-error @below {{expected [R, D] or [B, R, D] that agree but for R (C1), got 'tensor<6x4xf32>' and 'tensor<2x5xf32>'}}
  %r:2 = attn.update_memory ins(%m, %h : tensor<6x4xf32>, tensor<2x5xf32>) outs(%k, %e : tensor<6x4xf32>, tensor<2x4xf32>)
      -> tensor<6x4xf32>, tensor<2x4xf32>
  return
}

// -----

func.func @negative_update_c2(%m: tensor<6x4xf32>, %h: tensor<3x4xf32>, %k: tensor<6x4xf32>, %e: tensor<2x4xf32>) {
  // expected-error @below {{expected room for the 9 rows of memory and added in kept and evicted (C2), got 8}}
  %r:2 = attn.update_memory ins(%m, %h : tensor<6x4xf32>, tensor<3x4xf32>) outs(%k, %e : tensor<6x4xf32>, tensor<2x4xf32>)
      -> tensor<6x4xf32>, tensor<2x4xf32>
  return
}

// -----

func.func @negative_update_c3(%m: tensor<6x4xf32>, %h: tensor<2x4xf32>, %k: tensor<6x4xf32>, %e: tensor<2x4xf32>) {
  // expected-error @below {{expected result types equal to the types of kept and evicted (C3)}}
  %r:2 = attn.update_memory ins(%m, %h : tensor<6x4xf32>, tensor<2x4xf32>) outs(%k, %e : tensor<6x4xf32>, tensor<2x4xf32>)
      -> tensor<6x4xf32>, tensor<?x4xf32>
  return
}
