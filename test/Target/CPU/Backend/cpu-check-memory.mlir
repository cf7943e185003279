// RUN: attn-opt %s --attn-cpu-check-memory --attn-cpu-lower-assert | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A call without memory returns its status, and gives back what it had got so far, once.

// CHECK: llvm.mlir.global internal constant @attn_message_0("no memory for intermediate values\00")
// CHECK-LABEL: func.func @entry
// CHECK: %[[FIRST:.*]] = memref.alloc() : memref<64xi8>
// CHECK: cf.cond_br %{{.*}}, ^[[SECOND:.*]], ^[[FAIL1:.*]]
// CHECK: ^[[SECOND]]:
// CHECK: %[[OTHER:.*]] = memref.alloc(
// CHECK: cf.cond_br %{{.*}}, ^[[REST:.*]], ^[[FAIL2:.*]]
// CHECK: ^[[REST]]:
// CHECK: memref.dealloc %[[OTHER]] :
// CHECK: cf.cond_br %{{.*}}, ^{{.*}}, ^[[FAIL3:.*]]
// CHECK: ^[[FAIL1]]:
// CHECK: llvm.store
// CHECK-NEXT: memref.dealloc %[[FIRST]] :
// CHECK-NEXT: return
// CHECK: ^[[FAIL2]]:
// CHECK: llvm.store
// CHECK-DAG: memref.dealloc %[[FIRST]] :
// CHECK-DAG: memref.dealloc %[[OTHER]] :
// CHECK: return
// CHECK: ^[[FAIL3]]:
// CHECK: llvm.store
// CHECK-NEXT: memref.dealloc %[[FIRST]] :
// CHECK-NEXT: return
func.func @entry(%n: index, %ok: i1, %status: !llvm.ptr) attributes {attn.entry} {
  %first = memref.alloc() : memref<64xi8>
  %second = memref.alloc(%n) : memref<?xf32>
  memref.dealloc %second : memref<?xf32>
  cf.assert %ok, "expected a small index"
  memref.dealloc %first : memref<64xi8>
  return
}

// Memory of a later block is given back where a second allocation of the same block fails; what the loop before it freed
// is not freed again.
// CHECK-LABEL: func.func @later_block
// CHECK: %[[TURN:.*]] = memref.alloc(
// CHECK: memref.dealloc %[[TURN]] :
// CHECK: %[[INNER:.*]] = memref.alloc(
// CHECK: cf.cond_br %{{.*}}, ^{{.*}}, ^[[NO_INNER:.*]]
// CHECK: %[[SECOND:.*]] = memref.alloc(
// CHECK: cf.cond_br %{{.*}}, ^{{.*}}, ^[[NO_SECOND:.*]]
// CHECK: ^[[NO_INNER]]:
// CHECK-NEXT: llvm.mlir.addressof
// CHECK-NEXT: llvm.store
// CHECK-NEXT: memref.dealloc %[[INNER]] :
// CHECK-NEXT: return
// CHECK: ^[[NO_SECOND]]:
// CHECK-NEXT: llvm.mlir.addressof
// CHECK-NEXT: llvm.store
// CHECK-NEXT: memref.dealloc %[[INNER]] :
// CHECK-NEXT: memref.dealloc %[[SECOND]] :
// CHECK-NEXT: return
func.func @later_block(%n: index, %more: i1, %status: !llvm.ptr) attributes {attn.entry} {
  cf.br ^loop
^loop:
  %turn = memref.alloc(%n) : memref<?xf32>
  memref.dealloc %turn : memref<?xf32>
  cf.cond_br %more, ^loop, ^after
^after:
  %inner = memref.alloc(%n) : memref<?xf32>
  %second = memref.alloc(%n) : memref<?xf32>
  memref.dealloc %inner : memref<?xf32>
  memref.dealloc %second : memref<?xf32>
  return
}

// CHECK-LABEL: func.func @negative_callee
// CHECK-NOT: cf.
// CHECK: return
func.func @negative_callee(%n: index) {
  %m = memref.alloc(%n) : memref<?xf32>
  memref.dealloc %m : memref<?xf32>
  return
}
