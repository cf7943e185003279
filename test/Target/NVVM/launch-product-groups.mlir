// RUN: attn-opt %s --attn-nvvm-launch-products --split-input-file | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Several operations as one kernel.

// Heads apart: the reshape and the transposition are places that the kernel stores to.
// CHECK-LABEL: func.func @heads
// CHECK: gpu.launch
// CHECK: nvvm.mma.sync
// CHECK: llvm.store {{.*}} : vector<2xf32>
// CHECK-NOT: linalg
func.func @heads(%x: memref<64x128xf16>, %w: memref<128x128xf16>, %o: memref<4x64x32xf32>) {
  %zero = arith.constant 0.0 : f32
  %sum = memref.alloc() : memref<64x128xf32>
  linalg.fill ins(%zero : f32) outs(%sum : memref<64x128xf32>)
  linalg.matmul ins(%x, %w : memref<64x128xf16>, memref<128x128xf16>) outs(%sum : memref<64x128xf32>)
  %split = memref.expand_shape %sum [[0], [1, 2]] output_shape [64, 4, 32] : memref<64x128xf32> into memref<64x4x32xf32>
  linalg.transpose ins(%split : memref<64x4x32xf32>) outs(%o : memref<4x64x32xf32>) permutation = [1, 0, 2]
  return
}

// -----

// A gate: both products of the same rows are one kernel.
#l = affine_map<(m, n, k) -> (m, k)>
#r = affine_map<(m, n, k) -> (n, k)>
#o = affine_map<(m, n, k) -> (m, n)>
#id = affine_map<(m, n) -> (m, n)>
// CHECK-LABEL: func.func @gated
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<64x32xf16>, %[[U:[a-z0-9]+]]: memref<64x32xf16>, %[[G:[a-z0-9]+]]: memref<64x32xf16>
// CHECK: gpu.launch
// CHECK-DAG: memref.extract_aligned_pointer_as_index %[[X]]
// CHECK-DAG: memref.extract_aligned_pointer_as_index %[[U]]
// CHECK-DAG: memref.extract_aligned_pointer_as_index %[[G]]
// CHECK: nvvm.mma.sync
// CHECK: arith.mulf
// CHECK: gpu.terminator
// CHECK-NOT: gpu.launch
// CHECK-NOT: linalg
func.func @gated(%x: memref<64x32xf16>, %u: memref<64x32xf16>, %g: memref<64x32xf16>, %out: memref<64x64xf32>) {
  %zero = arith.constant 0.0 : f32
  %a = memref.alloc() : memref<64x64xf32>
  %b = memref.alloc() : memref<64x64xf32>
  linalg.fill ins(%zero : f32) outs(%a : memref<64x64xf32>)
  linalg.matmul indexing_maps = [#l, #r, #o]
      ins(%x, %u : memref<64x32xf16>, memref<64x32xf16>) outs(%a : memref<64x64xf32>)
  linalg.fill ins(%zero : f32) outs(%b : memref<64x64xf32>)
  linalg.matmul indexing_maps = [#l, #r, #o]
      ins(%x, %g : memref<64x32xf16>, memref<64x32xf16>) outs(%b : memref<64x64xf32>)
  linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%a, %b : memref<64x64xf32>, memref<64x64xf32>) outs(%out : memref<64x64xf32>) {
  ^bb0(%s: f32, %t: f32, %old: f32):
    %p = arith.mulf %s, %t : f32
    linalg.yield %p : f32
  }
  return
}
