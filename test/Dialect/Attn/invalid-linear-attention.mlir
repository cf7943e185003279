// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints C1 to C5 of attn.linear_attention: maps, extents, types and projections.

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @negative_maps(%q: tensor<2x9x8xf32>, %k: tensor<2x9x8xf32>, %v: tensor<2x9x8xf32>, %o: tensor<2x9x8xf32>) {
  // expected-error @+1 {{expected one indexing map per operand (C1), got 3 maps for 4 operands}}
  %r = attn.linear_attention elu_plus_one ins(%q, %k, %v : tensor<2x9x8xf32>, tensor<2x9x8xf32>, tensor<2x9x8xf32>)
      outs(%o : tensor<2x9x8xf32>) maps [#q, #k, #o] -> tensor<2x9x8xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @negative_twice(%q: tensor<2x9x8xf32>, %k: tensor<2x9x8xf32>, %v: tensor<2x9x8xf32>, %o: tensor<2x9x8xf32>) {
  // expected-error @+1 {{expected distinct dimensions in the map of query (C1), got i twice}}
  %r = attn.linear_attention elu_plus_one ins(%q, %k, %v : tensor<2x9x8xf32>, tensor<2x9x8xf32>, tensor<2x9x8xf32>)
      outs(%o : tensor<2x9x8xf32>) maps [affine_map<(b, h, i, j, d, e) -> (h, i, i)>, #k, #v, #o] -> tensor<2x9x8xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @negative_uses(%q: tensor<2x9x8xf32>, %k: tensor<2x9x8xf32>, %v: tensor<2x9x8xf32>, %o: tensor<2x9x8xf32>) {
  // expected-error @+1 {{expected the map of key not to use i (C2)}}
  %r = attn.linear_attention elu_plus_one ins(%q, %k, %v : tensor<2x9x8xf32>, tensor<2x9x8xf32>, tensor<2x9x8xf32>)
      outs(%o : tensor<2x9x8xf32>) maps [#q, #q, #v, #o] -> tensor<2x9x8xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @negative_lacks(%q: tensor<2x9x8xf32>, %k: tensor<2x9x8xf32>, %v: tensor<2x9x8xf32>, %o: tensor<9x8xf32>) {
  // expected-error @+1 {{expected the map of output to use h, as another operand does (C2)}}
  %r = attn.linear_attention elu_plus_one ins(%q, %k, %v : tensor<2x9x8xf32>, tensor<2x9x8xf32>, tensor<2x9x8xf32>)
      outs(%o : tensor<9x8xf32>) maps [#q, #k, #v, affine_map<(b, h, i, j, d, e) -> (i, e)>] -> tensor<9x8xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @negative_extents(%q: tensor<2x9x8xf32>, %k: tensor<2x9x6xf32>, %v: tensor<2x9x8xf32>, %o: tensor<2x9x8xf32>) {
  // expected-error @+1 {{expected extent 8 for d in key (C3), got 6}}
  %r = attn.linear_attention elu_plus_one ins(%q, %k, %v : tensor<2x9x8xf32>, tensor<2x9x6xf32>, tensor<2x9x8xf32>)
      outs(%o : tensor<2x9x8xf32>) maps [#q, #k, #v, #o] -> tensor<2x9x8xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @negative_dynamic_head(%q: tensor<2x9x8xf32>, %k: tensor<2x9x8xf32>, %v: tensor<2x9x?xf32>, %o: tensor<2x9x?xf32>) {
  // expected-error @+1 {{expected a static extent of e in [1, 1024] (C3), got a dynamic one}}
  %r = attn.linear_attention elu_plus_one ins(%q, %k, %v : tensor<2x9x8xf32>, tensor<2x9x8xf32>, tensor<2x9x?xf32>)
      outs(%o : tensor<2x9x?xf32>) maps [#q, #k, #v, #o] -> tensor<2x9x?xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @negative_types(%q: tensor<2x9x8xf32>, %k: tensor<2x9x8xf16>, %v: tensor<2x9x8xf32>, %o: tensor<2x9x8xf32>) {
  // expected-error @+1 {{expected query, key, value and output to have one element type (C4)}}
  %r = attn.linear_attention elu_plus_one ins(%q, %k, %v : tensor<2x9x8xf32>, tensor<2x9x8xf16>, tensor<2x9x8xf32>)
      outs(%o : tensor<2x9x8xf32>) maps [#q, #k, #v, #o] -> tensor<2x9x8xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @negative_no_features(%q: tensor<2x9x8xf32>, %k: tensor<2x9x8xf32>, %v: tensor<2x9x8xf32>, %w: tensor<0x8xf32>, %o: tensor<2x9x8xf32>) {
  // expected-error @+1 {{expected a projection [r, D] or [H, r, D] of 'f32' with r in [1, 4096] and D = 8 (C5)}}
  %r = attn.linear_attention softmax_positive ins(%q, %k, %v : tensor<2x9x8xf32>, tensor<2x9x8xf32>, tensor<2x9x8xf32>) projection(%w : tensor<0x8xf32>)
      outs(%o : tensor<2x9x8xf32>) maps [#q, #k, #v, #o] -> tensor<2x9x8xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @negative_projection_size(%q: tensor<2x9x8xf32>, %k: tensor<2x9x8xf32>, %v: tensor<2x9x8xf32>, %w: tensor<16x6xf32>, %o: tensor<2x9x8xf32>) {
  // expected-error @+1 {{expected a projection [r, D] or [H, r, D] of 'f32' with r in [1, 4096] and D = 8 (C5)}}
  %r = attn.linear_attention softmax_positive ins(%q, %k, %v : tensor<2x9x8xf32>, tensor<2x9x8xf32>, tensor<2x9x8xf32>) projection(%w : tensor<16x6xf32>)
      outs(%o : tensor<2x9x8xf32>) maps [#q, #k, #v, #o] -> tensor<2x9x8xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @negative_projection_heads(%q: tensor<2x9x8xf32>, %k: tensor<2x9x8xf32>, %v: tensor<2x9x8xf32>, %w: tensor<3x16x8xf32>, %o: tensor<2x9x8xf32>) {
  // expected-error @+1 {{expected a projection [r, D] or [H, r, D] of 'f32' with r in [1, 4096] and D = 8 (C5)}}
  %r = attn.linear_attention softmax_positive ins(%q, %k, %v : tensor<2x9x8xf32>, tensor<2x9x8xf32>, tensor<2x9x8xf32>) projection(%w : tensor<3x16x8xf32>)
      outs(%o : tensor<2x9x8xf32>) maps [#q, #k, #v, #o] -> tensor<2x9x8xf32>
  return
}
