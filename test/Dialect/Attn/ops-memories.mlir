// RUN: attn-opt %s --verify-roundtrip | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Operations on positions and memories survive being printed.

// CHECK-LABEL: func @positions
// CHECK: attn.rotary half ins({{.*}}) first(%arg3) outs({{.*}}) dim 0 base 5.000000e+05 -> tensor<9x8xf32>
// CHECK: attn.rotary interleaved ins({{.*}}) outs({{.*}}) dim 0 -> tensor<9x8xf32>
// CHECK: attn.sinusoid first(%arg3) outs(%arg0 : tensor<9x8xf32>) descending -> tensor<9x8xf32>
// CHECK: attn.alibi keys(%arg3) outs({{.*}}) bidirectional -> tensor<8x?xf32>
// CHECK: attn.bucket_bias ins({{.*}}) keys(%arg3) outs({{.*}}) max_distance 128 -> tensor<8x?xf32>
func.func @positions(%q: tensor<9x8xf32>, %o: tensor<8x?xf32>, %t: tensor<32x8xf32>, %p: index) {
  %0 = attn.rotary half ins(%q : tensor<9x8xf32>) first(%p) outs(%q : tensor<9x8xf32>) dim 0 base 5.0e5 -> tensor<9x8xf32>
  %1 = attn.rotary interleaved ins(%q : tensor<9x8xf32>) outs(%q : tensor<9x8xf32>) dim 0 -> tensor<9x8xf32>
  %2 = attn.sinusoid first(%p) outs(%q : tensor<9x8xf32>) descending -> tensor<9x8xf32>
  %3 = attn.alibi keys(%p) outs(%o : tensor<8x?xf32>) bidirectional -> tensor<8x?xf32>
  %4 = attn.bucket_bias ins(%t : tensor<32x8xf32>) keys(%p) outs(%o : tensor<8x?xf32>) max_distance 128 -> tensor<8x?xf32>
  return
}

// CHECK-LABEL: func @memories
// CHECK: attn.compress conv ins({{.*}}) weights(%arg2, %arg3 : {{.*}}) outs({{.*}}) rate 3 dilation 2 ->
// CHECK: attn.compress most_used ins({{.*}}) received(%arg4 : {{.*}}) outs({{.*}}) rate 3 ->
// CHECK: attn.update_memory ins(%arg1, %arg0 : {{.*}}) outs(%arg0, %arg1 : {{.*}}) -> tensor<12x4xf32>, tensor<4x4xf32>
func.func @memories(%x: tensor<12x4xf32>, %o: tensor<4x4xf32>, %w: tensor<4x4x3xf32>, %b: tensor<4xf32>, %u: tensor<12xf32>) {
  %0 = attn.compress conv ins(%x : tensor<12x4xf32>) weights(%w, %b : tensor<4x4x3xf32>, tensor<4xf32>)
      outs(%o : tensor<4x4xf32>) rate 3 dilation 2 -> tensor<4x4xf32>
  %1 = attn.compress most_used ins(%x : tensor<12x4xf32>) received(%u : tensor<12xf32>) outs(%o : tensor<4x4xf32>) rate 3
      -> tensor<4x4xf32>
  %2:2 = attn.update_memory ins(%o, %x : tensor<4x4xf32>, tensor<12x4xf32>) outs(%x, %o : tensor<12x4xf32>, tensor<4x4xf32>)
      -> tensor<12x4xf32>, tensor<4x4xf32>
  return
}
