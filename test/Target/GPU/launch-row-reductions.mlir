// RUN: attn-opt %s --attn-gpu-launch-linalg --split-input-file | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Rows that lie side by side: a warp a row, whose lanes add up their parts.

// CHECK-LABEL: func.func @rows_of_a_matrix
// CHECK-SAME: %[[A:[a-z0-9]+]]: memref<?x100xf32>, %[[C:[a-z0-9]+]]: memref<?xf64>
// CHECK: gpu.launch
// CHECK: scf.for
// CHECK: %[[AT:.*]] = arith.minui
// CHECK: memref.load %[[A]][%{{.*}}, %[[AT]]]
// CHECK: arith.select
// CHECK-COUNT-10: gpu.shuffle xor
// CHECK: scf.if
// CHECK: memref.load %[[C]]
// CHECK: memref.store %{{.*}}, %[[C]]
func.func @rows_of_a_matrix(%a: memref<?x100xf32>, %c: memref<?xf64>) {
  linalg.generic {indexing_maps = [affine_map<(i, k) -> (i, k)>, affine_map<(i, k) -> (i)>],
                  iterator_types = ["parallel", "reduction"]}
      ins(%a : memref<?x100xf32>) outs(%c : memref<?xf64>) {
  ^bb0(%x: f32, %sum: f64):
    %w = arith.extf %x : f32 to f64
    %s = arith.addf %sum, %w : f64
    linalg.yield %s : f64
  }
  return
}

// -----

// What one lane after the other would read is not what lies side by side: a thread a column.

// CHECK-LABEL: func.func @negative_columns
// CHECK-NOT: gpu.shuffle
func.func @negative_columns(%a: memref<100x64xf32>, %c: memref<64xf32>) {
  linalg.generic {indexing_maps = [affine_map<(i, k) -> (k, i)>, affine_map<(i, k) -> (i)>],
                  iterator_types = ["parallel", "reduction"]}
      ins(%a : memref<100x64xf32>) outs(%c : memref<64xf32>) {
  ^bb0(%x: f32, %sum: f32):
    %s = arith.addf %sum, %x : f32
    linalg.yield %s : f32
  }
  return
}
