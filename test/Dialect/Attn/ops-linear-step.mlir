// RUN: attn-opt %s | attn-opt | FileCheck %s
// RUN: attn-opt %s --mlir-print-op-generic | attn-opt | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One token of linear attention, with every clause, on tensors and on memrefs.

// CHECK-LABEL: func.func @batched
// CHECK: attn.linear_step elu_plus_one ins({{.*}}) key_valid({{.*}}) state({{.*}}) outs({{.*}}) final({{.*}}) denominator_eps
func.func @batched(%q: tensor<?x8x64xf16>, %k: tensor<?x2x64xf16>, %v: tensor<?x2x32xf16>, %m: tensor<?xi1>,
                   %s: tensor<?x8x64x32xf32>, %z: tensor<?x8x64xf32>, %o: tensor<?x8x32xf16>) -> tensor<?x8x32xf16> {
  %r:3 = attn.linear_step elu_plus_one
      ins(%q, %k, %v : tensor<?x8x64xf16>, tensor<?x2x64xf16>, tensor<?x2x32xf16>) key_valid(%m : tensor<?xi1>)
      state(%s, %z : tensor<?x8x64x32xf32>, tensor<?x8x64xf32>) outs(%o : tensor<?x8x32xf16>)
      final(%s, %z : tensor<?x8x64x32xf32>, tensor<?x8x64xf32>) denominator_eps 1.0e-3
      -> tensor<?x8x32xf16>, tensor<?x8x64x32xf32>, tensor<?x8x64xf32>
  return %r#0 : tensor<?x8x32xf16>
}

// CHECK-LABEL: func.func @random_features
// CHECK: attn.linear_step softmax_hyperbolic ins({{.*}}) projection({{.*}}) state({{.*}}) outs({{.*}}) final({{.*}}) scale
func.func @random_features(%q: tensor<8x64xf32>, %w: tensor<8x16x64xf32>, %s: tensor<8x32x64xf32>, %z: tensor<8x32xf32>,
                           %c: tensor<8xf32>) -> tensor<8x64xf32> {
  %r:4 = attn.linear_step softmax_hyperbolic ins(%q, %q, %q : tensor<8x64xf32>, tensor<8x64xf32>, tensor<8x64xf32>)
      projection(%w : tensor<8x16x64xf32>)
      state(%s, %z, %c : tensor<8x32x64xf32>, tensor<8x32xf32>, tensor<8xf32>) outs(%q : tensor<8x64xf32>)
      final(%s, %z, %c : tensor<8x32x64xf32>, tensor<8x32xf32>, tensor<8xf32>) scale 5.0e-1
      -> tensor<8x64xf32>, tensor<8x32x64xf32>, tensor<8x32xf32>, tensor<8xf32>
  return %r#0 : tensor<8x64xf32>
}

// CHECK-LABEL: func.func @one_head
// CHECK: attn.linear_step custom {{.*}} feature {
func.func @one_head(%q: memref<64xf32>, %s: memref<64x64xf32>, %z: memref<64xf32>) {
  attn.linear_step custom ins(%q, %q, %q : memref<64xf32>, memref<64xf32>, memref<64xf32>)
      state(%s, %z : memref<64x64xf32>, memref<64xf32>) outs(%q : memref<64xf32>)
      final(%s, %z : memref<64x64xf32>, memref<64xf32>) feature {
  ^bb0(%x: f32):
    attn.yield %x : f32
  }
  return
}
