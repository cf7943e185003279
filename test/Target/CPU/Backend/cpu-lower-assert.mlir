// RUN: attn-opt %s --attn-cpu-lower-assert | FileCheck %s

// CHECK-DAG: llvm.mlir.global internal constant @attn_message_0("expected a small index\00")
// CHECK-DAG: llvm.mlir.global internal constant @attn_message_1("expected an even index\00")

// CHECK-LABEL: func.func @entry
// CHECK-SAME:    (%[[A:.*]]: i1, %[[B:.*]]: i1, %[[STATUS:.*]]: !llvm.ptr)
// CHECK:         %[[MEMORY:.*]] = memref.alloc
// CHECK:         cf.cond_br %[[A]], ^[[NEXT:.*]], ^[[FAIL:.*]]
// CHECK:       ^[[NEXT]]:
// CHECK:         cf.cond_br %[[B]], ^{{.*}}, ^{{.*}}
// CHECK:       ^[[FAIL]]:
// CHECK:         %[[TEXT:.*]] = llvm.mlir.addressof @attn_message_0
// CHECK:         llvm.store %[[TEXT]], %[[STATUS]] atomic monotonic
// CHECK:         memref.dealloc %[[MEMORY]]
// CHECK:         return
func.func @entry(%a: i1, %b: i1, %status: !llvm.ptr) attributes {attn.entry} {
  %memory = memref.alloc() : memref<64xi8>
  cf.assert %a, "expected a small index"
  cf.assert %b, "expected an even index"
  memref.dealloc %memory : memref<64xi8>
  return
}

// CHECK-LABEL: func.func @body
// CHECK-SAME:    (%[[CONTEXT:[a-z0-9]*]]: !llvm.ptr
// CHECK:         %[[TEXT:.*]] = llvm.mlir.addressof @attn_message_1
// CHECK:         %[[STATUS:.*]] = llvm.load %[[CONTEXT]]
// CHECK:         llvm.store %[[TEXT]], %[[STATUS]] atomic monotonic
func.func @body(%context: !llvm.ptr, %i: i64, %scratch: !llvm.ptr) attributes {attn.body} {
  %ok = arith.trunci %i : i64 to i1
  cf.assert %ok, "expected an even index"
  return
}

// CHECK-LABEL: func.func @negative_neither
// CHECK:         cf.assert
func.func @negative_neither(%a: i1) {
  cf.assert %a, "expected the truth"
  return
}
