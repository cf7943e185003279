// RUN: attn-opt %s --verify-roundtrip -split-input-file | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The operations of LSH attention, as their documentation shows them.

#x = affine_map<(b, h, i, d, e) -> (b, h, i, d)>
#v = affine_map<(b, h, i, d, e) -> (b, h, i, e)>
// CHECK-LABEL: func.func @reformer
// CHECK: attn.lsh_attention
func.func @reformer(%x: tensor<1x8x?x64xf32>, %v: tensor<1x8x?x64xf32>, %g: tensor<8x64x4x64xf32>,
                    %init: tensor<1x8x?x64xf32>) -> tensor<1x8x?x64xf32> {
  %o = attn.lsh_attention ins(%x, %v : tensor<1x8x?x64xf32>, tensor<1x8x?x64xf32>)
      rotations(%g : tensor<8x64x4x64xf32>) outs(%init : tensor<1x8x?x64xf32>) maps [#x, #v, #v]
      rounds 4 chunk 64 buckets [128] causal -> tensor<1x8x?x64xf32>
  return %o : tensor<1x8x?x64xf32>
}

// -----

// CHECK-LABEL: func.func @buckets
// CHECK: attn.hash
func.func @buckets(%x: tensor<1x2x?x16xf32>, %g: tensor<2x4x4x16xf32>, %u: tensor<1x2x?xf32>, %b: tensor<1x2x4x?xi32>)
    -> (tensor<1x2x?xf32>, tensor<1x2x4x?xi32>) {
  %r:2 = attn.hash ins(%x : tensor<1x2x?x16xf32>) rotations(%g : tensor<2x4x4x16xf32>)
      outs(%u, %b : tensor<1x2x?xf32>, tensor<1x2x4x?xi32>) map affine_map<(b, h, i, d, e) -> (b, h, i, d)>
      buckets [8] epsilon 1.6e-05 -> tensor<1x2x?xf32>, tensor<1x2x4x?xi32>
  return %r#0, %r#1 : tensor<1x2x?xf32>, tensor<1x2x4x?xi32>
}

// -----

// CHECK-LABEL: func.func @order
// CHECK: attn.bucket_sort
func.func @order(%b: tensor<1x2x4x?xi32>, %o: tensor<1x2x4x?xi32>) -> tensor<1x2x4x?xi32> {
  %r = attn.bucket_sort ins(%b : tensor<1x2x4x?xi32>) outs(%o : tensor<1x2x4x?xi32>) num_buckets 8 chunk 16 stride 2
      -> tensor<1x2x4x?xi32>
  return %r : tensor<1x2x4x?xi32>
}

// -----

#x = affine_map<(b, h, i, d, e) -> (b, h, i, d)>
#v = affine_map<(b, h, i, d, e) -> (b, h, i, e)>
// CHECK-LABEL: func.func @chunks
// CHECK: attn.lsh_chunks
func.func @chunks(%x: tensor<1x2x?x16xf32>, %u: tensor<1x2x?xf32>, %order: tensor<1x2x4x?xi32>,
                  %first: tensor<1x2x4x?xi32>, %o: tensor<1x2x?x16xf32>, %s: tensor<2x1x2x?xf32>)
    -> tensor<1x2x?x16xf32> {
  %r:2 = attn.lsh_chunks ins(%x, %x, %u, %order : tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>, tensor<1x2x?xf32>,
      tensor<1x2x4x?xi32>) first(%first : tensor<1x2x4x?xi32>)
      outs(%o, %s : tensor<1x2x?x16xf32>, tensor<2x1x2x?xf32>) maps [#x, #v, #v]
      chunk 16 window(1, 0) scale 1.0 {causal} -> tensor<1x2x?x16xf32>, tensor<2x1x2x?xf32>
  return %r#0 : tensor<1x2x?x16xf32>
}
