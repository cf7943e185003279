// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Each constraint of the tile-level operations of linear attention.

func.func @state_c1_number(%k: tensor<?x64xf32>, %s: tensor<64x64xf32>, %z: tensor<80xf32>) {
  // expected-error @below {{expected 2 maps (C1), got 1}}
  %r:3 = attn.linear_state relu ins(%k, %k : tensor<?x64xf32>, tensor<?x64xf32>)
      state(%s, %z, %z : tensor<64x64xf32>, tensor<80xf32>, tensor<80xf32>) maps [affine_map<(i, j, d, e) -> (j, d)>]
      scale 1.0 feature_eps 0.0 denominator_eps 0.0 chunk 64 -> tensor<64x64xf32>, tensor<80xf32>, tensor<80xf32>
  return
}

// -----

func.func @state_c1_map(%k: tensor<?x64xf32>, %s: tensor<64x64xf32>, %z: tensor<80xf32>) {
  // expected-error @below {{expected a map of value over (i, j, d, e) that uses its dimensions once each (C1)}}
  %r:3 = attn.linear_state relu ins(%k, %k : tensor<?x64xf32>, tensor<?x64xf32>)
      state(%s, %z, %z : tensor<64x64xf32>, tensor<80xf32>, tensor<80xf32>)
      maps [affine_map<(i, j, d, e) -> (j, d)>, affine_map<(i, j, d, e) -> (j, d)>]
      scale 1.0 feature_eps 0.0 denominator_eps 0.0 chunk 64 -> tensor<64x64xf32>, tensor<80xf32>, tensor<80xf32>
  return
}

// -----

func.func @output_c2(%q: tensor<?x64xf32>, %s: tensor<64x64xf32>, %z: tensor<32xf32>) {
  // expected-error @below {{expected static sum [R, E], norm [R'] and reference of f32 or f64 (C2)}}
  %r = attn.linear_output relu ins(%q : tensor<?x64xf32>)
      state(%s, %z, %z : tensor<64x64xf32>, tensor<32xf32>, tensor<32xf32>) outs(%q : tensor<?x64xf32>)
      maps [affine_map<(i, j, d, e) -> (i, d)>, affine_map<(i, j, d, e) -> (i, e)>]
      scale 1.0 feature_eps 0.0 denominator_eps 0.0 chunk 64 -> tensor<?x64xf32>
  return
}

// -----

func.func @chunk_c3(%q: tensor<?x64xf32>, %s: tensor<64x64xf32>, %z: tensor<80xf32>) {
  // expected-error @below {{expected result types equal to the types of the destinations (C3)}}
  %r = attn.linear_chunk relu ins(%q, %q, %q : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>)
      state(%s, %z, %z : tensor<64x64xf32>, tensor<80xf32>, tensor<80xf32>) outs(%q : tensor<?x64xf32>)
      maps [affine_map<(i, j, d, e) -> (i, d)>, affine_map<(i, j, d, e) -> (j, d)>,
            affine_map<(i, j, d, e) -> (j, e)>, affine_map<(i, j, d, e) -> (i, e)>]
      scale 1.0 feature_eps 0.0 denominator_eps 0.0 chunk 64 -> tensor<?x64xf32>
  return
}

// -----

func.func @merge_c1(%a: tensor<4x64x64xf32>, %b: tensor<3x80xf32>, %n: index, %s: tensor<64x64xf32>, %z: tensor<80xf32>) {
  // expected-error @below {{expected one number of partial states (C1), got 4 and 3}}
  %r:3 = attn.linear_merge ins(%a, %b, %b : tensor<4x64x64xf32>, tensor<3x80xf32>, tensor<3x80xf32>) count(%n)
      state(%s, %z, %z : tensor<64x64xf32>, tensor<80xf32>, tensor<80xf32>)
      -> tensor<64x64xf32>, tensor<80xf32>, tensor<80xf32>
  return
}
