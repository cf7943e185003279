// RUN: attn-opt %s --attn-expand --canonicalize --split-input-file | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Positions and memories become linalg; attention and what only the running program can check stay.

// CHECK-LABEL: func @rotary
// CHECK: linalg.generic
// CHECK: math.cos
// CHECK: linalg.generic
// CHECK: math.sin
// CHECK: tensor.extract_slice %arg0[0, 0] [9, 4] [1, 2]
// CHECK: tensor.insert_slice {{.*}} into %arg1[0, 0] [9, 4] [1, 2]
func.func @rotary(%q: tensor<9x8xf32>, %o: tensor<9x8xf32>) -> tensor<9x8xf32> {
  %r = attn.rotary interleaved ins(%q : tensor<9x8xf32>) outs(%o : tensor<9x8xf32>) dim 0 -> tensor<9x8xf32>
  return %r : tensor<9x8xf32>
}

// -----

// Bounds of buckets are constants: no logarithm is computed.
// CHECK-LABEL: func @bucket_bias
// CHECK-NOT: math.log
// CHECK: tensor.extract %arg0
func.func @bucket_bias(%t: tensor<32x8xf32>, %m: index, %o: tensor<8x?xf32>) -> tensor<8x?xf32> {
  %r = attn.bucket_bias ins(%t : tensor<32x8xf32>) keys(%m) outs(%o : tensor<8x?xf32>) max_distance 128 -> tensor<8x?xf32>
  return %r : tensor<8x?xf32>
}

// -----

// CHECK-LABEL: func @dynamic_memory
// CHECK: cf.assert %{{.*}}, "expected room for all rows of memory and added in kept and evicted"
func.func @dynamic_memory(%m: tensor<?x4xf32>, %h: tensor<?x4xf32>, %k: tensor<?x4xf32>, %e: tensor<?x4xf32>)
    -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %r:2 = attn.update_memory ins(%m, %h : tensor<?x4xf32>, tensor<?x4xf32>) outs(%k, %e : tensor<?x4xf32>, tensor<?x4xf32>)
      -> tensor<?x4xf32>, tensor<?x4xf32>
  return %r#0, %r#1 : tensor<?x4xf32>, tensor<?x4xf32>
}

// -----

// Nothing but attn.attention is here for the pass.
// CHECK-LABEL: func @negative_attention
// CHECK: attn.attention
func.func @negative_attention(%q: tensor<8x4xf32>, %o: tensor<8x4xf32>) -> tensor<8x4xf32> {
  %r = attn.attention ins(%q, %q, %q : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>) outs(%o : tensor<8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, d)>, affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>, affine_map<(b, h, i, j, d, e) -> (i, e)>] -> tensor<8x4xf32>
  return %r : tensor<8x4xf32>
}
