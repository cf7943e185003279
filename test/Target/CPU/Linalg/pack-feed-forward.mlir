// RUN: attn-opt %s --attn-pack-feed-forward --cse --split-input-file | FileCheck %s
// RUN: attn-opt %s --attn-pack-feed-forward --attn-fuse-rows --cse --split-input-file | FileCheck %s --check-prefix=FUSED
// RUN: attn-opt %s --attn-pack-feed-forward=hidden-tile=0 --verify-diagnostics --split-input-file -o /dev/null
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Feed-forward layers get their matrices in panels, whichever way these lie.

#up = affine_map<(m, k, h, n) -> (k, h)>
#down = affine_map<(m, k, h, n) -> (n, h)>

// CHECK-DAG: #[[$DEPTH_FIRST:.*]] = affine_map<(d0, d1, d2) -> (d2, d1)>
// CHECK-DAG: #[[$ROW_FIRST:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-LABEL: func.func @half
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf16>, %[[W:.*]]: tensor<8x40xf16>, %[[A:.*]]: tensor<40xf16>, %[[V:.*]]: tensor<8x40xf16>
// CHECK-DAG: %[[UP:.*]] = attn.pack panels ins(%[[W]] : tensor<8x40xf16>) outs({{.*}}) map #[[$DEPTH_FIRST]] -> tensor<2x8x32xf32>
// CHECK-DAG: %[[DOWN:.*]] = attn.pack panels ins(%[[V]] : tensor<8x40xf16>) outs({{.*}}) map #[[$ROW_FIRST]] -> tensor<1x40x32xf32>
// CHECK-DAG: %[[WIDE:.*]] = linalg.generic {{.*}} ins(%[[X]] : tensor<?x8xf16>)
// CHECK-DAG: %[[BIAS:.*]] = linalg.generic {{.*}} ins(%[[A]] : tensor<40xf16>)
// CHECK: attn.packed_feed_forward gelu ins(%[[WIDE]] : tensor<?x8xf32>) up(%[[UP]] : {{.*}}) up_bias(%[[BIAS]] : {{.*}}) down(%[[DOWN]] : {{.*}}) outs({{.*}}) tile 24, 512
// CHECK: arith.truncf
// A tile of rows does not exceed what the layer asks for, and what is around it joins.
// FUSED-LABEL: func.func @half
// FUSED: scf.forall
// FUSED: affine.min
// FUSED: arith.extf
// FUSED: attn.packed_feed_forward gelu
// FUSED: arith.truncf
// FUSED: tensor.parallel_insert_slice
// expected-error @below {{expected positive rows and hidden-tile, got 64 and 0}}
func.func @half(%x: tensor<?x8xf16>, %w: tensor<8x40xf16>, %a: tensor<40xf16>, %v: tensor<8x40xf16>, %o: tensor<?x8xf16>)
    -> tensor<?x8xf16> {
  %r = attn.feed_forward gelu ins(%x : tensor<?x8xf16>) up(%w : tensor<8x40xf16>) up_bias(%a : tensor<40xf16>)
      down(%v : tensor<8x40xf16>) outs(%o : tensor<?x8xf16>) maps [#up, #down] rows 24 -> tensor<?x8xf16>
  return %r : tensor<?x8xf16>
}
