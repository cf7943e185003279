// RUN: attn-opt %s --attn-gpu-check-kernels --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: gpu.func @fine
gpu.module @attn_kernels {
  gpu.func @fine(%x: f32, %d: f64, %to: memref<f32>, %far: memref<f64>) kernel {
    %y = math.exp2 %x : f32
    %z = math.sqrt %d : f64
    memref.store %y, %to[] : memref<f32>
    memref.store %z, %far[] : memref<f64>
    gpu.return
  }
}

// -----

gpu.module @attn_kernels {
  gpu.func @negative_double(%x: f64, %to: memref<f64>) kernel {
    // expected-error @+1 {{'math.exp' op expected a function that a GPU computes without a library, got it on 'f64'}}
    %y = math.exp %x : f64
    memref.store %y, %to[] : memref<f64>
    gpu.return
  }
}

// -----

gpu.module @attn_kernels {
  gpu.func @negative_memory() kernel {
    // expected-error @+1 {{'memref.alloc' op expected kernels without calls and allocations}}
    %0 = memref.alloc() : memref<4xf32>
    gpu.return
  }
}
