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

// CHECK-LABEL: func.func @negative_callee
// CHECK-NOT: cf.
// CHECK: return
func.func @negative_callee(%n: index) {
  %m = memref.alloc(%n) : memref<?xf32>
  memref.dealloc %m : memref<?xf32>
  return
}
