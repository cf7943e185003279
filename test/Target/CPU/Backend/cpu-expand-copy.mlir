// RUN: attn-opt %s --attn-cpu-expand-copy | FileCheck %s

// CHECK-LABEL: func.func @strided
// CHECK-SAME:    %[[A:.*]]: memref<?x4xf32, strided<[?, 1]>>, %[[B:.*]]: memref<?x4xf32>
// CHECK:         %[[N:.*]] = memref.dim %[[B]]
// CHECK:         scf.for %[[I:.*]] = %{{.*}} to %[[N]]
// CHECK:           scf.for %[[J:.*]] =
// CHECK:             %[[X:.*]] = memref.load %[[A]][%[[I]], %[[J]]]
// CHECK:             memref.store %[[X]], %[[B]][%[[I]], %[[J]]]
func.func @strided(%a: memref<?x4xf32, strided<[?, 1]>>, %b: memref<?x4xf32>) {
  memref.copy %a, %b : memref<?x4xf32, strided<[?, 1]>> to memref<?x4xf32>
  return
}

// CHECK-LABEL: func.func @negative_contiguous
// CHECK-NEXT:    memref.copy
func.func @negative_contiguous(%a: memref<4xf32>, %b: memref<4xf32>) {
  memref.copy %a, %b : memref<4xf32> to memref<4xf32>
  return
}
