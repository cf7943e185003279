// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints C6 to C9 of attn.linear_attention: feature maps and numbers.

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @negative_needs_projection(%q: tensor<2x9x8xf32>, %k: tensor<2x9x8xf32>, %v: tensor<2x9x8xf32>, %o: tensor<2x9x8xf32>) {
  // expected-error @+1 {{expected a projection for softmax_hyperbolic (C6)}}
  %r = attn.linear_attention softmax_hyperbolic ins(%q, %k, %v : tensor<2x9x8xf32>, tensor<2x9x8xf32>, tensor<2x9x8xf32>)
      outs(%o : tensor<2x9x8xf32>) maps [#q, #k, #v, #o] -> tensor<2x9x8xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @negative_takes_no_projection(%q: tensor<2x9x8xf32>, %k: tensor<2x9x8xf32>, %v: tensor<2x9x8xf32>, %w: tensor<16x8xf32>, %o: tensor<2x9x8xf32>) {
  // expected-error @+1 {{expected no projection for elu_plus_one (C6)}}
  %r = attn.linear_attention elu_plus_one ins(%q, %k, %v : tensor<2x9x8xf32>, tensor<2x9x8xf32>, tensor<2x9x8xf32>) projection(%w : tensor<16x8xf32>)
      outs(%o : tensor<2x9x8xf32>) maps [#q, #k, #v, #o] -> tensor<2x9x8xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @negative_needs_region(%q: tensor<2x9x8xf32>, %k: tensor<2x9x8xf32>, %v: tensor<2x9x8xf32>, %o: tensor<2x9x8xf32>) {
  // expected-error @+1 {{expected a region for custom (C7)}}
  %r = attn.linear_attention custom ins(%q, %k, %v : tensor<2x9x8xf32>, tensor<2x9x8xf32>, tensor<2x9x8xf32>)
      outs(%o : tensor<2x9x8xf32>) maps [#q, #k, #v, #o] -> tensor<2x9x8xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @negative_scale(%q: tensor<2x9x8xf32>, %k: tensor<2x9x8xf32>, %v: tensor<2x9x8xf32>, %o: tensor<2x9x8xf32>) {
  // expected-error @+1 {{expected a positive, finite scale (C8), got -1.0}}
  %r = attn.linear_attention elu_plus_one ins(%q, %k, %v : tensor<2x9x8xf32>, tensor<2x9x8xf32>, tensor<2x9x8xf32>)
      outs(%o : tensor<2x9x8xf32>) maps [#q, #k, #v, #o] scale -1.0 -> tensor<2x9x8xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @negative_epsilon(%q: tensor<2x9x8xf32>, %k: tensor<2x9x8xf32>, %v: tensor<2x9x8xf32>, %o: tensor<2x9x8xf32>) {
  // expected-error @+1 {{expected finite epsilons of at least 0 (C8)}}
  %r = attn.linear_attention elu_plus_one ins(%q, %k, %v : tensor<2x9x8xf32>, tensor<2x9x8xf32>, tensor<2x9x8xf32>)
      outs(%o : tensor<2x9x8xf32>) maps [#q, #k, #v, #o] denominator_eps -1.0 -> tensor<2x9x8xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @negative_chunk(%q: tensor<2x9x8xf32>, %k: tensor<2x9x8xf32>, %v: tensor<2x9x8xf32>, %o: tensor<2x9x8xf32>) {
  // expected-error @+1 {{expected a chunk in [1, 4096] (C8), got 0}}
  %r = attn.linear_attention elu_plus_one ins(%q, %k, %v : tensor<2x9x8xf32>, tensor<2x9x8xf32>, tensor<2x9x8xf32>)
      outs(%o : tensor<2x9x8xf32>) maps [#q, #k, #v, #o] chunk 0 -> tensor<2x9x8xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @negative_softmax_denominator(%q: tensor<2x9x8xf32>, %k: tensor<2x9x8xf32>, %v: tensor<2x9x8xf32>, %w: tensor<16x8xf32>, %o: tensor<2x9x8xf32>) {
  // expected-error @+1 {{expected a denominator_eps of 0 for softmax_positive (C9)}}
  %r = attn.linear_attention softmax_positive ins(%q, %k, %v : tensor<2x9x8xf32>, tensor<2x9x8xf32>, tensor<2x9x8xf32>) projection(%w : tensor<16x8xf32>)
      outs(%o : tensor<2x9x8xf32>) maps [#q, #k, #v, #o] denominator_eps 1.0 -> tensor<2x9x8xf32>
  return
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @negative_causal_epsilon(%q: tensor<2x9x8xf32>, %k: tensor<2x9x8xf32>, %v: tensor<2x9x8xf32>, %w: tensor<16x8xf32>, %o: tensor<2x9x8xf32>) {
  // expected-error @+1 {{expected a feature_eps of 0 for causal or stateful softmax_positive (C9)}}
  %r = attn.linear_attention softmax_positive ins(%q, %k, %v : tensor<2x9x8xf32>, tensor<2x9x8xf32>, tensor<2x9x8xf32>) projection(%w : tensor<16x8xf32>)
      outs(%o : tensor<2x9x8xf32>) maps [#q, #k, #v, #o] causal top_left feature_eps 1.0 -> tensor<2x9x8xf32>
  return
}
