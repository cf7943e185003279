// RUN: attn-opt %s --attn-nvvm-launch-tiles --split-input-file --verify-diagnostics | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Relative positions beside keys, one token of linear attention, and stretches of linear attention walked by chunks.

#q = affine_map<(g, i, j, d, e) -> (i, d)>
#k = affine_map<(g, i, j, d, e) -> (j, d)>
#v = affine_map<(g, i, j, d, e) -> (j, e)>
#r = affine_map<(g, i, j, d, e) -> (j - i, d)>

// 64 keys meet 80 positions: 8 x 2 products of queries and keys, 10 x 2 of queries and positions, 8 x 2 x 2 / 2 with the
// values. The skew is four shuffles for each of 9 fragments of positions that a half of the rows reads.
// CHECK-LABEL: func.func @relative
// CHECK: gpu.launch
// CHECK: scf.for
// CHECK-COUNT-20: nvvm.mma.sync
// CHECK-COUNT-36: gpu.shuffle idx
// CHECK-NOT: gpu.shuffle idx
// CHECK-COUNT-32: nvvm.mma.sync
// CHECK-NOT: nvvm.mma.sync
// CHECK: gpu.terminator
func.func @relative(%q: memref<32x32xf16>, %k: memref<?x32xf16>, %r: memref<?x32xf16>, %acc: memref<1x32x32xf32>,
                    %max: memref<1x32xf32>, %sum: memref<1x32xf32>, %m: index) {
  %c0 = arith.constant 0 : index
  %c32 = arith.constant 32 : index
  scf.forall (%i) in (2) {
    attn.online_attention ins(%q, %k, %k : memref<32x32xf16>, memref<?x32xf16>, memref<?x32xf16>)
        relative(%q, %r : memref<32x32xf16>, memref<?x32xf16>)
        state(%acc, %max, %sum : memref<1x32x32xf32>, memref<1x32xf32>, memref<1x32xf32>)
        at(%c0, %c0, %c0, %c0) of(%c32, %m) maps [#q, #k, #v, #r] scale 1.0
  }
  return
}

// -----

func.func @negative_rows(%q: memref<8x32xf16>, %k: memref<?x32xf16>, %r: memref<?x32xf16>, %acc: memref<1x8x32xf32>,
                         %max: memref<1x8xf32>, %sum: memref<1x8xf32>, %m: index) {
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  scf.forall (%i) in (2) {
    // expected-error @below {{expected rows of a state with relative positions to be a multiple of 16 for this target, got 8}}
    attn.online_attention ins(%q, %k, %k : memref<8x32xf16>, memref<?x32xf16>, memref<?x32xf16>)
        relative(%q, %r : memref<8x32xf16>, memref<?x32xf16>)
        state(%acc, %max, %sum : memref<1x8x32xf32>, memref<1x8xf32>, memref<1x8xf32>)
        at(%c0, %c0, %c0, %c0) of(%c8, %m)
        maps [affine_map<(g, i, j, d, e) -> (i, d)>, affine_map<(g, i, j, d, e) -> (j, d)>,
              affine_map<(g, i, j, d, e) -> (j, e)>, affine_map<(g, i, j, d, e) -> (j - i, d)>] scale 1.0
  }
  return
}

// -----

// A head is a block; the state is read and written once.
// CHECK-LABEL: func.func @step
// CHECK: gpu.launch {{.*}} threads({{.*}}) in ({{.*}} = %c256{{.*}})
// CHECK-NOT: attn.linear_step
// CHECK: gpu.terminator
func.func @step(%q: memref<2x16xf16>, %o: memref<2x16xf16>, %s: memref<2x16x16xf32>, %z: memref<2x16xf32>) {
  scf.forall (%h) in (2) {
    %qh = memref.subview %q[%h, 0] [1, 16] [1, 1] : memref<2x16xf16> to memref<16xf16, strided<[1], offset: ?>>
    %oh = memref.subview %o[%h, 0] [1, 16] [1, 1] : memref<2x16xf16> to memref<16xf16, strided<[1], offset: ?>>
    %sh = memref.subview %s[%h, 0, 0] [1, 16, 16] [1, 1, 1] : memref<2x16x16xf32> to memref<16x16xf32, strided<[16, 1], offset: ?>>
    %zh = memref.subview %z[%h, 0] [1, 16] [1, 1] : memref<2x16xf32> to memref<16xf32, strided<[1], offset: ?>>
    attn.linear_step elu_plus_one ins(%qh, %qh, %qh : memref<16xf16, strided<[1], offset: ?>>, memref<16xf16, strided<[1], offset: ?>>, memref<16xf16, strided<[1], offset: ?>>)
        state(%sh, %zh : memref<16x16xf32, strided<[16, 1], offset: ?>>, memref<16xf32, strided<[1], offset: ?>>)
        outs(%oh : memref<16xf16, strided<[1], offset: ?>>)
        final(%sh, %zh : memref<16x16xf32, strided<[16, 1], offset: ?>>, memref<16xf32, strided<[1], offset: ?>>)
  }
  return
}

// -----

#q = affine_map<(i, j, d, e) -> (i, d)>
#k = affine_map<(i, j, d, e) -> (j, d)>
#v = affine_map<(i, j, d, e) -> (j, e)>
#o = affine_map<(i, j, d, e) -> (i, e)>

// A chunk of 64 rows for four warps: copies a chunk ahead, products with the state before those with the chunk's keys.
// CHECK-LABEL: func.func @stream
// CHECK: gpu.launch {{.*}} threads({{.*}}) in ({{.*}} = %c128{{.*}})
// CHECK: nvvm.cp.async.shared.global
// CHECK: scf.for
// CHECK: nvvm.cp.async.wait.group 0
// CHECK: nvvm.ldmatrix
// CHECK: nvvm.mma.sync
// CHECK: scf.for
// CHECK: nvvm.mma.sync
// CHECK: nvvm.bar.warp.sync
// CHECK: nvvm.barrier0
// CHECK: scf.if
// CHECK: nvvm.mma.sync
// CHECK: gpu.terminator
func.func @stream(%x: memref<?x32xf16>, %o: memref<?x32xf16>, %s: memref<32x32xf32>, %z: memref<48xf32>) {
  scf.forall (%h) in (4) {
    attn.linear_chunk elu_plus_one ins(%x, %x, %x : memref<?x32xf16>, memref<?x32xf16>, memref<?x32xf16>)
        state(%s, %z, %z : memref<32x32xf32>, memref<48xf32>, memref<48xf32>) outs(%o : memref<?x32xf16>)
        maps [#q, #k, #v, #o] scale 1.0 feature_eps 0.0 denominator_eps 1.0e-6 chunk 64
  }
  return
}
