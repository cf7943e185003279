// RUN: attn-opt %s --attn-gpu-name-kernels | FileCheck %s

// CHECK-LABEL: func.func @odd.name
// CHECK: module(@attn_kernels) function(@odd_name_0)
// CHECK: module(@attn_kernels) function(@odd_name_matmul_1)
func.func @odd.name(%n: index) {
  gpu.launch blocks(%bx, %by, %bz) in (%gx = %n, %gy = %n, %gz = %n)
             threads(%tx, %ty, %tz) in (%sx = %n, %sy = %n, %sz = %n) {
    gpu.terminator
  }
  gpu.launch blocks(%bx, %by, %bz) in (%gx = %n, %gy = %n, %gz = %n)
             threads(%tx, %ty, %tz) in (%sx = %n, %sy = %n, %sz = %n) function(@matmul) {
    gpu.terminator
  }
  return
}

// CHECK-LABEL: func.func @negative_none
// CHECK-NEXT: return
func.func @negative_none() {
  return
}
