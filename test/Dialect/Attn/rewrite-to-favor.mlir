// RUN: attn-opt %s --attn-rewrite-to-favor --verify-diagnostics | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Directions become a constant: every head and every operation has its own, and a seed or a draw more is another.

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
!t = tensor<2x64x4xf32>

// CHECK-LABEL: func.func @defaults
// CHECK: %[[W:.*]] = arith.constant dense<{{.*}}> : tensor<2x256x4xf32>
// CHECK: attn.linear_attention softmax_positive {{.*}} projection(%[[W]] : tensor<2x256x4xf32>) {{.*}} scale 5.000000e-01
// CHECK-SAME: attn.rewritten = #attn.favor_form}
func.func @defaults(%x: !t) -> !t {
  // expected-remark @below {{rewritten to favor: 1.05e+06 flops, 8.19e+03 bytes}}
  %0 = attn.attention ins(%x, %x, %x : !t, !t, !t) outs(%x : !t) maps [#q, #k, #v, #o]
      {attn.form = #attn.favor_form} -> !t
  return %0 : !t
}

// Lengths of D^1/2 exactly: one direction and its opposite would be 2 and -2.
// CHECK-LABEL: func.func @options
// CHECK: %[[W:.*]] = arith.constant {{.*}} : tensor<2x6x4xf32>
// CHECK: attn.linear_attention softmax_hyperbolic {{.*}} projection(%[[W]] : {{.*}} causal top_left scale 2.500000e-01
func.func @options(%x: !t) -> !t {
  // expected-remark @below {{rewritten to favor}}
  %0 = attn.attention ins(%x, %x, %x : !t, !t, !t) outs(%x : !t) maps [#q, #k, #v, #o] mask #attn.causal<top_left>
      scale 0.25 {attn.form = #attn.favor_form<features = 6, seed = -3, draw = 9, hyperbolic = true, regularized = true>} -> !t
  return %0 : !t
}

// CHECK-LABEL: func.func @one_direction
// CHECK: arith.constant dense<{{[-+0-9.e]+}}> : tensor<1x1xf64>
func.func @one_direction(%x: tensor<64x1xf64>) -> tensor<64x1xf64> {
  // expected-remark @below {{rewritten to favor}}
  %0 = attn.attention ins(%x, %x, %x : tensor<64x1xf64>, tensor<64x1xf64>, tensor<64x1xf64>) outs(%x : tensor<64x1xf64>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, d)>, affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>, affine_map<(b, h, i, j, d, e) -> (i, e)>]
      {attn.form = #attn.favor_form<features = 1>} -> tensor<64x1xf64>
  return %0 : tensor<64x1xf64>
}

// CHECK-LABEL: func.func @weights
// CHECK: %[[W:.*]] = arith.constant dense_resource<w> : tensor<2x4xf32>
// CHECK: projection(%[[W]] : tensor<2x4xf32>)
func.func @weights(%x: !t) -> !t {
  // expected-remark @below {{rewritten to favor}}
  %0 = attn.attention ins(%x, %x, %x : !t, !t, !t) outs(%x : !t) maps [#q, #k, #v, #o]
      {attn.form = #attn.favor_form<features = 2, weights = "w">} -> !t
  return %0 : !t
}

// CHECK-LABEL: func.func @negative_weights
// CHECK: attn.attention
func.func @negative_weights(%x: !t) -> !t {
  // expected-remark @below {{the dense resource 'w' has 32 bytes, where 3 x 4 f32 have 48}}
  %0 = attn.attention ins(%x, %x, %x : !t, !t, !t) outs(%x : !t) maps [#q, #k, #v, #o]
      {attn.form = #attn.favor_form<features = 3, weights = "w">} -> !t
  return %0 : !t
}

// CHECK-LABEL: func.func @negative_scale
// CHECK: attn.attention
func.func @negative_scale(%x: !t) -> !t {
  // expected-remark @below {{its scale of -1.00 is not positive}}
  %0 = attn.attention ins(%x, %x, %x : !t, !t, !t) outs(%x : !t) maps [#q, #k, #v, #o] scale -1.0
      {attn.form = #attn.favor_form} -> !t
  return %0 : !t
}

// CHECK-LABEL: func.func @negative_lse
// CHECK: attn.attention
func.func @negative_lse(%x: !t, %l: tensor<2x64xf32>) -> (!t, tensor<2x64xf32>) {
  // expected-remark @below {{its log-sum-exp is that of scores}}
  %0:2 = attn.attention ins(%x, %x, %x : !t, !t, !t) outs(%x, %l : !t, tensor<2x64xf32>)
      maps [#q, #k, #v, #o, affine_map<(b, h, i, j, d, e) -> (h, i)>]
      {attn.form = #attn.favor_form} -> !t, tensor<2x64xf32>
  return %0#0, %0#1 : !t, tensor<2x64xf32>
}

{-#
  dialect_resources: {
    builtin: {
      w: "0x040000000000803F000000400000403F0000803F0000803F000080BF000080BF0000003F"
    }
  }
#-}
