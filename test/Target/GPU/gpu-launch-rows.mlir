// RUN: attn-opt %s --attn-gpu-launch-rows --split-input-file | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Steps on the same rows become one kernel, a warp a row.

#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>

// The sum's buffer was filled by a copy of another: the kernel begins with the constant.
// CHECK-LABEL: func.func @center
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<?x128xf32>, %[[Y:[a-z0-9]+]]: memref<?x128xf32>
// CHECK-NOT: linalg
// CHECK-NOT: memref.copy
// CHECK: gpu.launch {{.*}}function(@rows)
// CHECK: scf.for
// CHECK: memref.load %[[X]]
// CHECK: gpu.shuffle xor
// CHECK: memref.store %{{.*}}, %[[SUM:.*]][
// CHECK: nvvm.bar.warp.sync
// CHECK: scf.for
// CHECK: memref.load %[[SUM]]
// CHECK: memref.store %{{.*}}, %[[Y]]
// CHECK: nvvm.bar.warp.sync
// CHECK-NOT: linalg
func.func @center(%x: memref<?x128xf32>, %y: memref<?x128xf32>) {
  %zero = arith.constant 0.0 : f32
  %n = arith.constant 128.0 : f32
  %c0 = arith.constant 0 : index
  %m = memref.dim %x, %c0 : memref<?x128xf32>
  %zeros = memref.alloc(%m) : memref<?xf32>
  linalg.fill ins(%zero : f32) outs(%zeros : memref<?xf32>)
  %sum = memref.alloc(%m) : memref<?xf32>
  memref.copy %zeros, %sum : memref<?xf32> to memref<?xf32>
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<?x128xf32>) outs(%sum : memref<?xf32>) {
  ^bb0(%a: f32, %s: f32):
    %t = arith.addf %s, %a : f32
    linalg.yield %t : f32
  }
  linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %sum : memref<?x128xf32>, memref<?xf32>) outs(%y : memref<?x128xf32>) {
  ^bb0(%a: f32, %s: f32, %o: f32):
    %mean = arith.divf %s, %n : f32
    %r = arith.subf %a, %mean : f32
    linalg.yield %r : f32
  }
  return
}

// -----

#id = affine_map<(i, j) -> (i, j)>
#other = affine_map<(i, j) -> (j)>
#row = affine_map<(i, j) -> (i)>

// The second step reads what other rows wrote.
// CHECK-LABEL: func.func @negative_other_rows
// CHECK-NOT: gpu.launch
// CHECK-COUNT-2: linalg.generic
func.func @negative_other_rows(%x: memref<64x64xf32>, %sum: memref<64xf32>, %y: memref<64x64xf32>) {
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<64x64xf32>) outs(%sum : memref<64xf32>) {
  ^bb0(%a: f32, %s: f32):
    %t = arith.addf %s, %a : f32
    linalg.yield %t : f32
  }
  linalg.generic {indexing_maps = [#id, #other, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %sum : memref<64x64xf32>, memref<64xf32>) outs(%y : memref<64x64xf32>) {
  ^bb0(%a: f32, %s: f32, %o: f32):
    %r = arith.subf %a, %s : f32
    linalg.yield %r : f32
  }
  return
}

// -----

#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>

// Between the steps somebody writes what the first one reads.
// CHECK-LABEL: func.func @negative_between
// CHECK-NOT: gpu.launch
// CHECK: linalg.generic
// CHECK: linalg.fill
// CHECK: linalg.generic
func.func @negative_between(%x: memref<64x64xf32>, %sum: memref<64xf32>, %y: memref<64x64xf32>) {
  %zero = arith.constant 0.0 : f32
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<64x64xf32>) outs(%sum : memref<64xf32>) {
  ^bb0(%a: f32, %s: f32):
    %t = arith.addf %s, %a : f32
    linalg.yield %t : f32
  }
  linalg.fill ins(%zero : f32) outs(%x : memref<64x64xf32>)
  linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %sum : memref<64x64xf32>, memref<64xf32>) outs(%y : memref<64x64xf32>) {
  ^bb0(%a: f32, %s: f32, %o: f32):
    %r = arith.subf %a, %s : f32
    linalg.yield %r : f32
  }
  return
}
