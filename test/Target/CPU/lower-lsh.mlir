// RUN: attn-opt %s -attn-cpu-lower-tiles -split-input-file | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Hash, sort and chunks of LSH attention as loops over vectors.

#x = affine_map<(b, h, i, d, e) -> (h, i, d)>
#v = affine_map<(b, h, i, d, e) -> (h, i, e)>

// The argmax carries four vectors for each of two; columns of the rotations come in strips of eight.
// CHECK-LABEL: func.func @hash
// CHECK: scf.forall
// CHECK: vector.shuffle
// CHECK: math.sqrt
// CHECK: scf.for %{{.*}} = %{{.*}} to %{{.*}} step %c8{{.*}} iter_args
// CHECK: vector.fma
// CHECK: vector.maskedstore
func.func @hash(%x: memref<2x?x16xf32>, %g: memref<2x4x16x16xf32>, %u: memref<1x2x?xf32>, %b: memref<1x2x4x?xi32>) {
  attn.hash ins(%x : memref<2x?x16xf32>) rotations(%g : memref<2x4x16x16xf32>)
      outs(%u, %b : memref<1x2x?xf32>, memref<1x2x4x?xi32>) map #x buckets [32] epsilon 1.6e-05
  return
}

// -----

// CHECK-LABEL: func.func @sort
// CHECK: scf.forall
// CHECK: memref.alloc() {{.*}} : memref<10xi32>
// CHECK: memref.alloc() {{.*}} : memref<9xi32>
// CHECK: arith.divui %{{.*}}, %c16
func.func @sort(%b: memref<1x2x4x?xi32>, %o: memref<1x2x4x?xi32>, %c: memref<1x2x?x4xi16>) {
  attn.bucket_sort ins(%b : memref<1x2x4x?xi32>) outs(%o : memref<1x2x4x?xi32>) code(%c : memref<1x2x?x4xi16>)
      num_buckets 8 chunk 16 stride 2
  return
}

// -----

#x = affine_map<(b, h, i, d, e) -> (h, i, d)>
#v = affine_map<(b, h, i, d, e) -> (h, i, e)>

// Heads or chunks are parallel; the window of keys begins as zeros, since scratch may hold anything; the next chunk is
// fetched ahead; strips of eight queries, then single ones.
// CHECK-LABEL: func.func @chunks
// CHECK: scf.forall
// CHECK: %[[KEYS:.*]] = memref.alloc() {{.*}} : memref<16x80xf32>
// CHECK: %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : vector<16xf32>
// CHECK: scf.for
// CHECK: scf.for
// CHECK-NEXT: vector.store %[[ZERO]], %[[KEYS]]
// CHECK: memref.prefetch {{.*}} write, locality<2>, data
// CHECK: scf.if
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.permvar.sf.512"
func.func @chunks(%x: memref<2x?x16xf32>, %u: memref<1x2x?xf32>, %order: memref<1x2x4x?xi32>,
                  %first: memref<1x2x4x?xi32>, %code: memref<1x2x?x4xi32>, %o: memref<2x?x16xf32>,
                  %s: memref<2x1x2x?xf32>) {
  attn.lsh_chunks ins(%x, %x, %u, %order : memref<2x?x16xf32>, memref<2x?x16xf32>, memref<1x2x?xf32>,
      memref<1x2x4x?xi32>) first(%first : memref<1x2x4x?xi32>) code(%code : memref<1x2x?x4xi32>)
      outs(%o, %s : memref<2x?x16xf32>, memref<2x1x2x?xf32>) maps [#x, #v, #v] chunk 16 window(1, 0) scale 1.0 {causal}
  return
}
