// RUN: attn-opt %s --attn-rewrite-to-low-rank --split-input-file --verify-diagnostics | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention stays exact where slots would mean something else; a remark says why.

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>

// CHECK-LABEL: func.func @negative_window
// CHECK: attn.attention
func.func @negative_window(%x: tensor<2x64x8xf32>) -> tensor<2x64x8xf32> {
  // expected-remark @below {{its mask refers to keys, which slots mix}}
  %0 = attn.attention ins(%x, %x, %x : tensor<2x64x8xf32>, tensor<2x64x8xf32>, tensor<2x64x8xf32>)
      outs(%x : tensor<2x64x8xf32>) maps [#q, #k, #v, #o] mask #attn.window<before = 4, after = 4, top_left>
      {attn.form = #attn.low_rank_form<k = 4>} -> tensor<2x64x8xf32>
  return %0 : tensor<2x64x8xf32>
}

// CHECK-LABEL: func.func @negative_bias
// CHECK: attn.attention
func.func @negative_bias(%x: tensor<2x64x8xf32>, %b: tensor<64xf32>) -> tensor<2x64x8xf32> {
  // expected-remark @below {{its bias refers to keys, which slots mix}}
  %0 = attn.attention ins(%x, %x, %x : tensor<2x64x8xf32>, tensor<2x64x8xf32>, tensor<2x64x8xf32>) bias(%b : tensor<64xf32>)
      outs(%x : tensor<2x64x8xf32>) maps [#q, #k, #v, affine_map<(b, h, i, j, d, e) -> (j)>, #o]
      {attn.form = #attn.low_rank_form<k = 4>} -> tensor<2x64x8xf32>
  return %0 : tensor<2x64x8xf32>
}

// CHECK-LABEL: func.func @negative_softcap
// CHECK: attn.attention
func.func @negative_softcap(%x: tensor<2x64x8xf32>) -> tensor<2x64x8xf32> {
  // expected-remark @below {{it has a softcap}}
  %0 = attn.attention ins(%x, %x, %x : tensor<2x64x8xf32>, tensor<2x64x8xf32>, tensor<2x64x8xf32>)
      outs(%x : tensor<2x64x8xf32>) maps [#q, #k, #v, #o] softcap 2.0
      {attn.form = #attn.low_rank_form<k = 4>} -> tensor<2x64x8xf32>
  return %0 : tensor<2x64x8xf32>
}

// CHECK-LABEL: func.func @negative_slots
// CHECK: attn.attention
func.func @negative_slots(%x: tensor<2x64x8xf32>) -> tensor<2x64x8xf32> {
  // expected-remark @below {{65 slots are more than its 64 keys}}
  %0 = attn.attention ins(%x, %x, %x : tensor<2x64x8xf32>, tensor<2x64x8xf32>, tensor<2x64x8xf32>)
      outs(%x : tensor<2x64x8xf32>) maps [#q, #k, #v, #o]
      {attn.form = #attn.low_rank_form<k = 65>} -> tensor<2x64x8xf32>
  return %0 : tensor<2x64x8xf32>
}

// CHECK-LABEL: func.func @negative_long
// CHECK: attn.attention
func.func @negative_long(%x: tensor<2x64x8xf32>) -> tensor<2x64x8xf32> {
  // expected-remark @below {{its 64 keys are more than the form's length, 32}}
  %0 = attn.attention ins(%x, %x, %x : tensor<2x64x8xf32>, tensor<2x64x8xf32>, tensor<2x64x8xf32>)
      outs(%x : tensor<2x64x8xf32>) maps [#q, #k, #v, #o]
      {attn.form = #attn.low_rank_form<k = 4, length = 32>} -> tensor<2x64x8xf32>
  return %0 : tensor<2x64x8xf32>
}

// CHECK-LABEL: func.func @negative_dynamic
// CHECK: attn.attention
func.func @negative_dynamic(%x: tensor<2x?x8xf32>) -> tensor<2x?x8xf32> {
  // expected-remark @below {{its length is dynamic, and the form has no length}}
  %0 = attn.attention ins(%x, %x, %x : tensor<2x?x8xf32>, tensor<2x?x8xf32>, tensor<2x?x8xf32>)
      outs(%x : tensor<2x?x8xf32>) maps [#q, #k, #v, #o]
      {attn.form = #attn.low_rank_form<k = 4>} -> tensor<2x?x8xf32>
  return %0 : tensor<2x?x8xf32>
}

// CHECK-LABEL: func.func @negative_max_pool
// CHECK: attn.attention
func.func @negative_max_pool(%x: tensor<2x64x8xf32>) -> tensor<2x64x8xf32> {
  // expected-remark @below {{maximum pooling needs a known number of keys that k divides}}
  %0 = attn.attention ins(%x, %x, %x : tensor<2x64x8xf32>, tensor<2x64x8xf32>, tensor<2x64x8xf32>)
      outs(%x : tensor<2x64x8xf32>) maps [#q, #k, #v, #o]
      {attn.form = #attn.low_rank_form<k = 15, projection = max_pool>} -> tensor<2x64x8xf32>
  return %0 : tensor<2x64x8xf32>
}

// CHECK-LABEL: func.func @negative_weights
// CHECK: attn.attention
func.func @negative_weights(%x: tensor<2x64x8xf32>) -> tensor<2x64x8xf32> {
  // expected-remark @below {{there is no dense resource 'e'}}
  %0 = attn.attention ins(%x, %x, %x : tensor<2x64x8xf32>, tensor<2x64x8xf32>, tensor<2x64x8xf32>)
      outs(%x : tensor<2x64x8xf32>) maps [#q, #k, #v, #o]
      {attn.form = #attn.low_rank_form<k = 4, projection = weights, key_weights = "e", value_weights = "f">} -> tensor<2x64x8xf32>
  return %0 : tensor<2x64x8xf32>
}
