// RUN: attn-opt %s --convert-attn-to-linalg | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What packed operations mean: elements at their places, and a step on what was unpacked.

// CHECK-LABEL: func.func @panels
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<8x64x32xf32>)
// CHECK: %[[P:.*]] = linalg.index 0
// CHECK: %[[D:.*]] = linalg.index 1
// CHECK: %[[COLUMN:.*]] = linalg.index 2
// CHECK: %[[FIRST:.*]] = arith.muli %[[P]], %c32
// CHECK: %[[ROW:.*]] = arith.addi %[[FIRST]], %[[COLUMN]]
// CHECK: scf.if
// CHECK: scf.if
// CHECK: tensor.extract %arg0[%[[ROW]], %[[D]]]
// CHECK: arith.mulf
func.func @panels(%k: tensor<?x64xf32>, %valid: tensor<?xi1>, %dest: tensor<8x64x32xf32>) -> tensor<8x64x32xf32> {
  %r = attn.pack panels ins(%k : tensor<?x64xf32>) valid(%valid : tensor<?xi1>) outs(%dest : tensor<8x64x32xf32>)
      map affine_map<(g, row, depth) -> (row, depth)> scale 0.5 -> tensor<8x64x32xf32>
  return %r : tensor<8x64x32xf32>
}

// CHECK-LABEL: func.func @step
// CHECK: tensor.extract %arg0
// CHECK: tensor.extract %arg1
// CHECK: tensor.extract %arg2
// CHECK: math.exp2
// CHECK-NOT: attn.
func.func @step(%q: tensor<1x96x64xf32>, %k: tensor<8x64x32xf32>, %v: tensor<?x64xf32>, %acc: tensor<1x96x64xf32>,
                %max: tensor<1x96xf32>, %sum: tensor<1x96xf32>, %z: index, %n: index) -> tensor<1x96x64xf32> {
  %r:3 = attn.online_packed ins(%q, %k, %v : tensor<1x96x64xf32>, tensor<8x64x32xf32>, tensor<?x64xf32>)
      state(%acc, %max, %sum : tensor<1x96x64xf32>, tensor<1x96xf32>, tensor<1x96xf32>)
      tile(%n, %n) at(%z, %z, %z, %z) of(%n, %n) mask #attn.causal<top_left>
      -> tensor<1x96x64xf32>, tensor<1x96xf32>, tensor<1x96xf32>
  return %r#0 : tensor<1x96x64xf32>
}

// On memrefs nothing has a meaning of its own.
// CHECK-LABEL: func.func @negative_memref
// CHECK: attn.pack
func.func @negative_memref(%k: memref<?x64xf32>, %dest: memref<8x64x32xf32>) {
  attn.pack panels ins(%k : memref<?x64xf32>) outs(%dest : memref<8x64x32xf32>)
      map affine_map<(g, row, depth) -> (row, depth)>
  return
}
