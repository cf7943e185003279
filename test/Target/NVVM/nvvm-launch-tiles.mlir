// RUN: attn-opt %s --attn-nvvm-launch-tiles --split-input-file --verify-diagnostics | FileCheck %s
// RUN: attn-opt %s --attn-nvvm-launch-tiles=tf32=true --split-input-file --verify-diagnostics | FileCheck %s --check-prefix=TF32
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Loops over tiles become launches, and the tile-level operations in them code on fragments.

#q = affine_map<(g, i, j, d, e) -> (i, d)>
#k = affine_map<(g, i, j, d, e) -> (j, d)>
#v = affine_map<(g, i, j, d, e) -> (j, e)>
#o = affine_map<(g, i, e) -> (i, e)>
!h = memref<64x32xf16, strided<[32, 1], offset: ?>>

// 64 x 64 scores of depth 32 for four warps of 16 rows: 8 x 2 products a warp, and as many with the values.
// CHECK-LABEL: func.func @half
// CHECK: gpu.launch blocks({{.*}}) in ({{.*}} = %c3{{.*}}) threads({{.*}}) in ({{.*}} = %c128{{.*}}) dynamic_shared_memory_size %{{.*}} {
// CHECK: memref.alloca() : memref<16xf32>
// CHECK: nvvm.barrier0
// CHECK: nvvm.cp.async.shared.global
// CHECK: nvvm.cp.async.commit.group
// CHECK: scf.for
// CHECK: nvvm.cp.async.wait.group 0
// CHECK: nvvm.barrier0
// CHECK-COUNT-32: nvvm.mma.sync
// CHECK-NOT: nvvm.mma.sync
// CHECK: vector.store {{.*}}alignment = 4
// CHECK: gpu.terminator
// CHECK-NOT: attn.
func.func @half(%q: memref<3x64x32xf16>, %o: memref<3x64x32xf16>) {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %lowest = arith.constant 0xFF800000 : f32
  %zero = arith.constant 0.0 : f32
  scf.forall (%h) in (3) {
    %acc = memref.alloc() : memref<1x64x32xf32>
    %max = memref.alloc() : memref<1x64xf32>
    %sum = memref.alloc() : memref<1x64xf32>
    linalg.fill ins(%zero : f32) outs(%acc : memref<1x64x32xf32>)
    linalg.fill ins(%lowest : f32) outs(%max : memref<1x64xf32>)
    linalg.fill ins(%zero : f32) outs(%sum : memref<1x64xf32>)
    %qh = memref.subview %q[%h, 0, 0] [1, 64, 32] [1, 1, 1] : memref<3x64x32xf16> to !h
    attn.online_attention ins(%qh, %qh, %qh : !h, !h, !h)
        state(%acc, %max, %sum : memref<1x64x32xf32>, memref<1x64xf32>, memref<1x64xf32>)
        at(%c0, %h, %c0, %c0) of(%c64, %c64) maps [#q, #k, #v] scale 0.125
    %oh = memref.subview %o[%h, 0, 0] [1, 64, 32] [1, 1, 1] : memref<3x64x32xf16> to !h
    attn.finalize ins(%acc, %max, %sum : memref<1x64x32xf32>, memref<1x64xf32>, memref<1x64xf32>)
        outs(%oh : !h) maps [#o]
  }
  return
}

// -----

// Three products of tf32 make one of f32; the loop may have no iterations; states stay where they are in memory.
// CHECK-LABEL: func.func @single
// TF32-LABEL: func.func @single
// CHECK: scf.if
// CHECK: gpu.launch
// CHECK-NOT: memref.alloca
// CHECK: math.fma
// CHECK-COUNT-96: nvvm.mma.sync
// CHECK-NOT: nvvm.mma.sync
// TF32-COUNT-32: nvvm.mma.sync
// TF32-NOT: nvvm.mma.sync
func.func @single(%q: memref<16x16xf32>, %k: memref<?x16xf32>, %acc: memref<1x16x16xf32>, %max: memref<1x16xf32>,
                  %sum: memref<1x16xf32>, %n: index, %m: index) {
  %c0 = arith.constant 0 : index
  scf.forall (%i) in (%n) {
    attn.online_attention ins(%q, %k, %k : memref<16x16xf32>, memref<?x16xf32>, memref<?x16xf32>)
        state(%acc, %max, %sum : memref<1x16x16xf32>, memref<1x16xf32>, memref<1x16xf32>)
        at(%c0, %c0, %c0, %c0) of(%n, %m)
        maps [affine_map<(g, i, j, d, e) -> (i, d)>, affine_map<(g, i, j, d, e) -> (j, d)>,
              affine_map<(g, i, j, d, e) -> (j, e)>] scale 1.0 mask #attn.causal<top_left>
  }
  return
}

// -----

// A loop without tile-level operations is another's.
// CHECK-LABEL: func.func @other
// CHECK: scf.forall
func.func @other(%x: memref<8xf32>) {
  %zero = arith.constant 0.0 : f32
  scf.forall (%i) in (8) {
    memref.store %zero, %x[%i] : memref<8xf32>
  }
  return
}

// -----

func.func @negative_f64(%q: memref<16x16xf64>, %acc: memref<1x16x16xf64>, %max: memref<1x16xf64>,
                        %sum: memref<1x16xf64>) {
  %c0 = arith.constant 0 : index
  scf.forall (%i) in (4) {
    // expected-error @below {{expected elements of f16, bf16 or f32 for this target, got 'f64'}}
    attn.online_attention ins(%q, %q, %q : memref<16x16xf64>, memref<16x16xf64>, memref<16x16xf64>)
        state(%acc, %max, %sum : memref<1x16x16xf64>, memref<1x16xf64>, memref<1x16xf64>)
        at(%c0, %c0, %c0, %c0) of(%c0, %c0)
        maps [affine_map<(g, i, j, d, e) -> (i, d)>, affine_map<(g, i, j, d, e) -> (j, d)>,
              affine_map<(g, i, j, d, e) -> (j, e)>] scale 1.0
  }
  return
}

// -----

func.func @negative_copy(%to: memref<1x16xf32>, %acc: memref<1x16x16xf32>, %o: memref<16x16xf32>) {
  scf.forall (%i) in (4) {
    %max = memref.alloc() : memref<1x16xf32>
    // expected-error @below {{expected no copies of the state of a softmax in a kernel for this target}}
    memref.copy %max, %to : memref<1x16xf32> to memref<1x16xf32>
    attn.finalize ins(%acc, %max, %max : memref<1x16x16xf32>, memref<1x16xf32>, memref<1x16xf32>)
        outs(%o : memref<16x16xf32>) maps [affine_map<(g, i, e) -> (i, e)>]
  }
  return
}

// -----

func.func @negative_scratch(%acc: memref<1x16x16xf32>, %max: memref<1x16xf32>, %o: memref<16x16xf32>, %n: index) {
  scf.forall (%i) in (4) {
    // expected-error @below {{expected scratch of a kernel to have a static shape for this target, got 'memref<?xf32>'}}
    %other = memref.alloc(%n) : memref<?xf32>
    attn.finalize ins(%acc, %max, %max : memref<1x16x16xf32>, memref<1x16xf32>, memref<1x16xf32>)
        outs(%o : memref<16x16xf32>) maps [affine_map<(g, i, e) -> (i, e)>]
  }
  return
}
