// RUN: attn-opt %s --attn-cpu-expand-reshape | FileCheck %s
// RUN: attn-opt %s --attn-cpu-expand-reshape --expand-strided-metadata | FileCheck %s --check-prefix=DONE

// DONE-NOT: memref.expand_shape

// CHECK: #[[$PRODUCT:.*]] = affine_map<()[s0] -> (s0 * 32)>
// CHECK-LABEL: func.func @rows
// CHECK-SAME:    %[[X:.*]]: memref<?x32xf32>, %[[B:.*]]: index, %[[N:.*]]: index
// CHECK:         %[[BASE:.*]], %{{.*}}, %{{.*}}, %{{.*}} = memref.extract_strided_metadata %[[X]]
// CHECK:         %[[STRIDE:.*]] = affine.apply #[[$PRODUCT]]()[%[[N]]]
// CHECK:         memref.reinterpret_cast %[[BASE]] to offset: [0], sizes: [%[[B]], %[[N]], 4, 8], strides: [%[[STRIDE]], 32, 8, 1]
func.func @rows(%x: memref<?x32xf32>, %b: index, %n: index) -> memref<?x?x4x8xf32> {
  %y = memref.expand_shape %x [[0, 1], [2, 3]] output_shape [%b, %n, 4, 8] : memref<?x32xf32> into memref<?x?x4x8xf32>
  return %y : memref<?x?x4x8xf32>
}

// CHECK-LABEL: func.func @strided
// CHECK:         memref.reinterpret_cast %{{.*}} to offset: [%{{.*}}], sizes: [%{{.*}}, %{{.*}}], strides: [%{{.*}}, %{{.*}}]
func.func @strided(%x: memref<?xf32, strided<[?], offset: ?>>, %b: index,
                   %n: index) -> memref<?x?xf32, strided<[?, ?], offset: ?>> {
  %y = memref.expand_shape %x [[0, 1]] output_shape [%b, %n]
      : memref<?xf32, strided<[?], offset: ?>> into memref<?x?xf32, strided<[?, ?], offset: ?>>
  return %y : memref<?x?xf32, strided<[?, ?], offset: ?>>
}

// CHECK-LABEL: func.func @negative_one_dynamic
// CHECK-NEXT:    memref.expand_shape
func.func @negative_one_dynamic(%x: memref<?x32xf32>, %b: index) -> memref<?x2x32xf32> {
  %y = memref.expand_shape %x [[0, 1], [2]] output_shape [%b, 2, 32] : memref<?x32xf32> into memref<?x2x32xf32>
  return %y : memref<?x2x32xf32>
}
