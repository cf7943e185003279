// RUN: attn-opt %s --split-input-file --attn-cpu-return-by-argument --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @in_place
// CHECK-SAME:    (%[[X:.*]]: memref<f32>, %[[A:.*]]: memref<4xf32>, %{{.*}}: !llvm.ptr)
// CHECK-SAME:    attn.entry, attn.results = 1 : i64, llvm.emit_c_interface
// CHECK-NEXT:    %[[V:.*]] = memref.load %[[X]][]
// CHECK-NOT:     memref.alloc
// CHECK:         memref.store %[[V]], %[[A]]
// CHECK-NEXT:    return
func.func @in_place(%x: f32) -> memref<4xf32> {
  %c0 = arith.constant 0 : index
  %a = memref.alloc() : memref<4xf32>
  memref.store %x, %a[%c0] : memref<4xf32>
  return %a : memref<4xf32>
}

// -----

// The result is the same memory in another shape.
// CHECK-LABEL: func.func @reshaped
// CHECK-SAME:    (%[[N:.*]]: memref<index>, %[[A:.*]]: memref<?x4xf32>, %{{.*}}: !llvm.ptr)
// CHECK:         %[[SIZE:.*]] = memref.load %[[N]][]
// CHECK:         %[[VIEW:.*]] = memref.reinterpret_cast %[[A]] to offset: [0], sizes: [%[[SIZE]], 2, 2], strides: [4, 2, 1]
// CHECK:         memref.cast %[[VIEW]]
func.func @reshaped(%n: index) -> memref<?x4xf32> {
  %a = memref.alloc(%n) : memref<?x2x2xf32>
  %b = memref.collapse_shape %a [[0], [1, 2]] : memref<?x2x2xf32> into memref<?x4xf32>
  return %b : memref<?x4xf32>
}

// -----

// One buffer cannot be the memory of two results.
// CHECK-LABEL: func.func @twice
// CHECK-SAME:    (%[[X:.*]]: memref<f32>, %[[A:.*]]: memref<4xf32>, %[[B:.*]]: memref<4xf32>, %{{.*}}: !llvm.ptr)
// CHECK-NOT:     memref.alloc
// CHECK:         memref.copy %{{.*}}, %[[B]]
func.func @twice(%x: f32) -> (memref<4xf32>, memref<4xf32>) {
  %c0 = arith.constant 0 : index
  %a = memref.alloc() : memref<4xf32>
  memref.store %x, %a[%c0] : memref<4xf32>
  return %a, %a : memref<4xf32>, memref<4xf32>
}

// -----

// CHECK-LABEL: func.func @negative_copied
// CHECK-SAME:    (%[[X:.*]]: memref<4xf32>, %[[A:.*]]: memref<4xf32>, %[[N:.*]]: memref<i64>,
// CHECK:         memref.copy %[[X]], %[[A]]
// CHECK:         memref.store %{{.*}}, %[[N]][]
func.func @negative_copied(%x: memref<4xf32>) -> (memref<4xf32>, i64) {
  %c = arith.constant 7 : i64
  return %x, %c : memref<4xf32>, i64
}

// -----

// expected-error @+1 {{expected arguments and results that are contiguous buffers or scalars, got 'memref<4xf32, strided<[?]>>'}}
func.func @strided(%x: memref<4xf32, strided<[?]>>) {
  return
}

// -----

// expected-error @+1 {{expected a public function that is not called within its module}}
func.func @callee() {
  return
}
func.func private @caller() {
  call @callee() : () -> ()
  return
}
