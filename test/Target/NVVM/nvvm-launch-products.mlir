// RUN: attn-opt %s --attn-nvvm-launch-products --split-input-file | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Contractions on buffers as kernels on tensor cores, with what follows them element by element.

// A linear layer: the bias joins the kernel, the buffer between them is written by nobody.
// CHECK-LABEL: func.func @linear
// CHECK-NOT: linalg.fill
// CHECK: gpu.launch blocks({{.*}}) in ({{.*}} = %c96{{.*}}) threads({{.*}}) in ({{.*}} = %c128{{.*}}) dynamic_shared_memory_size
// CHECK-SAME: function(@product)
// CHECK: nvvm.cp.async.shared.global {{.*}}, 16, cache = cg
// CHECK: scf.for
// CHECK: nvvm.cp.async.wait.group
// CHECK: nvvm.ldmatrix {{.*}} layout = #nvvm.mma_layout<row>
// CHECK: nvvm.mma.sync
// CHECK: arith.truncf %{{.*}} : f32 to f16
// CHECK: llvm.store %{{.*}}, %{{.*}} {alignment = 8 : i64} : vector<4xf16>
// CHECK: gpu.terminator
// CHECK-NOT: linalg
func.func @linear(%x: memref<512x384xf16>, %w: memref<1536x384xf16>, %b: memref<1536xf16>, %o: memref<512x1536xf16>) {
  %zero = arith.constant 0.0 : f32
  %sum = memref.alloc() : memref<512x1536xf32>
  linalg.fill ins(%zero : f32) outs(%sum : memref<512x1536xf32>)
  linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>,
                                 affine_map<(m, n, k) -> (m, n)>]
      ins(%x, %w : memref<512x384xf16>, memref<1536x384xf16>) outs(%sum : memref<512x1536xf32>)
  linalg.generic {indexing_maps = [affine_map<(m, n) -> (m, n)>, affine_map<(m, n) -> (n)>, affine_map<(m, n) -> (m, n)>],
                  iterator_types = ["parallel", "parallel"]}
      ins(%sum, %b : memref<512x1536xf32>, memref<1536xf16>) outs(%o : memref<512x1536xf16>) {
  ^bb0(%s: f32, %c: f16, %old: f16):
    %wide = arith.extf %c : f16 to f32
    %t = arith.addf %s, %wide : f32
    %r = arith.truncf %t : f32 to f16
    linalg.yield %r : f16
  }
  return
}

// -----

// One row: the warps of a block share the depth, and the first adds up what they have, in order.
// CHECK-LABEL: func.func @one_row
// CHECK: gpu.launch blocks({{.*}}) in ({{.*}} = %c64{{.*}}) threads({{.*}}) in ({{.*}} = %c256
// CHECK-COUNT-2: nvvm.mma.sync
// CHECK: nvvm.barrier0
// CHECK: scf.if
// CHECK: llvm.store {{.*}} : vector<4xf32>, !llvm.ptr<3>
// CHECK: nvvm.barrier0
// CHECK: scf.if
// CHECK-COUNT-14: llvm.load {{.*}} : !llvm.ptr<3> -> vector<4xf32>
// CHECK: scf.if
// CHECK: llvm.store {{.*}} !llvm.ptr<1>
func.func @one_row(%x: memref<1x4096xf16>, %w: memref<1024x4096xf16>, %o: memref<1x1024xf32>) {
  linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>,
                                 affine_map<(m, n, k) -> (m, n)>]
      ins(%x, %w : memref<1x4096xf16>, memref<1024x4096xf16>) outs(%o : memref<1x1024xf32>)
  return
}

// -----

// Dynamic rows: no blocks are launched for none. What the output holds is added.
// CHECK-LABEL: func.func @dynamic
// CHECK: scf.if
// CHECK: gpu.launch
// CHECK: nvvm.mma.sync
// CHECK: llvm.load
// CHECK: scf.if
// CHECK: llvm.store
func.func @dynamic(%x: memref<?x33xf32>, %w: memref<33x40xf32>, %o: memref<?x40xf32>) {
  linalg.matmul ins(%x, %w : memref<?x33xf32>, memref<33x40xf32>) outs(%o : memref<?x40xf32>)
  return
}

// -----

// The sums have another reader: the element-wise operation stays.
// CHECK-LABEL: func.func @read_twice
// CHECK: gpu.launch
// CHECK: linalg.generic
func.func @read_twice(%x: memref<64x32xf16>, %w: memref<32x64xf16>, %o: memref<64x64xf32>) -> memref<64x64xf32> {
  %zero = arith.constant 0.0 : f32
  %sum = memref.alloc() : memref<64x64xf32>
  linalg.fill ins(%zero : f32) outs(%sum : memref<64x64xf32>)
  linalg.matmul ins(%x, %w : memref<64x32xf16>, memref<32x64xf16>) outs(%sum : memref<64x64xf32>)
  linalg.generic {indexing_maps = [affine_map<(m, n) -> (m, n)>, affine_map<(m, n) -> (m, n)>],
                  iterator_types = ["parallel", "parallel"]} ins(%sum : memref<64x64xf32>) outs(%o : memref<64x64xf32>) {
  ^bb0(%s: f32, %old: f32):
    %t = arith.negf %s : f32
    linalg.yield %t : f32
  }
  return %sum : memref<64x64xf32>
}

// -----

// A factor changes before the element-wise operation: the product happens where it was.
// CHECK-LABEL: func.func @factor_changes
// CHECK: gpu.launch
// CHECK: linalg.fill
// CHECK: linalg.generic
func.func @factor_changes(%x: memref<64x32xf16>, %w: memref<32x64xf16>, %o: memref<64x64xf32>) {
  %zero = arith.constant 0.0 : f32
  %half = arith.constant 0.0 : f16
  %sum = memref.alloc() : memref<64x64xf32>
  linalg.fill ins(%zero : f32) outs(%sum : memref<64x64xf32>)
  linalg.matmul ins(%x, %w : memref<64x32xf16>, memref<32x64xf16>) outs(%sum : memref<64x64xf32>)
  linalg.fill ins(%half : f16) outs(%x : memref<64x32xf16>)
  linalg.generic {indexing_maps = [affine_map<(m, n) -> (m, n)>, affine_map<(m, n) -> (m, n)>],
                  iterator_types = ["parallel", "parallel"]} ins(%sum : memref<64x64xf32>) outs(%o : memref<64x64xf32>) {
  ^bb0(%s: f32, %old: f32):
    %t = arith.negf %s : f32
    linalg.yield %t : f32
  }
  return
}

// -----

// CHECK-LABEL: func.func @negative_double
// CHECK-NOT: gpu.launch
// CHECK: linalg.matmul
func.func @negative_double(%x: memref<8x8xf64>, %o: memref<8x8xf64>) {
  linalg.matmul ins(%x, %x : memref<8x8xf64>, memref<8x8xf64>) outs(%o : memref<8x8xf64>)
  return
}
