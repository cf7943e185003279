// RUN: attn-opt %s --attn-cpu-expand-math | FileCheck %s

// CHECK-LABEL: func.func @vector
// CHECK-NOT:     math.exp
// CHECK:         math.fma
func.func @vector(%x: vector<16xf32>) -> vector<16xf32> {
  %y = math.exp %x : vector<16xf32>
  return %y : vector<16xf32>
}

// CHECK-LABEL: func.func @scalar
// CHECK-NOT:     math.tanh
func.func @scalar(%x: f32) -> f32 {
  %y = math.tanh %x : f32
  return %y : f32
}

// CHECK-LABEL: func.func @narrow
// CHECK:         arith.extf
// CHECK-NOT:     math.exp
// CHECK:         arith.truncf
func.func @narrow(%x: f16) -> f16 {
  %y = math.exp %x : f16
  return %y : f16
}

// CHECK-LABEL: func.func @power
// CHECK-SAME:    %[[X:.*]]: vector<16xf32>
// CHECK-NOT:     math.fpowi
// CHECK:         %[[SQUARE:.*]] = arith.mulf %[[X]], %[[X]]
// CHECK:         arith.mulf %{{.*}}, %{{.*}}
func.func @power(%x: vector<16xf32>) -> vector<16xf32> {
  %c3 = arith.constant dense<3> : vector<16xi64>
  %y = math.fpowi %x, %c3 : vector<16xf32>, vector<16xi64>
  return %y : vector<16xf32>
}

// CHECK-LABEL: func.func @negative_double
// CHECK:         math.exp %{{.*}} : f64
func.func @negative_double(%x: f64) -> f64 {
  %y = math.exp %x : f64
  return %y : f64
}

// CHECK-LABEL: func.func @negative_instruction
// CHECK:         math.sqrt %{{.*}} : vector<8xf32>
func.func @negative_instruction(%x: vector<8xf32>) -> vector<8xf32> {
  %y = math.sqrt %x : vector<8xf32>
  return %y : vector<8xf32>
}
