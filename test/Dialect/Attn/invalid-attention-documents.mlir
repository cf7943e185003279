// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What documents of attn.attention may not be beside or of.

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>
#ids = affine_map<(b, h, i, j, d, e) -> (i)>
func.func @c3_key(%q: tensor<64x16xf32>, %k: tensor<64x16xf32>, %ids: tensor<64xi32>) {
  // expected-error @below {{expected the map of documents not to use j (C3)}}
  %r = attn.attention ins(%q, %k, %k : tensor<64x16xf32>, tensor<64x16xf32>, tensor<64x16xf32>) documents(%ids : tensor<64xi32>)
      outs(%q : tensor<64x16xf32>) maps [#q, #k, #v, #o, affine_map<(b, h, i, j, d, e) -> (j)>] -> tensor<64x16xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>
#ids = affine_map<(b, h, i, j, d, e) -> (i)>
func.func @c4_length(%q: tensor<64x16xf32>, %k: tensor<64x16xf32>, %ids: tensor<63xi32>) {
  // expected-error @below {{expected extent 64 for i in documents (C4), got 63}}
  %r = attn.attention ins(%q, %k, %k : tensor<64x16xf32>, tensor<64x16xf32>, tensor<64x16xf32>) documents(%ids : tensor<63xi32>)
      outs(%q : tensor<64x16xf32>) maps [#q, #k, #v, #o, #ids] -> tensor<64x16xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>
#ids = affine_map<(b, h, i, j, d, e) -> (i)>
func.func @c13_type(%q: tensor<64x16xf32>, %k: tensor<64x16xf32>, %ids: tensor<64xf32>) {
  // expected-error @below {{expected documents of integers (C13), got}}
  %r = attn.attention ins(%q, %k, %k : tensor<64x16xf32>, tensor<64x16xf32>, tensor<64x16xf32>) documents(%ids : tensor<64xf32>)
      outs(%q : tensor<64x16xf32>) maps [#q, #k, #v, #o, #ids] -> tensor<64x16xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>
#ids = affine_map<(b, h, i, j, d, e) -> (i)>
func.func @c13_lengths(%q: tensor<64x16xf32>, %k: tensor<32x16xf32>, %ids: tensor<64xi32>) {
  // expected-error @below {{expected as many queries as keys beside documents (C13), got 64 and 32}}
  %r = attn.attention ins(%q, %k, %k : tensor<64x16xf32>, tensor<32x16xf32>, tensor<32x16xf32>) documents(%ids : tensor<64xi32>)
      outs(%q : tensor<64x16xf32>) maps [#q, #k, #v, #o, #ids] -> tensor<64x16xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>
#ids = affine_map<(b, h, i, j, d, e) -> (i)>
func.func @c13_mask(%q: tensor<64x16xf32>, %k: tensor<64x16xf32>, %ids: tensor<64xi32>) {
  // expected-error @below {{expected a causal mask or a window beside documents (C13), got}}
  %r = attn.attention ins(%q, %k, %k : tensor<64x16xf32>, tensor<64x16xf32>, tensor<64x16xf32>) documents(%ids : tensor<64xi32>)
      outs(%q : tensor<64x16xf32>) maps [#q, #k, #v, #o, #ids] mask #attn.local_chunks<chunk = 8, look_back = 1, look_ahead = 0, top_left> -> tensor<64x16xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>
#ids = affine_map<(b, h, i, j, d, e) -> (i)>
func.func @c13_mod(%q: tensor<64x16xf32>, %k: tensor<64x16xf32>, %ids: tensor<64xi32>) {
  // expected-error @below {{expected no segments, relative positions or score_mod beside documents (C13)}}
  %r = attn.attention ins(%q, %k, %k : tensor<64x16xf32>, tensor<64x16xf32>, tensor<64x16xf32>) documents(%ids : tensor<64xi32>)
      outs(%q : tensor<64x16xf32>) maps [#q, #k, #v, #o, #ids] score_mod {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        attn.yield %s : f32
      } -> tensor<64x16xf32>
  return
}
