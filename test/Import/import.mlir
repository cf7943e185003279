// RUN: attn-opt %s --attn-import --split-input-file --verify-diagnostics | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// torch-mlir's own operations as linalg, and what cannot be imported.

// CHECK-LABEL: func.func @exclusive_scan
// CHECK-SAME: %[[X:[a-z0-9]*]]: tensor<4xf32>
// CHECK: %[[INIT:.*]] = linalg.broadcast
// CHECK: linalg.generic {{.*}}["parallel", "reduction"]} ins(%[[X]] : tensor<4xf32>) outs(%[[INIT]] : tensor<4xf32>)
// CHECK: %[[AT:.*]] = linalg.index 0
// CHECK: %[[FROM:.*]] = linalg.index 1
// CHECK: %[[BEFORE:.*]] = arith.cmpi slt, %[[FROM]], %[[AT]]
// CHECK: %[[ELEMENT:.*]] = arith.select %[[BEFORE]]
// CHECK: arith.addf %[[ELEMENT]]
func.func @exclusive_scan(%x: tensor<4xf32>, %out: tensor<4xf32>, %acc: tensor<f32>) -> tensor<4xf32> {
  %r:2 = tm_tensor.scan dimension(0) inclusive(false) ins(%x : tensor<4xf32>)
      outs(%out, %acc : tensor<4xf32>, tensor<f32>) {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    tm_tensor.yield %s : f32
  } -> tensor<4xf32>, tensor<f32>
  return %r#0 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @attention_with_boolean_mask
// CHECK-SAME: %[[Q:[a-z0-9]*]]: tensor<8x6x16xf16>, %[[K:[a-z0-9]*]]: tensor<8x5x16xf16>, %[[M:[a-z0-9]*]]: tensor<8x6x5xi1>
// CHECK-DAG: %[[SCALE:.*]] = arith.constant 2.500000e-01
// CHECK: %[[PRODUCT:.*]] = linalg.generic {{.*}} ins(%[[Q]], %[[K]] : {{.*}}) outs({{.*}} : tensor<8x6x5xf32>)
// CHECK: %[[SCORE:.*]] = linalg.generic {{.*}} ins(%[[PRODUCT]], %[[M]]
// CHECK: arith.mulf %{{.*}}, %[[SCALE]]
// CHECK: arith.select
// CHECK: %[[WEIGHTS:.*]] = linalg.softmax dimension(2) ins(%[[SCORE]]
// CHECK: %[[SUM:.*]] = linalg.generic {{.*}} ins(%[[WEIGHTS]], %[[K]]
// CHECK: linalg.generic {{.*}} ins(%[[SUM]] : tensor<8x6x16xf32>)
// CHECK: arith.truncf
func.func @attention_with_boolean_mask(%q: tensor<8x6x16xf16>, %k: tensor<8x5x16xf16>, %m: tensor<8x6x5xi1>,
                                       %out: tensor<8x6x16xf16>) -> tensor<8x6x16xf16> {
  %r = tm_tensor.attention ins(%q, %k, %k, %m : tensor<8x6x16xf16>, tensor<8x5x16xf16>, tensor<8x5x16xf16>, tensor<8x6x5xi1>)
      outs(%out : tensor<8x6x16xf16>) -> tensor<8x6x16xf16>
  return %r : tensor<8x6x16xf16>
}

// -----

func.func @negative_scan_of_unknown_combination(%x: tensor<4xf32>, %out: tensor<4xf32>, %acc: tensor<f32>) -> tensor<4xf32> {
  // expected-error @+1 {{expected an operation that can be imported, got 'tm_tensor.scan'}}
  %r:2 = tm_tensor.scan dimension(0) inclusive(true) ins(%x : tensor<4xf32>)
      outs(%out, %acc : tensor<4xf32>, tensor<f32>) {
  ^bb0(%a: f32, %b: f32):
    %s = arith.subf %a, %b : f32
    tm_tensor.yield %s : f32
  } -> tensor<4xf32>, tensor<f32>
  return %r#0 : tensor<4xf32>
}

// -----

func.func @negative_attention_of_integers(%q: tensor<8x6x16xi32>) -> tensor<8x6x16xi32> {
  // expected-error @+1 {{expected an operation that can be imported, got 'tm_tensor.attention'}}
  %r = tm_tensor.attention ins(%q, %q, %q : tensor<8x6x16xi32>, tensor<8x6x16xi32>, tensor<8x6x16xi32>)
      outs(%q : tensor<8x6x16xi32>) -> tensor<8x6x16xi32>
  return %r : tensor<8x6x16xi32>
}

// -----

func.func @negative_scan_beyond_rank(%x: tensor<4xf32>, %acc: tensor<f32>) -> tensor<4xf32> {
  // expected-error @+1 {{expected a dimension below the rank 1, got 1}}
  %r:2 = tm_tensor.scan dimension(1) inclusive(true) ins(%x : tensor<4xf32>)
      outs(%x, %acc : tensor<4xf32>, tensor<f32>) {
  ^bb0(%a: f32, %b: f32):
    tm_tensor.yield %a : f32
  } -> tensor<4xf32>, tensor<f32>
  return %r#0 : tensor<4xf32>
}
