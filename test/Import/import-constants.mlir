// RUN: attn-opt %s --attn-import | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The constant of the tanh form of GELU, which torch-mlir writes as 0.797724.

// CHECK-LABEL: func.func @powers
// CHECK-DAG: %[[RIGHT:.*]] = arith.constant 0.797884583 : f32
// CHECK: %[[P:.*]] = arith.mulf %{{.*}}, %[[RIGHT]] :
// CHECK: math.tanh %[[P]]
func.func @powers(%x: f32) -> f32 {
  %three = arith.constant 3 : i64
  %a = arith.constant 4.471500e-02 : f32
  %b = arith.constant 7.977240e-01 : f32
  %0 = math.fpowi %x, %three : f32, i64
  %1 = arith.mulf %0, %a : f32
  %2 = arith.addf %x, %1 : f32
  %3 = arith.mulf %2, %b : f32
  %4 = math.tanh %3 : f32
  return %4 : f32
}

// CHECK-LABEL: func.func @products
// CHECK: arith.constant 0.79788456080286541 : f64
func.func @products(%x: f64) -> f64 {
  %a = arith.constant 4.471500e-02 : f64
  %b = arith.constant 7.977240e-01 : f64
  %0 = arith.mulf %x, %x : f64
  %1 = arith.mulf %x, %0 : f64
  %2 = arith.mulf %a, %1 : f64
  %3 = arith.addf %2, %x : f64
  %4 = arith.mulf %b, %3 : f64
  %5 = math.tanh %4 : f64
  return %5 : f64
}

// Another formula keeps its numbers.
// CHECK-LABEL: func.func @negative_square
// CHECK: arith.constant 7.977240e-01 : f32
func.func @negative_square(%x: f32) -> f32 {
  %a = arith.constant 4.471500e-02 : f32
  %b = arith.constant 7.977240e-01 : f32
  %0 = arith.mulf %x, %x : f32
  %1 = arith.mulf %0, %a : f32
  %2 = arith.addf %x, %1 : f32
  %3 = arith.mulf %2, %b : f32
  %4 = math.tanh %3 : f32
  return %4 : f32
}

// In bf16 both constants are one number.
// CHECK-LABEL: func.func @negative_bf16
// CHECK: arith.constant 7.968750e-01 : bf16
func.func @negative_bf16(%x: bf16) -> bf16 {
  %three = arith.constant 3 : i64
  %a = arith.constant 4.471500e-02 : bf16
  %b = arith.constant 7.977240e-01 : bf16
  %0 = math.fpowi %x, %three : bf16, i64
  %1 = arith.mulf %0, %a : bf16
  %2 = arith.addf %x, %1 : bf16
  %3 = arith.mulf %2, %b : bf16
  %4 = math.tanh %3 : bf16
  return %4 : bf16
}
