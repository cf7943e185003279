// RUN: attn-opt %s --attn-gpu-merge-kernels | FileCheck %s

// CHECK-LABEL: gpu.module @attn_kernels
// CHECK: gpu.func @a
// CHECK-NOT: gpu.func @b
// CHECK: gpu.func @negative_other
// CHECK-NOT: gpu.func @unused
// CHECK-LABEL: func.func @f
// CHECK: gpu.launch_func @attn_kernels::@a
// CHECK: gpu.launch_func @attn_kernels::@a
// CHECK: gpu.launch_func @attn_kernels::@negative_other
module attributes {gpu.container_module} {
  gpu.module @attn_kernels {
    gpu.func @a(%x: f32, %to: memref<f32>) kernel {
      memref.store %x, %to[] : memref<f32>
      gpu.return
    }
    gpu.func @b(%x: f32, %to: memref<f32>) kernel {
      memref.store %x, %to[] : memref<f32>
      gpu.return
    }
    gpu.func @negative_other(%x: f32, %to: memref<f32>) kernel {
      %y = arith.addf %x, %x : f32
      memref.store %y, %to[] : memref<f32>
      gpu.return
    }
    gpu.func @unused() kernel {
      gpu.return
    }
  }
  func.func @f(%n: index, %x: f32, %to: memref<f32>) {
    gpu.launch_func @attn_kernels::@a blocks in (%n, %n, %n) threads in (%n, %n, %n) args(%x : f32, %to : memref<f32>)
    gpu.launch_func @attn_kernels::@b blocks in (%n, %n, %n) threads in (%n, %n, %n) args(%x : f32, %to : memref<f32>)
    gpu.launch_func @attn_kernels::@negative_other blocks in (%n, %n, %n) threads in (%n, %n, %n)
        args(%x : f32, %to : memref<f32>)
    return
  }
}
