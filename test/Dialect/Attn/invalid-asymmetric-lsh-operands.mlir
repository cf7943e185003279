// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints C1 to C4 of attn.asymmetric_lsh_attention.

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @c1_number(%q: tensor<2x64x16xf32>, %k: tensor<2x64x16xf32>, %a: tensor<2x4x18xf32>) {
  // expected-error @below {{expected one indexing map per operand (C1), got 3 maps for 4 operands}}
  %r = attn.asymmetric_lsh_attention ins(%q, %k, %k : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<2x64x16xf32>)
      directions(%a : tensor<2x4x18xf32>) outs(%q : tensor<2x64x16xf32>) maps [#q, #k, #v]
      rounds 4 chunk 16 -> tensor<2x64x16xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @c1_rank(%q: tensor<2x64x16xf32>, %k: tensor<2x64x16xf32>, %a: tensor<2x4x18xf32>) {
  // expected-error @below {{expected the map of value to take 6 dimensions to 3 results (C1), got}}
  %r = attn.asymmetric_lsh_attention ins(%q, %k, %k : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<2x64x16xf32>)
      directions(%a : tensor<2x4x18xf32>) outs(%q : tensor<2x64x16xf32>) maps [#q, #k, affine_map<(b, h, i, j, d, e) -> (j, e)>, #o]
      rounds 4 chunk 16 -> tensor<2x64x16xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @c2_twice(%q: tensor<2x64x16xf32>, %k: tensor<2x64x16xf32>, %a: tensor<2x4x18xf32>) {
  // expected-error @below {{expected distinct dimensions in the map of key (C2), got j twice}}
  %r = attn.asymmetric_lsh_attention ins(%q, %k, %k : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<2x64x16xf32>)
      directions(%a : tensor<2x4x18xf32>) outs(%q : tensor<2x64x16xf32>) maps [#q, affine_map<(b, h, i, j, d, e) -> (j, j, d)>, #v, #o]
      rounds 4 chunk 16 -> tensor<2x64x16xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @c2_missing(%q: tensor<2x64x16xf32>, %k: tensor<2x64x16xf32>, %a: tensor<2x4x18xf32>) {
  // expected-error @below {{expected the map of key not to use i (C2)}}
  %r = attn.asymmetric_lsh_attention ins(%q, %k, %k : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<2x64x16xf32>)
      directions(%a : tensor<2x4x18xf32>) outs(%q : tensor<2x64x16xf32>) maps [#q, #q, #v, #o]
      rounds 4 chunk 16 -> tensor<2x64x16xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @c2_head(%q: tensor<2x64x16xf32>, %k: tensor<2x64x16xf32>, %a: tensor<2x4x18xf32>, %p: tensor<2x64xi1>) {
  // expected-error @below {{expected the map of key_valid not to use h (C2)}}
  %r = attn.asymmetric_lsh_attention ins(%q, %k, %k : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<2x64x16xf32>)
      key_valid(%p : tensor<2x64xi1>) directions(%a : tensor<2x4x18xf32>) outs(%q : tensor<2x64x16xf32>) maps [#q, #k, #v, affine_map<(b, h, i, j, d, e) -> (h, j)>, #o]
      rounds 4 chunk 16 -> tensor<2x64x16xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @c3_sizes(%q: tensor<2x64x16xf32>, %k: tensor<2x64x16xf32>, %a: tensor<2x4x18xf32>, %s: tensor<2x64x8xf32>) {
  // expected-error @below {{expected extent 16 for d in key (C3), got 8}}
  %r = attn.asymmetric_lsh_attention ins(%q, %s, %k : tensor<2x64x16xf32>, tensor<2x64x8xf32>, tensor<2x64x16xf32>)
      directions(%a : tensor<2x4x18xf32>) outs(%q : tensor<2x64x16xf32>) maps [#q, #k, #v, #o]
      rounds 4 chunk 16 -> tensor<2x64x16xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @c4_type(%q: tensor<2x64x16xf32>, %k: tensor<2x64x16xf32>, %a: tensor<2x4x18xf32>, %s: tensor<2x64x16xf16>) {
  // expected-error @below {{expected query, key, value and output to have one element type (C4), got}}
  %r = attn.asymmetric_lsh_attention ins(%q, %s, %k : tensor<2x64x16xf32>, tensor<2x64x16xf16>, tensor<2x64x16xf32>)
      directions(%a : tensor<2x4x18xf32>) outs(%q : tensor<2x64x16xf32>) maps [#q, #k, #v, #o]
      rounds 4 chunk 16 -> tensor<2x64x16xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @c4_valid(%q: tensor<2x64x16xf32>, %k: tensor<2x64x16xf32>, %a: tensor<2x4x18xf32>, %p: tensor<64xi8>) {
  // expected-error @below {{expected query_valid of i1 (C4), got}}
  %r = attn.asymmetric_lsh_attention ins(%q, %k, %k : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<2x64x16xf32>)
      query_valid(%p : tensor<64xi8>) directions(%a : tensor<2x4x18xf32>) outs(%q : tensor<2x64x16xf32>) maps [#q, #k, #v, affine_map<(b, h, i, j, d, e) -> (i)>, #o]
      rounds 4 chunk 16 -> tensor<2x64x16xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @c4_hash(%q: tensor<2x64x16xf32>, %k: tensor<2x64x16xf32>, %a: tensor<2x4x18xf32>, %i: tensor<2x4x18xi32>) {
  // expected-error @below {{expected directions and hashes of f32 or the type of query (C4), got}}
  %r = attn.asymmetric_lsh_attention ins(%q, %k, %k : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<2x64x16xf32>)
      directions(%i : tensor<2x4x18xi32>) outs(%q : tensor<2x64x16xf32>) maps [#q, #k, #v, #o]
      rounds 4 chunk 16 -> tensor<2x64x16xf32>
  return
}
