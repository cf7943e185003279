// RUN: attn-opt %s --attn-gpu-convert-kernels --split-input-file --verify-diagnostics | FileCheck %s

// Mathematical functions stay, where upstream's pass calls libdevice.

// CHECK-LABEL: llvm.func @exponential
// CHECK-SAME: nvvm.kernel
// CHECK-NOT: __nv_
// CHECK: nvvm.read.ptx.sreg.tid.x
// CHECK: math.exp2 %{{.*}} : f32
// CHECK: llvm.store
gpu.module @attn_kernels {
  gpu.func @exponential(%x: f32, %to: memref<?xf32>) kernel {
    %i = gpu.thread_id x
    %y = math.exp2 %x : f32
    memref.store %y, %to[%i] : memref<?xf32>
    gpu.return
  }
}

// -----

// Blocks have as many threads as the architecture wants: nothing is said of their number but to LLVM.

// CHECK-LABEL: llvm.func @chosen
// CHECK-SAME: nvvm.reqntid = array<i32: 128, 1, 1>
// CHECK-SAME: passthrough = {{\[\[}}"attn-launch-sm_90a", "384,1024,1"{{\]\]}}
// CHECK: nvvm.read.ptx.sreg.ntid.x : i32
// CHECK: nvvm.read.ptx.sreg.tid.x : i32
gpu.module @attn_kernels {
  gpu.func @chosen(%to: memref<?xindex>) kernel attributes {known_block_size = array<i32: 128, 1, 1>} {
    %n = gpu.block_dim x {attn.variant = {blocks = 1 : i64, shared = 1024 : i64, sm = "90a", threads = 384 : i64}}
    %i = gpu.thread_id x
    memref.store %n, %to[%i] : memref<?xindex>
    gpu.return
  }
}

// -----

// A tensor map is 128 bytes among the parameters, behind those that a memref becomes.

// CHECK-LABEL: llvm.func @copies
// CHECK-SAME: %arg5: !llvm.ptr {llvm.align = 64 : i64, llvm.byval = !llvm.array<16 x i64>, nvvm.grid_constant}, %arg6: i64
// CHECK: nvvm.prefetch tensormap, %{{.*}} : !llvm.ptr
!map = !nvgpu.tensormap.descriptor<tensor = memref<128x64xbf16, #gpu.address_space<workgroup>>, swizzle = swizzle_128b,
                                   l2promo = l2promo_128b, oob = zero, interleave = none>
gpu.module @attn_kernels {
  gpu.func @copies(%to: memref<?xindex>, %map: !map, %i: index) kernel {
    %pointer = builtin.unrealized_conversion_cast %map : !map to !llvm.ptr
    nvvm.prefetch tensormap, %pointer : !llvm.ptr
    memref.store %i, %to[%i] : memref<?xindex>
    gpu.return
  }
}

// -----

gpu.module @attn_kernels {
  gpu.func @negative_reduce(%x: f32, %to: memref<f32>) kernel {
    // expected-error @+1 {{failed to legalize operation 'gpu.subgroup_reduce'}}
    %y = gpu.subgroup_reduce add %x : (f32) -> f32
    memref.store %y, %to[] : memref<f32>
    gpu.return
  }
}
