// RUN: attn-opt %s --split-input-file --attn-cpu-outline-parallel --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @captures_and_scratch
// CHECK-SAME:    (%[[M:.*]]: memref<8x?xf32>, %[[F:.*]]: f32, %[[N:.*]]: index, %[[STATUS:.*]]: !llvm.ptr)
// CHECK:         %[[CONTEXT:.*]] = llvm.alloca
// CHECK-SAME:      !llvm.struct<(ptr, f32, struct<(ptr, ptr, i64, array<2 x i64>, array<2 x i64>)>, i64)>
// CHECK:         %[[FIELD:.*]] = llvm.getelementptr %[[CONTEXT]][0, 0]
// CHECK:         llvm.store %[[STATUS]], %[[FIELD]]
// CHECK:         %[[BODY:.*]] = constant @attn_body_0
// CHECK:         %[[POINTER:.*]] = builtin.unrealized_conversion_cast %[[BODY]]
// CHECK:         %[[BYTES:.*]] = llvm.mlir.constant(128 : i64)
// CHECK:         %[[POOL:.*]] = llvm.load
// CHECK:         llvm.call %[[POOL]](%[[POINTER]], %[[CONTEXT]], %{{.*}}, %[[BYTES]])
// CHECK-LABEL: func.func private @attn_body_0
// CHECK-SAME:    (%[[CTX:.*]]: !llvm.ptr, %[[INDEX:.*]]: i64, %[[SCRATCH:.*]]: !llvm.ptr {llvm.align = 64 : i64, llvm.noalias})
// CHECK:         %[[C0:.*]] = arith.constant 0 : index
// CHECK:         memref.view %{{.*}}[%{{.*}}][] : memref<128xi8> to memref<16xf32>
// CHECK:         memref.view %{{.*}}[%{{.*}}][] : memref<128xi8> to memref<16xf32>
// CHECK:         scf.for
// CHECK-NOT:     scf.forall
func.func @captures_and_scratch(%m: memref<8x?xf32>, %f: f32, %n: index, %status: !llvm.ptr) {
  scf.forall (%i, %j) in (8, %n) {
    %t = memref.alloc() : memref<16xf32>
    %u = memref.alloc() : memref<16xf32>
    memref.store %f, %t[%j] : memref<16xf32>
    memref.copy %t, %u : memref<16xf32> to memref<16xf32>
    %l = memref.load %u[%j] : memref<16xf32>
    memref.store %l, %m[%i, %j] : memref<8x?xf32>
    scf.forall (%k) in (%n) {
      memref.store %f, %m[%i, %k] : memref<8x?xf32>
    }
  }
  return
}

// -----

// CHECK-LABEL: func.func @equal_bodies_are_one
// CHECK-COUNT-2: constant @attn_body_0
// CHECK:       func.func private @attn_body_0
// CHECK-NOT:   @attn_body_1
memref.global "private" constant @a : memref<4xf32> = dense<1.0>
memref.global "private" constant @b : memref<4xf32> = dense<2.0>
func.func @equal_bodies_are_one(%m: memref<4xf32>) {
  %a = memref.get_global @a : memref<4xf32>
  %b = memref.get_global @b : memref<4xf32>
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  scf.parallel (%i) = (%c0) to (%c4) step (%c1) {
    %x = memref.load %a[%i] : memref<4xf32>
    memref.store %x, %m[%i] : memref<4xf32>
  }
  scf.parallel (%i) = (%c0) to (%c4) step (%c1) {
    %x = memref.load %b[%i] : memref<4xf32>
    memref.store %x, %m[%i] : memref<4xf32>
  }
  return
}

// -----

// A loop that reduces stays on the thread that meets it.
// CHECK-LABEL: func.func @negative_reduction
// CHECK:         scf.parallel
func.func @negative_reduction(%n: index, %f: f32) -> f32 {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.parallel (%i) = (%c0) to (%n) step (%c1) init (%f) -> f32 {
    scf.reduce(%f : f32) {
    ^bb0(%a: f32, %b: f32):
      %s = arith.addf %a, %b : f32
      scf.reduce.return %s : f32
    }
  }
  return %r : f32
}

// -----

func.func @negative_tensors(%t: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{expected a loop on buffers, got one with results}}
  %r = scf.forall (%i) in (4) shared_outs(%o = %t) -> tensor<4xf32> {
    scf.forall.in_parallel {
    }
  }
  return %r : tensor<4xf32>
}
