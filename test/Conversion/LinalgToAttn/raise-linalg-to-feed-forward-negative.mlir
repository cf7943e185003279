// RUN: attn-opt %s --raise-linalg-to-feed-forward=remarks=true --split-input-file --verify-diagnostics | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What stays, and the remark that says why; two products that are no layer stay without one.

// CHECK-LABEL: func.func @negative_hidden_values_are_used
// CHECK-NOT: attn.feed_forward
func.func @negative_hidden_values_are_used(%x: tensor<8x4xf32>, %w: tensor<4x6xf32>, %v: tensor<6x4xf32>)
    -> (tensor<8x4xf32>, tensor<8x6xf32>) {
  %zero = arith.constant 0.0 : f32
  %e0 = tensor.empty() : tensor<8x6xf32>
  %e1 = tensor.empty() : tensor<8x4xf32>
  %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<8x6xf32>) -> tensor<8x6xf32>
  %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<8x4xf32>) -> tensor<8x4xf32>
  %u = linalg.matmul ins(%x, %w : tensor<8x4xf32>, tensor<4x6xf32>) outs(%f0 : tensor<8x6xf32>) -> tensor<8x6xf32>
  // expected-note @below {{this value broke the match}}
  %h = linalg.map ins(%u : tensor<8x6xf32>) outs(%e0 : tensor<8x6xf32>) (%in: f32, %out: f32) {
    %0 = arith.maximumf %in, %zero : f32
    linalg.yield %0 : f32
  }
  // expected-remark @below {{expected hidden values that nothing else uses}}
  %y = linalg.matmul ins(%h, %v : tensor<8x6xf32>, tensor<6x4xf32>) outs(%f1 : tensor<8x4xf32>) -> tensor<8x4xf32>
  return %y, %h : tensor<8x4xf32>, tensor<8x6xf32>
}

// -----

// CHECK-LABEL: func.func @negative_dynamic_weights
// CHECK-NOT: attn.feed_forward
// expected-note @below {{this value broke the match}}
func.func @negative_dynamic_weights(%x: tensor<8x4xf32>, %w: tensor<4x?xf32>, %v: tensor<?x4xf32>, %e0: tensor<8x?xf32>)
    -> tensor<8x4xf32> {
  %zero = arith.constant 0.0 : f32
  %e1 = tensor.empty() : tensor<8x4xf32>
  %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<8x?xf32>) -> tensor<8x?xf32>
  %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<8x4xf32>) -> tensor<8x4xf32>
  %u = linalg.matmul ins(%x, %w : tensor<8x4xf32>, tensor<4x?xf32>) outs(%f0 : tensor<8x?xf32>) -> tensor<8x?xf32>
  %h = linalg.map ins(%u : tensor<8x?xf32>) outs(%e0 : tensor<8x?xf32>) (%in: f32, %out: f32) {
    %0 = arith.maximumf %in, %zero : f32
    linalg.yield %0 : f32
  }
  // expected-remark @below {{expected a static matrix as weights, got a function argument}}
  %y = linalg.matmul ins(%h, %v : tensor<8x?xf32>, tensor<?x4xf32>) outs(%f1 : tensor<8x4xf32>) -> tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}

// -----

// CHECK-LABEL: func.func @negative_no_activation
// CHECK-NOT: attn.feed_forward
func.func @negative_no_activation(%x: tensor<8x4xf32>, %w: tensor<4x6xf32>, %v: tensor<6x4xf32>) -> tensor<8x4xf32> {
  %zero = arith.constant 0.0 : f32
  %e0 = tensor.empty() : tensor<8x6xf32>
  %e1 = tensor.empty() : tensor<8x4xf32>
  %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<8x6xf32>) -> tensor<8x6xf32>
  %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<8x4xf32>) -> tensor<8x4xf32>
  %u = linalg.matmul ins(%x, %w : tensor<8x4xf32>, tensor<4x6xf32>) outs(%f0 : tensor<8x6xf32>) -> tensor<8x6xf32>
  %y = linalg.matmul ins(%u, %v : tensor<8x6xf32>, tensor<6x4xf32>) outs(%f1 : tensor<8x4xf32>) -> tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}
