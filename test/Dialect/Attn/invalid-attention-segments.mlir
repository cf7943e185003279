// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints C10 to C12 of attn.attention: keys in several parts, and operands by relative position.

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>

func.func @negative_c10_pairs(%q: tensor<8x4xf32>, %k: tensor<9x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected pairs of key and value as segments (C10), got 1 tensors}}
  %r = attn.attention ins(%q, %k, %k : tensor<8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      segments(%k : tensor<9x4xf32>) outs(%o : tensor<8x4xf32>) maps [#q, #k, #v, #o] -> tensor<8x4xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>

func.func @negative_c10_rank(%q: tensor<8x4xf32>, %k: tensor<9x4xf32>, %s: tensor<1x9x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected segment 1 of the rank and element type of 'tensor<9x4xf32>' (C10), got 'tensor<1x9x4xf32>'}}
  %r = attn.attention ins(%q, %k, %k : tensor<8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      segments(%k, %s : tensor<9x4xf32>, tensor<1x9x4xf32>) outs(%o : tensor<8x4xf32>) maps [#q, #k, #v, #o]
      -> tensor<8x4xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>

func.func @negative_c10_lengths(%q: tensor<8x4xf32>, %k: tensor<9x4xf32>, %s: tensor<7x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected extent 9 for j in segments (C10), got 7}}
  %r = attn.attention ins(%q, %k, %k : tensor<8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      segments(%k, %s : tensor<9x4xf32>, tensor<7x4xf32>) outs(%o : tensor<8x4xf32>) maps [#q, #k, #v, #o]
      -> tensor<8x4xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>

func.func @negative_c4_keys_in_all(%q: tensor<8x4xf32>, %k: tensor<9x4xf32>, %b: tensor<9xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected extent 9 for j in key and segments (C4), got 18}}
  %r = attn.attention ins(%q, %k, %k : tensor<8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      segments(%k, %k : tensor<9x4xf32>, tensor<9x4xf32>) bias(%b : tensor<9xf32>)
      outs(%o : tensor<8x4xf32>) maps [#q, #k, #v, affine_map<(b, h, i, j, d, e) -> (j)>, #o] -> tensor<8x4xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>
#r = affine_map<(b, h, i, j, d, e) -> (j - i, d)>

func.func @negative_c11_query(%q: tensor<8x4xf32>, %p: tensor<?x4xf32>, %k: tensor<9x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected the query of relative to have the type of query (C11), 'tensor<8x4xf32>', got 'tensor<?x4xf32>'}}
  %r = attn.attention ins(%q, %k, %k : tensor<8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      relative(%p, %k : tensor<?x4xf32>, tensor<9x4xf32>) outs(%o : tensor<8x4xf32>) maps [#q, #k, #v, #o, #r]
      -> tensor<8x4xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>

func.func @negative_c11_map(%q: tensor<8x4xf32>, %k: tensor<9x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected the map of relative not to use j (C3)}}
  %r = attn.attention ins(%q, %k, %k : tensor<8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      relative(%q, %k : tensor<8x4xf32>, tensor<9x4xf32>) outs(%o : tensor<8x4xf32>) maps [#q, #k, #v, #o, #k]
      -> tensor<8x4xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>
#r = affine_map<(b, h, i, j, d, e) -> (j - i, d)>

func.func @negative_c11_softcap(%q: tensor<8x4xf32>, %k: tensor<9x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected no softcap beside relative (C11)}}
  %r = attn.attention ins(%q, %k, %k : tensor<8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      relative(%q, %k : tensor<8x4xf32>, tensor<9x4xf32>) outs(%o : tensor<8x4xf32>) maps [#q, #k, #v, #o, #r]
      softcap 5.0 -> tensor<8x4xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>
#r = affine_map<(b, h, i, j, d, e) -> (j - i, d)>

func.func @negative_c12(%q: tensor<8x4xf32>, %k: tensor<9x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected at least 9 positions of j - i in relative (C12), got 8}}
  %r = attn.attention ins(%q, %k, %k : tensor<8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      relative(%q, %q : tensor<8x4xf32>, tensor<8x4xf32>) outs(%o : tensor<8x4xf32>) maps [#q, #k, #v, #o, #r]
      -> tensor<8x4xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>

func.func @negative_c11_bias(%q: tensor<8x4xf32>, %k: tensor<9x4xf32>, %b: tensor<9x9xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected the map of bias not to use j (C3)}}
  %r = attn.attention ins(%q, %k, %k : tensor<8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      bias(%b : tensor<9x9xf32>) outs(%o : tensor<8x4xf32>)
      maps [#q, #k, #v, affine_map<(b, h, i, j, d, e) -> (j, j - i)>, #o] -> tensor<8x4xf32>
  return
}
