// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints C10 and C11 of attn.linear_attention: states and results.

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @negative_state_heads(%q: tensor<2x9x8xf32>, %k: tensor<2x9x8xf32>, %v: tensor<2x9x8xf32>, %s: tensor<3x8x8xf32>, %z: tensor<2x8xf32>, %o: tensor<2x9x8xf32>) {
  // expected-error @+1 {{expected 'tensor<2x8x8xf32>' in initial (C10), got 'tensor<3x8x8xf32>'}}
  %r = attn.linear_attention elu_plus_one ins(%q, %k, %v : tensor<2x9x8xf32>, tensor<2x9x8xf32>, tensor<2x9x8xf32>) initial(%s, %z : tensor<3x8x8xf32>, tensor<2x8xf32>)
      outs(%o : tensor<2x9x8xf32>) maps [#q, #k, #v, #o] -> tensor<2x9x8xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @negative_state_size(%q: tensor<2x9x8xf32>, %k: tensor<2x9x8xf32>, %v: tensor<2x9x8xf32>, %s: tensor<2x6x8xf32>, %z: tensor<2x8xf32>, %o: tensor<2x9x8xf32>) {
  // expected-error @+1 {{expected 'tensor<2x8x8xf32>' in initial (C10), got 'tensor<2x6x8xf32>'}}
  %r = attn.linear_attention elu_plus_one ins(%q, %k, %v : tensor<2x9x8xf32>, tensor<2x9x8xf32>, tensor<2x9x8xf32>) initial(%s, %z : tensor<2x6x8xf32>, tensor<2x8xf32>)
      outs(%o : tensor<2x9x8xf32>) maps [#q, #k, #v, #o] -> tensor<2x9x8xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @negative_state_type(%q: tensor<2x9x8xf32>, %k: tensor<2x9x8xf32>, %v: tensor<2x9x8xf32>, %o: tensor<2x9x8xf32>, %s: tensor<2x8x8xf32>, %z: tensor<2x8xf64>) {
  // expected-error @+1 {{expected 'tensor<2x8xf32>' in final (C10), got 'tensor<2x8xf64>'}}
  %r:3 = attn.linear_attention elu_plus_one ins(%q, %k, %v : tensor<2x9x8xf32>, tensor<2x9x8xf32>, tensor<2x9x8xf32>)
      outs(%o : tensor<2x9x8xf32>) final(%s, %z : tensor<2x8x8xf32>, tensor<2x8xf64>) maps [#q, #k, #v, #o] -> tensor<2x9x8xf32>, tensor<2x8x8xf32>, tensor<2x8xf64>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @negative_state_parts(%q: tensor<2x9x8xf32>, %k: tensor<2x9x8xf32>, %v: tensor<2x9x8xf32>, %w: tensor<8x8xf32>, %s: tensor<2x8x8xf32>, %z: tensor<2x8xf32>, %o: tensor<2x9x8xf32>) {
  // expected-error @+1 {{expected 3 tensors in initial (C10), got 2}}
  %r = attn.linear_attention softmax_positive ins(%q, %k, %v : tensor<2x9x8xf32>, tensor<2x9x8xf32>, tensor<2x9x8xf32>) projection(%w : tensor<8x8xf32>) initial(%s, %z : tensor<2x8x8xf32>, tensor<2x8xf32>)
      outs(%o : tensor<2x9x8xf32>) maps [#q, #k, #v, #o] -> tensor<2x9x8xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @negative_results(%q: tensor<2x9x8xf32>, %k: tensor<2x9x8xf32>, %v: tensor<2x9x8xf32>, %o: tensor<2x9x8xf32>) {
  // expected-error @+1 {{expected result types equal to the types of output and final (C11)}}
  %r = attn.linear_attention elu_plus_one ins(%q, %k, %v : tensor<2x9x8xf32>, tensor<2x9x8xf32>, tensor<2x9x8xf32>)
      outs(%o : tensor<2x9x8xf32>) maps [#q, #k, #v, #o] -> tensor<2x9x7xf32>
  return
}
