// RUN: attn-opt %s --attn-rewrite-to-low-rank --split-input-file --verify-diagnostics | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention becomes low-rank where that is asked for and means something; a remark says which.

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>

// CHECK-LABEL: func.func @gaussian
// CHECK: %[[E:.*]] = attn.gaussian_projection seed 7 : tensor<16x64xf32>
// CHECK: %[[F:.*]] = attn.gaussian_projection seed 7 purpose 1 : tensor<16x64xf32>
// CHECK: attn.low_rank_attention {{.*}} projections(%[[E]], %[[F]] :
func.func @gaussian(%x: tensor<2x64x8xf32>) -> tensor<2x64x8xf32> {
  // expected-remark @below {{rewritten to low-rank: 1.31e+05 flops, 2.46e+04 bytes instead of}}
  %0 = attn.attention ins(%x, %x, %x : tensor<2x64x8xf32>, tensor<2x64x8xf32>, tensor<2x64x8xf32>)
      outs(%x : tensor<2x64x8xf32>) maps [#q, #k, #v, #o]
      {attn.form = #attn.low_rank_form<k = 16, seed = 7>} -> tensor<2x64x8xf32>
  return %0 : tensor<2x64x8xf32>
}

// CHECK-LABEL: func.func @one_matrix
// CHECK: %[[E:.*]] = attn.gaussian_projection seed 0 : tensor<16x128xf32>
// CHECK: attn.low_rank_attention {{.*}} projections(%[[E]], %[[E]] :
func.func @one_matrix(%x: tensor<2x?x8xf32>) -> tensor<2x?x8xf32> {
  // expected-remark @below {{rewritten to low-rank}}
  %0 = attn.attention ins(%x, %x, %x : tensor<2x?x8xf32>, tensor<2x?x8xf32>, tensor<2x?x8xf32>)
      outs(%x : tensor<2x?x8xf32>) maps [#q, #k, #v, #o]
      {attn.form = #attn.low_rank_form<k = 16, sharing = layerwise, length = 128>} -> tensor<2x?x8xf32>
  return %0 : tensor<2x?x8xf32>
}

// CHECK-LABEL: func.func @every_head
// CHECK: attn.gaussian_projection seed 0 layer 2 : tensor<2x16x64xf32>
func.func @every_head(%x: tensor<2x64x8xf32>) -> tensor<2x64x8xf32> {
  // expected-remark @below {{rewritten to low-rank}}
  %0 = attn.attention ins(%x, %x, %x : tensor<2x64x8xf32>, tensor<2x64x8xf32>, tensor<2x64x8xf32>)
      outs(%x : tensor<2x64x8xf32>) maps [#q, #k, #v, #o]
      {attn.form = #attn.low_rank_form<k = 16, sharing = none>} -> tensor<2x64x8xf32>
  return %0 : tensor<2x64x8xf32>
}

// CHECK-LABEL: func.func @mean_pool
// CHECK: arith.constant dense<2.500000e-01> : tensor<1x4xf32>
// CHECK: attn.low_rank_attention {{.*}} block 4
func.func @mean_pool(%x: tensor<2x64x8xf32>) -> tensor<2x64x8xf32> {
  // expected-remark @below {{rewritten to low-rank}}
  %0 = attn.attention ins(%x, %x, %x : tensor<2x64x8xf32>, tensor<2x64x8xf32>, tensor<2x64x8xf32>)
      outs(%x : tensor<2x64x8xf32>) maps [#q, #k, #v, #o]
      {attn.form = #attn.low_rank_form<k = 16, projection = mean_pool>} -> tensor<2x64x8xf32>
  return %0 : tensor<2x64x8xf32>
}

// CHECK-LABEL: func.func @max_pool
// CHECK: linalg.generic
// CHECK: arith.maximumf
// CHECK: attn.attention ins(%{{.*}} : tensor<2x64x8xf32>, tensor<2x16x8xf32>, tensor<2x16x8xf32>)
func.func @max_pool(%x: tensor<2x64x8xf32>) -> tensor<2x64x8xf32> {
  // expected-remark @below {{rewritten to low-rank}}
  %0 = attn.attention ins(%x, %x, %x : tensor<2x64x8xf32>, tensor<2x64x8xf32>, tensor<2x64x8xf32>)
      outs(%x : tensor<2x64x8xf32>) maps [#q, #k, #v, #o]
      {attn.form = #attn.low_rank_form<k = 16, projection = max_pool>} -> tensor<2x64x8xf32>
  return %0 : tensor<2x64x8xf32>
}

// CHECK-LABEL: func.func @causal
// CHECK: attn.gaussian_projection seed 0 layer 5 : tensor<4x16xf32>
// CHECK: attn.low_rank_attention {{.*}} block 16 causal
func.func @causal(%x: tensor<2x64x8xf32>) -> tensor<2x64x8xf32> {
  // expected-remark @below {{rewritten to low-rank}}
  %0 = attn.attention ins(%x, %x, %x : tensor<2x64x8xf32>, tensor<2x64x8xf32>, tensor<2x64x8xf32>)
      outs(%x : tensor<2x64x8xf32>) maps [#q, #k, #v, #o] mask #attn.causal<top_left>
      {attn.form = #attn.low_rank_form<k = 4, causal_blocks = 16>} -> tensor<2x64x8xf32>
  return %0 : tensor<2x64x8xf32>
}

// CHECK-LABEL: func.func @negative_causal
// CHECK: attn.attention
func.func @negative_causal(%x: tensor<2x64x8xf32>) -> tensor<2x64x8xf32> {
  // expected-remark @below {{stays exact, not low-rank: a causal mask needs causal_blocks, as every slot mixes all positions}}
  %0 = attn.attention ins(%x, %x, %x : tensor<2x64x8xf32>, tensor<2x64x8xf32>, tensor<2x64x8xf32>)
      outs(%x : tensor<2x64x8xf32>) maps [#q, #k, #v, #o] mask #attn.causal<top_left>
      {attn.form = #attn.low_rank_form<k = 16>} -> tensor<2x64x8xf32>
  return %0 : tensor<2x64x8xf32>
}

// CHECK-LABEL: func.func @negative_blocks
// CHECK: attn.attention
func.func @negative_blocks(%x: tensor<2x64x8xf32>) -> tensor<2x64x8xf32> {
  // expected-remark @below {{causal_blocks is for causal masks}}
  %0 = attn.attention ins(%x, %x, %x : tensor<2x64x8xf32>, tensor<2x64x8xf32>, tensor<2x64x8xf32>)
      outs(%x : tensor<2x64x8xf32>) maps [#q, #k, #v, #o]
      {attn.form = #attn.low_rank_form<k = 4, causal_blocks = 16>} -> tensor<2x64x8xf32>
  return %0 : tensor<2x64x8xf32>
}
