// RUN: attn-opt %s --raise-linalg-to-attn | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A dynamic batch: its extent is read from an operand.

// CHECK-LABEL: func.func @dynamic_batch
// CHECK-SAME: %[[Q:[a-z0-9]*]]: tensor<?x10x8xf32>
// CHECK: %[[BATCH:.*]] = tensor.dim %[[Q]]
// CHECK: tensor.empty(%[[BATCH]]) : tensor<?x10x8xf32>
// CHECK: attn.attention ins(%[[Q]], {{.*}} scale 1.000000e+00
func.func @dynamic_batch(%q: tensor<?x10x8xf32>, %k: tensor<?x8x10xf32>, %v: tensor<?x10x8xf32>, %n: index) -> tensor<?x10x8xf32> {
  %zero = arith.constant 0.0 : f32
  %s0 = tensor.empty(%n) : tensor<?x10x10xf32>
  %s1 = linalg.fill ins(%zero : f32) outs(%s0 : tensor<?x10x10xf32>) -> tensor<?x10x10xf32>
  %s = linalg.batch_matmul ins(%q, %k : tensor<?x10x8xf32>, tensor<?x8x10xf32>) outs(%s1 : tensor<?x10x10xf32>) -> tensor<?x10x10xf32>
  %p = linalg.softmax dimension(2) ins(%s : tensor<?x10x10xf32>) outs(%s0 : tensor<?x10x10xf32>) -> tensor<?x10x10xf32>
  %o0 = tensor.empty(%n) : tensor<?x10x8xf32>
  %o1 = linalg.fill ins(%zero : f32) outs(%o0 : tensor<?x10x8xf32>) -> tensor<?x10x8xf32>
  %o = linalg.batch_matmul ins(%p, %v : tensor<?x10x10xf32>, tensor<?x10x8xf32>) outs(%o1 : tensor<?x10x8xf32>) -> tensor<?x10x8xf32>
  return %o : tensor<?x10x8xf32>
}
