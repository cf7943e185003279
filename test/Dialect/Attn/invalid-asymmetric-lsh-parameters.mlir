// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints C5 and C7 of attn.asymmetric_lsh_attention.

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @c5_rounds(%q: tensor<2x64x16xf32>, %k: tensor<2x64x16xf32>, %a: tensor<2x4x18xf32>) {
  // expected-error @below {{expected rounds in [1, 64] (C5), got 0}}
  %r = attn.asymmetric_lsh_attention ins(%q, %k, %k : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<2x64x16xf32>)
      directions(%a : tensor<2x4x18xf32>) outs(%q : tensor<2x64x16xf32>) maps [#q, #k, #v, #o]
      rounds 0 chunk 16 -> tensor<2x64x16xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @c5_chunk(%q: tensor<2x64x16xf32>, %k: tensor<2x64x16xf32>, %a: tensor<2x4x18xf32>) {
  // expected-error @below {{expected a chunk of at least 1 and at most the number of queries (C5), got 0}}
  %r = attn.asymmetric_lsh_attention ins(%q, %k, %k : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<2x64x16xf32>)
      directions(%a : tensor<2x4x18xf32>) outs(%q : tensor<2x64x16xf32>) maps [#q, #k, #v, #o]
      rounds 4 chunk 0 -> tensor<2x64x16xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @c5_beyond(%q: tensor<2x64x16xf32>, %k: tensor<2x64x16xf32>, %a: tensor<2x4x18xf32>) {
  // expected-error @below {{expected a chunk of at least 1 and at most the number of queries (C5), got 65}}
  %r = attn.asymmetric_lsh_attention ins(%q, %k, %k : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<2x64x16xf32>)
      directions(%a : tensor<2x4x18xf32>) outs(%q : tensor<2x64x16xf32>) maps [#q, #k, #v, #o]
      rounds 4 chunk 65 -> tensor<2x64x16xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @c5_window(%q: tensor<2x64x16xf32>, %k: tensor<2x64x16xf32>, %a: tensor<2x4x18xf32>) {
  // expected-error @below {{expected look_back and look_ahead of at least 0 and a window of at most 65536 queries or keys (C5), got -1 and 0}}
  %r = attn.asymmetric_lsh_attention ins(%q, %k, %k : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<2x64x16xf32>)
      directions(%a : tensor<2x4x18xf32>) outs(%q : tensor<2x64x16xf32>) maps [#q, #k, #v, #o]
      rounds 4 chunk 16 look_back -1 -> tensor<2x64x16xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @c7_ahead(%q: tensor<2x64x16xf32>, %k: tensor<2x64x16xf32>, %a: tensor<2x4x18xf32>) {
  // expected-error @below {{expected look_ahead of 0 under causal (C7), got 1}}
  %r = attn.asymmetric_lsh_attention ins(%q, %k, %k : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<2x64x16xf32>)
      directions(%a : tensor<2x4x18xf32>) outs(%q : tensor<2x64x16xf32>) maps [#q, #k, #v, #o]
      rounds 4 chunk 16 look_ahead 1 causal -> tensor<2x64x16xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @c7_lengths(%q: tensor<2x64x16xf32>, %k: tensor<2x64x16xf32>, %a: tensor<2x4x18xf32>, %s: tensor<2x32x16xf32>) {
  // expected-error @below {{expected as many queries as keys under causal (C7), got 64 and 32}}
  %r = attn.asymmetric_lsh_attention ins(%q, %s, %s : tensor<2x64x16xf32>, tensor<2x32x16xf32>, tensor<2x32x16xf32>)
      directions(%a : tensor<2x4x18xf32>) outs(%q : tensor<2x64x16xf32>) maps [#q, #k, #v, #o]
      rounds 4 chunk 16 causal -> tensor<2x64x16xf32>
  return
}
