// RUN: attn-opt %s --attn-rewrite-to-linear --split-input-file --verify-diagnostics | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The softmax gives way to a feature map where nothing but queries and keys has a part in scores.

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h floordiv 2, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h floordiv 2, j, e)>
#m = affine_map<(b, h, i, j, d, e) -> (j)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>

// CHECK-LABEL: func.func @all_keys
// CHECK: attn.linear_attention elu_plus_one ins(%{{.*}}) key_valid(
// CHECK-NOT: causal
// CHECK-SAME: attn.label = "one", attn.rewritten = #attn.linear_form
func.func @all_keys(%x: tensor<4x64x8xf32>, %y: tensor<2x64x8xf32>, %m: tensor<64xi1>) -> tensor<4x64x8xf32> {
  // expected-remark @below {{'one' rewritten to linear: 4.92e+04 flops, 2.46e+04 bytes instead of 5.24e+05 flops}}
  %0 = attn.attention ins(%x, %y, %y : tensor<4x64x8xf32>, tensor<2x64x8xf32>, tensor<2x64x8xf32>) key_valid(%m : tensor<64xi1>)
      outs(%x : tensor<4x64x8xf32>) maps [#q, #k, #v, #m, #o]
      {attn.form = #attn.linear_form, attn.label = "one"} -> tensor<4x64x8xf32>
  return %0 : tensor<4x64x8xf32>
}

// CHECK-LABEL: func.func @causal
// CHECK: attn.linear_attention relu {{.*}} causal bottom_right
func.func @causal(%x: tensor<4x64x8xf32>, %y: tensor<2x96x8xf32>) -> tensor<4x64x8xf32> {
  // expected-remark @below {{rewritten to linear}}
  %0 = attn.attention ins(%x, %y, %y : tensor<4x64x8xf32>, tensor<2x96x8xf32>, tensor<2x96x8xf32>)
      outs(%x : tensor<4x64x8xf32>) maps [#q, #k, #v, #o] mask #attn.causal<bottom_right>
      {attn.form = #attn.linear_form<feature = relu>} -> tensor<4x64x8xf32>
  return %0 : tensor<4x64x8xf32>
}

// CHECK-LABEL: func.func @bias_of_nothing
// CHECK: attn.linear_attention elu_plus_one
func.func @bias_of_nothing(%x: tensor<4x64x8xf32>, %y: tensor<2x64x8xf32>) -> tensor<4x64x8xf32> {
  %bias = arith.constant dense<0.0> : tensor<64xf32>
  // expected-remark @below {{rewritten to linear}}
  %0 = attn.attention ins(%x, %y, %y : tensor<4x64x8xf32>, tensor<2x64x8xf32>, tensor<2x64x8xf32>) bias(%bias : tensor<64xf32>)
      outs(%x : tensor<4x64x8xf32>) maps [#q, #k, #v, #m, #o] {attn.form = #attn.linear_form} -> tensor<4x64x8xf32>
  return %0 : tensor<4x64x8xf32>
}

// CHECK-LABEL: func.func @negative_bias
// CHECK: attn.attention
func.func @negative_bias(%x: tensor<4x64x8xf32>, %y: tensor<2x64x8xf32>, %bias: tensor<64xf32>) -> tensor<4x64x8xf32> {
  // expected-remark @below {{its bias has no place between features}}
  %0 = attn.attention ins(%x, %y, %y : tensor<4x64x8xf32>, tensor<2x64x8xf32>, tensor<2x64x8xf32>) bias(%bias : tensor<64xf32>)
      outs(%x : tensor<4x64x8xf32>) maps [#q, #k, #v, #m, #o] {attn.form = #attn.linear_form} -> tensor<4x64x8xf32>
  return %0 : tensor<4x64x8xf32>
}

// CHECK-LABEL: func.func @negative_window
// CHECK: attn.attention
func.func @negative_window(%x: tensor<4x64x8xf32>, %y: tensor<2x64x8xf32>) -> tensor<4x64x8xf32> {
  // expected-remark @below {{its mask is neither none nor causal}}
  %0 = attn.attention ins(%x, %y, %y : tensor<4x64x8xf32>, tensor<2x64x8xf32>, tensor<2x64x8xf32>)
      outs(%x : tensor<4x64x8xf32>) maps [#q, #k, #v, #o] mask #attn.window<before = 4, after = 4, top_left>
      {attn.form = #attn.linear_form} -> tensor<4x64x8xf32>
  return %0 : tensor<4x64x8xf32>
}

// CHECK-LABEL: func.func @negative_softcap
// CHECK: attn.attention
func.func @negative_softcap(%x: tensor<4x64x8xf32>, %y: tensor<2x64x8xf32>) -> tensor<4x64x8xf32> {
  // expected-remark @below {{its softcap needs scores}}
  %0 = attn.attention ins(%x, %y, %y : tensor<4x64x8xf32>, tensor<2x64x8xf32>, tensor<2x64x8xf32>)
      outs(%x : tensor<4x64x8xf32>) maps [#q, #k, #v, #o] softcap 2.0
      {attn.form = #attn.linear_form} -> tensor<4x64x8xf32>
  return %0 : tensor<4x64x8xf32>
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>

// Slots of Linformer as keys: a model that was low-rank already.
// CHECK-LABEL: func.func @negative_low_rank
// CHECK: attn.attention
func.func @negative_low_rank(%x: tensor<64x8xf32>, %init: tensor<16x8xf32>) -> tensor<64x8xf32> {
  %e = attn.gaussian_projection seed 7 : tensor<16x64xf32>
  %k = linalg.matmul ins(%e, %x : tensor<16x64xf32>, tensor<64x8xf32>) outs(%init : tensor<16x8xf32>) -> tensor<16x8xf32>
  // expected-remark @below {{its keys are sums over positions, as low-rank attention makes them}}
  %0 = attn.attention ins(%x, %k, %k : tensor<64x8xf32>, tensor<16x8xf32>, tensor<16x8xf32>)
      outs(%x : tensor<64x8xf32>) maps [#q, #k, #v, #o] {attn.form = #attn.linear_form} -> tensor<64x8xf32>
  return %0 : tensor<64x8xf32>
}

// Keys of a layer are rows times a constant matrix: no position meets another.
// CHECK-LABEL: func.func @keys_of_a_layer
// CHECK: attn.linear_attention
func.func @keys_of_a_layer(%x: tensor<64x8xf32>, %init: tensor<64x8xf32>) -> tensor<64x8xf32> {
  %w = arith.constant dense<1.0> : tensor<8x8xf32>
  %k = linalg.matmul ins(%x, %w : tensor<64x8xf32>, tensor<8x8xf32>) outs(%init : tensor<64x8xf32>) -> tensor<64x8xf32>
  // expected-remark @below {{rewritten to linear}}
  %0 = attn.attention ins(%x, %k, %k : tensor<64x8xf32>, tensor<64x8xf32>, tensor<64x8xf32>)
      outs(%x : tensor<64x8xf32>) maps [#q, #k, #v, #o] {attn.form = #attn.linear_form} -> tensor<64x8xf32>
  return %0 : tensor<64x8xf32>
}
