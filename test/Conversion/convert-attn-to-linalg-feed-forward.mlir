// RUN: attn-opt %s --convert-attn-to-linalg --canonicalize | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a feed-forward layer means: sums in f32, the gate's activation times the other product, biases where they are.

#up = affine_map<(m, k, h, n) -> (h, k)>
#gate = affine_map<(m, k, h, n) -> (k, h)>
#down = affine_map<(m, k, h, n) -> (n, h)>

// CHECK-DAG: #[[$UP:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-DAG: #[[$GATE:.*]] = affine_map<(d0, d1, d2) -> (d2, d1)>
// CHECK-LABEL: func.func @gated
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf16>, %[[UP:.*]]: tensor<32x8xf16>, %[[BIAS:.*]]: tensor<32xf16>, %[[GATE:.*]]: tensor<8x32xf16>, %[[DOWN:.*]]: tensor<4x32xf16>
// CHECK: %[[U:.*]] = linalg.generic {{.*}}#[[$UP]]{{.*}}"reduction"]} ins(%[[X]], %[[UP]]
// CHECK: arith.extf
// CHECK: %[[G:.*]] = linalg.generic {{.*}}#[[$GATE]]{{.*}}"reduction"]} ins(%[[X]], %[[GATE]]
// CHECK: %[[HIDDEN:.*]] = linalg.generic {{.*}} ins(%[[U]], %[[BIAS]], %[[G]] : tensor<?x32xf32>, tensor<32xf16>, tensor<?x32xf32>)
// CHECK-NEXT: ^bb0(%[[U1:.*]]: f32, %[[B1:.*]]: f16, %[[G1:.*]]: f32, %{{.*}}: f32):
// CHECK: %[[B2:.*]] = arith.extf %[[B1]]
// CHECK: %[[U2:.*]] = arith.addf %[[U1]], %[[B2]]
// CHECK: arith.negf %[[G1]]
// CHECK: math.exp
// CHECK: %[[F:.*]] = arith.divf %[[G1]]
// CHECK: arith.mulf %[[F]], %[[U2]]
// CHECK: linalg.generic {{.*}}"reduction"]} ins(%[[HIDDEN]], %[[DOWN]]
// CHECK: arith.truncf
func.func @gated(%x: tensor<?x8xf16>, %w: tensor<32x8xf16>, %a: tensor<32xf16>, %g: tensor<8x32xf16>,
                 %v: tensor<4x32xf16>, %o: tensor<?x4xf16>) -> tensor<?x4xf16> {
  %r = attn.feed_forward silu ins(%x : tensor<?x8xf16>) up(%w : tensor<32x8xf16>) up_bias(%a : tensor<32xf16>)
      gate(%g : tensor<8x32xf16>) down(%v : tensor<4x32xf16>) outs(%o : tensor<?x4xf16>) maps [#up, #gate, #down]
      -> tensor<?x4xf16>
  return %r : tensor<?x4xf16>
}

// CHECK-LABEL: func.func @functions
// CHECK: math.erf
// CHECK: math.tanh
// CHECK: arith.maximumf
func.func @functions(%x: tensor<2x8xf32>, %w: tensor<32x8xf32>, %v: tensor<8x32xf32>, %o: tensor<2x8xf32>) -> tensor<2x8xf32> {
  %0 = attn.feed_forward gelu ins(%x : tensor<2x8xf32>) up(%w : tensor<32x8xf32>) down(%v : tensor<8x32xf32>)
      outs(%o : tensor<2x8xf32>) maps [#up, #down] -> tensor<2x8xf32>
  %1 = attn.feed_forward gelu_tanh ins(%0 : tensor<2x8xf32>) up(%w : tensor<32x8xf32>) down(%v : tensor<8x32xf32>)
      outs(%o : tensor<2x8xf32>) maps [#up, #down] -> tensor<2x8xf32>
  %2 = attn.feed_forward relu ins(%1 : tensor<2x8xf32>) up(%w : tensor<32x8xf32>) down(%v : tensor<8x32xf32>)
      outs(%o : tensor<2x8xf32>) maps [#up, #down] -> tensor<2x8xf32>
  return %2 : tensor<2x8xf32>
}
