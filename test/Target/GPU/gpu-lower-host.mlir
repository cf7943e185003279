// RUN: attn-opt %s --attn-gpu-lower-host --split-input-file --verify-diagnostics | FileCheck %s

// Kernels are known by their number; the host never touches the device's memory itself.

// CHECK: module attributes {attn.kernel_shared = array<i64: 0, 0>, attn.kernels = ["first", "second"]
// CHECK: llvm.mlir.global external protected @attn_gpu
// CHECK-LABEL: func.func @f
// CHECK-DAG: llvm.alloca %{{.*}} x !llvm.array<7 x i64>
// CHECK: %[[TABLE:.*]] = llvm.load %{{.*}} : !llvm.ptr -> !llvm.ptr
// CHECK: llvm.getelementptr %[[TABLE]][0]
// CHECK: %[[MEMORY:.*]] = llvm.call %{{.*}}(%{{.*}}) : !llvm.ptr, (i64) -> !llvm.ptr
// CHECK: llvm.mlir.constant(1 : i32)
// CHECK: llvm.getelementptr %{{.*}}[5] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
// CHECK: llvm.call %{{.*}} : !llvm.ptr, (i32, !llvm.ptr, !llvm.ptr) -> ()
// CHECK: llvm.getelementptr %{{.*}}[1] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
// CHECK: llvm.call %{{.*}} : !llvm.ptr, (!llvm.ptr) -> ()
module attributes {gpu.container_module} {
  gpu.module @attn_kernels {
    gpu.func @first() kernel { gpu.return }
    gpu.func @second(%to: memref<?xf32>, %x: f32) kernel { gpu.return }
  }
  func.func @f(%n: index, %x: f32) {
    %0 = memref.alloc(%n) : memref<?xf32>
    gpu.launch_func @attn_kernels::@second blocks in (%n, %n, %n) threads in (%n, %n, %n)
        args(%0 : memref<?xf32>, %x : f32)
    memref.dealloc %0 : memref<?xf32>
    return
  }
}

// -----

// A constant's copy on the device; one element for the host.

// CHECK-LABEL: func.func @constant
// CHECK: memref.get_global @table : memref<4xindex>
// CHECK: llvm.getelementptr %{{.*}}[3] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
// CHECK: llvm.getelementptr %{{.*}}[4] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
memref.global "private" constant @table : memref<4xindex> = dense<[1, 2, 3, 4]>
func.func @constant(%i: index) -> index {
  %0 = memref.get_global @table : memref<4xindex>
  %1 = memref.load %0[%i] : memref<4xindex>
  return %1 : index
}

// -----

func.func @negative_loop(%a: memref<?xindex>, %n: index) -> index {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = scf.for %i = %c0 to %n step %c1 iter_args(%sum = %c0) -> index {
    // expected-error @+1 {{expected no load from the device's memory in a loop outside of a kernel}}
    %1 = memref.load %a[%i] : memref<?xindex>
    %2 = arith.addi %1, %sum : index
    scf.yield %2 : index
  }
  return %0 : index
}

// -----

func.func @negative_store(%a: memref<?xf32>, %x: f32, %i: index) {
  // expected-error @+1 {{expected no store to the device's memory outside of a kernel}}
  memref.store %x, %a[%i] : memref<?xf32>
  return
}
