// RUN: attn-opt %s --verify-roundtrip | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Feed-forward layers survive being printed, on tensors and on buffers.

#up = affine_map<(m, k, h, n) -> (h, k)>
#down = affine_map<(m, k, h, n) -> (n, h)>

// CHECK-LABEL: func @layers
// CHECK: attn.feed_forward gelu_tanh ins(%arg0 : tensor<?x8xf16>) up(%arg1 : tensor<32x8xf32>) down(%arg3 : tensor<4x32xf16>) outs(%arg4 : tensor<?x4xf16>) maps [#{{.*}}, #{{.*}}] rows 16 -> tensor<?x4xf16>
// CHECK: attn.feed_forward silu ins({{.*}}) up({{.*}}) up_bias({{.*}}) gate({{.*}}) gate_bias({{.*}}) down({{.*}}) down_bias({{.*}}) outs({{.*}}) maps [#{{.*}}, #{{.*}}, #{{.*}}] -> tensor<?x4xf16>
func.func @layers(%x: tensor<?x8xf16>, %w: tensor<32x8xf32>, %a: tensor<32xf32>, %v: tensor<4x32xf16>,
                  %o: tensor<?x4xf16>, %b: tensor<4xf16>) {
  %0 = attn.feed_forward gelu_tanh ins(%x : tensor<?x8xf16>) up(%w : tensor<32x8xf32>) down(%v : tensor<4x32xf16>)
      outs(%o : tensor<?x4xf16>) maps [#up, #down] rows 16 -> tensor<?x4xf16>
  %1 = attn.feed_forward silu ins(%x : tensor<?x8xf16>) up(%w : tensor<32x8xf32>) up_bias(%a : tensor<32xf32>)
      gate(%w : tensor<32x8xf32>) gate_bias(%a : tensor<32xf32>) down(%v : tensor<4x32xf16>)
      down_bias(%b : tensor<4xf16>) outs(%o : tensor<?x4xf16>) maps [#up, #up, #down] -> tensor<?x4xf16>
  return
}

// CHECK-LABEL: func @packed
// CHECK: attn.packed_feed_forward relu ins({{.*}}) up({{.*}}) up_bias({{.*}}) gate({{.*}}) down({{.*}}) outs({{.*}}) tile 64, 512{{$}}
func.func @packed(%x: memref<?x8xf32>, %w: memref<2x8x32xf32>, %a: memref<40xf32>, %v: memref<1x40x32xf32>,
                  %o: memref<?x4xf32>) {
  attn.packed_feed_forward relu ins(%x : memref<?x8xf32>) up(%w : memref<2x8x32xf32>) up_bias(%a : memref<40xf32>)
      gate(%w : memref<2x8x32xf32>) down(%v : memref<1x40x32xf32>) outs(%o : memref<?x4xf32>) tile 64, 512
  return
}
