// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints C6, C8 and C9 of attn.asymmetric_lsh_attention.

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @c6_both(%q: tensor<2x64x16xf32>, %k: tensor<2x64x16xf32>, %a: tensor<2x4x18xf32>) {
  // expected-error @below {{expected either directions or hashes (C6)}}
  %r = attn.asymmetric_lsh_attention ins(%q, %k, %k : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<2x64x16xf32>)
       outs(%q : tensor<2x64x16xf32>) maps [#q, #k, #v, #o]
      rounds 4 chunk 16 -> tensor<2x64x16xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @c6_directions(%q: tensor<2x64x16xf32>, %k: tensor<2x64x16xf32>, %a: tensor<2x4x18xf32>, %s: tensor<2x4x16xf32>) {
  // expected-error @below {{expected directions of heads x 4 x 18 (C6), got}}
  %r = attn.asymmetric_lsh_attention ins(%q, %k, %k : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<2x64x16xf32>)
      directions(%s : tensor<2x4x16xf32>) outs(%q : tensor<2x64x16xf32>) maps [#q, #k, #v, #o]
      rounds 4 chunk 16 -> tensor<2x64x16xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @c6_one(%q: tensor<2x64x16xf32>, %k: tensor<2x64x16xf32>, %a: tensor<2x4x18xf32>, %s: tensor<1x2x4x64xf32>) {
  // expected-error @below {{expected hashes of queries and of keys (C6), got 1 tensors}}
  %r = attn.asymmetric_lsh_attention ins(%q, %k, %k : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<2x64x16xf32>)
      hashes(%s : tensor<1x2x4x64xf32>) outs(%q : tensor<2x64x16xf32>) maps [#q, #k, #v, #o]
      rounds 4 chunk 16 -> tensor<2x64x16xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @c6_hashes(%q: tensor<2x64x16xf32>, %k: tensor<2x64x16xf32>, %a: tensor<2x4x18xf32>, %s: tensor<1x2x4x63xf32>) {
  // expected-error @below {{expected hashes of batch x heads x rounds x positions (C6), got}}
  %r = attn.asymmetric_lsh_attention ins(%q, %k, %k : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<2x64x16xf32>)
      hashes(%s, %s : tensor<1x2x4x63xf32>, tensor<1x2x4x63xf32>) outs(%q : tensor<2x64x16xf32>) maps [#q, #k, #v, #o]
      rounds 4 chunk 16 -> tensor<2x64x16xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @c8_scale(%q: tensor<2x64x16xf32>, %k: tensor<2x64x16xf32>, %a: tensor<2x4x18xf32>) {
  // expected-error @below {{expected a finite scale (C8)}}
  %r = attn.asymmetric_lsh_attention ins(%q, %k, %k : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<2x64x16xf32>)
      directions(%a : tensor<2x4x18xf32>) outs(%q : tensor<2x64x16xf32>) maps [#q, #k, #v, #o]
      rounds 4 chunk 16 scale 0x7FF0000000000000 -> tensor<2x64x16xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @c9(%q: tensor<2x64x16xf32>, %k: tensor<2x64x16xf32>, %a: tensor<2x4x18xf32>) {
  // expected-error @below {{expected result types equal to the types of output and lse (C9)}}
  %r = attn.asymmetric_lsh_attention ins(%q, %k, %k : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<2x64x16xf32>)
      directions(%a : tensor<2x4x18xf32>) outs(%q : tensor<2x64x16xf32>) maps [#q, #k, #v, #o]
      rounds 4 chunk 16 -> tensor<2x64x8xf32>
  return
}
