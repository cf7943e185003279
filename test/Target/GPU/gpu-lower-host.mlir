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

// A tensor map is described in the frame: address, extents and strides in bytes, the innermost dimension first, the box, and
// rank, type, swizzle and promotion as numbers. The launch is given the description itself.

// CHECK-LABEL: func.func @map
// CHECK-DAG: %[[MAP:.*]] = llvm.alloca %{{.*}} x !llvm.array<16 x i64>
// CHECK-DAG: %[[PARAMETERS:.*]] = llvm.alloca %{{.*}} x !llvm.array<1 x ptr>
// CHECK: %{{.*}}, %[[OFFSET:.*]], %[[SIZES:.*]]:2, %[[STRIDES:.*]]:2 = memref.extract_strided_metadata
// CHECK: memref.extract_aligned_pointer_as_index
// CHECK: arith.muli %[[OFFSET]], %c2
// CHECK: llvm.getelementptr %[[MAP]][0]
// CHECK: arith.index_cast %[[SIZES]]#1
// CHECK: llvm.getelementptr %[[MAP]][8]
// CHECK: arith.index_cast %[[SIZES]]#0
// CHECK: llvm.getelementptr %[[MAP]][16]
// CHECK: arith.muli %[[STRIDES]]#0, %c2
// CHECK: llvm.getelementptr %[[MAP]][48]
// CHECK: llvm.mlir.constant(64 : i32)
// CHECK: llvm.getelementptr %[[MAP]][80]
// CHECK: llvm.mlir.constant(128 : i32)
// CHECK: llvm.getelementptr %[[MAP]][84]
// CHECK: llvm.mlir.constant(2 : i8)
// CHECK: llvm.getelementptr %[[MAP]][100]
// CHECK: llvm.mlir.constant(9 : i8)
// CHECK: llvm.getelementptr %[[MAP]][101]
// CHECK: llvm.mlir.constant(3 : i8)
// CHECK: llvm.getelementptr %[[MAP]][102]
// CHECK: llvm.mlir.constant(2 : i8)
// CHECK: llvm.getelementptr %[[MAP]][103]
// CHECK: %[[PLACE:.*]] = llvm.getelementptr %[[PARAMETERS]][0]
// CHECK: llvm.store %[[MAP]], %[[PLACE]] : !llvm.ptr, !llvm.ptr
!map = !nvgpu.tensormap.descriptor<tensor = memref<128x64xbf16, #gpu.address_space<workgroup>>, swizzle = swizzle_128b,
                                   l2promo = l2promo_128b, oob = zero, interleave = none>
module attributes {gpu.container_module} {
  gpu.module @attn_kernels {
    gpu.func @first(%map: !map) kernel { gpu.return }
  }
  func.func @map(%n: index, %tensor: memref<?x?xbf16, strided<[?, 1], offset: ?>>) {
    %c64 = arith.constant 64 : index
    %c128 = arith.constant 128 : index
    %any = memref.cast %tensor : memref<?x?xbf16, strided<[?, 1], offset: ?>> to memref<*xbf16>
    %map = nvgpu.tma.create.descriptor %any box[%c128, %c64] : memref<*xbf16> -> !map
    gpu.launch_func @attn_kernels::@first blocks in (%n, %n, %n) threads in (%n, %n, %n) args(%map : !map)
    return
  }
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
