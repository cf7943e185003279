// RUN: attn-opt %s --split-input-file --attn-cpu-export-entries --verify-diagnostics | FileCheck %s

// CHECK-DAG: llvm.mlir.global external protected @attn_parallel_for
// CHECK-DAG: llvm.func protected @attn_last_error() -> !llvm.ptr
// CHECK-DAG: llvm.func internal @main
// CHECK-DAG: llvm.func internal @attn_shape_of_main

// CHECK-LABEL: llvm.func protected @attn_entry_main
// CHECK-SAME:    (%[[ARGUMENTS:.*]]: !llvm.ptr, %[[RESULTS:.*]]: !llvm.ptr) -> i32
// CHECK:         %[[STATUS:.*]] = llvm.alloca
// CHECK:         llvm.getelementptr %[[ARGUMENTS]][0]
// CHECK:         %[[A:.*]] = llvm.load
// CHECK:         llvm.getelementptr %[[RESULTS]][0]
// CHECK:         %[[R:.*]] = llvm.load
// CHECK:         llvm.call @_mlir_ciface_main(%[[A]], %[[R]], %[[STATUS]])

// CHECK-LABEL: llvm.func protected @attn_shape_main
// CHECK-SAME:    (%[[ARGUMENTS:.*]]: !llvm.ptr, %[[SIZES:.*]]: !llvm.ptr)
// CHECK:         llvm.getelementptr %{{.*}}[3]
// CHECK:         %[[N:.*]] = llvm.load
// CHECK:         %[[M:.*]] = llvm.call @attn_shape_of_main(%[[N]])
// CHECK:         llvm.store %[[M]]

// CHECK:       llvm.mlir.global external protected constant @attn_manifest
// CHECK-SAME:  \22symbol\22:\22attn_entry_main\22
module attributes {attn.cpu = "x86-64-v3", attn.cpu_features = "+avx2"} {
  llvm.func @main(%a: !llvm.ptr, %r: !llvm.ptr, %status: !llvm.ptr)
      attributes {attn.entry, attn.results = 1 : i64, attn.signature = {
        args = [{dtype = "float32", name = "x", shape = ["N"]}],
        results = [{dtype = "float32", name = "result0", shape = ["N"]}]}} {
    llvm.return
  }
  llvm.func @_mlir_ciface_main(%a: !llvm.ptr, %r: !llvm.ptr, %status: !llvm.ptr) {
    llvm.return
  }
  llvm.func @attn_shape_of_main(%n: i64) -> i64 attributes {attn.shape_of = "main"} {
    llvm.return %n : i64
  }
}

// -----

// Every allocation is followed by the request for large pages.
// CHECK-LABEL: llvm.func @allocates
// CHECK:         %[[MEMORY:.*]] = llvm.call @malloc(%[[BYTES:.*]]) :
// CHECK-NEXT:    llvm.call @attn_use_large_pages(%[[MEMORY]], %[[BYTES]])
// CHECK:       llvm.func internal @attn_use_large_pages
// CHECK:         llvm.call @madvise
llvm.func @malloc(i64) -> !llvm.ptr
llvm.func @allocates(%bytes: i64) -> !llvm.ptr {
  %memory = llvm.call @malloc(%bytes) : (i64) -> !llvm.ptr
  llvm.return %memory : !llvm.ptr
}

// -----

// CHECK-NOT: attn_entry
llvm.func @negative_not_an_entry() {
  llvm.return
}

// -----

// expected-error @+1 {{expected a C interface of the entry}}
llvm.func @main() attributes {attn.entry} {
  llvm.return
}
