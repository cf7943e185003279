// RUN: attn-opt %s --attn-cpu-lower-tiles --split-input-file --verify-diagnostics | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tile-level operations on memrefs become loops over vectors; on tensors they are an error.

// CHECK-LABEL: func.func @pack_panels
// CHECK-NOT: attn.pack
// CHECK: scf.for
// CHECK: vector.load %{{.*}} : memref<?x64xf32>, vector<16xf32>
// CHECK: vector.shuffle
// CHECK: vector.store %{{.*}} : memref<8x64x32xf32>, vector<16xf32>
func.func @pack_panels(%k: memref<?x64xf32>, %dest: memref<8x64x32xf32>) {
  attn.pack panels ins(%k : memref<?x64xf32>) outs(%dest : memref<8x64x32xf32>)
      map affine_map<(g, row, depth) -> (row, depth)>
  return
}

// -----

// CHECK-LABEL: func.func @step
// CHECK-NOT: attn.online_packed
// CHECK: vector.fma
// The maximum of a row by halves, not lane after lane.
// CHECK-NOT: vector.reduction <max
// CHECK: vector.shuffle %[[TOP:.*]], %[[TOP]] [0, 1, 2, 3, 4, 5, 6, 7] : vector<16xf32>
// CHECK: vector.shuffle %[[TOP]], %[[TOP]] [8, 9, 10, 11, 12, 13, 14, 15] : vector<16xf32>
// CHECK-NOT: vector.reduction <max
func.func @step(%q: memref<1x96x64xf32>, %k: memref<8x64x32xf32>, %v: memref<?x64xf32>,
                %acc: memref<1x96x64xf32>, %max: memref<1x96xf32>, %sum: memref<1x96xf32>, %z: index, %n: index) {
  attn.online_packed ins(%q, %k, %v : memref<1x96x64xf32>, memref<8x64x32xf32>, memref<?x64xf32>)
      state(%acc, %max, %sum : memref<1x96x64xf32>, memref<1x96xf32>, memref<1x96xf32>)
      tile(%n, %n) at(%z, %z, %z, %z) of(%n, %n) mask #attn.causal<top_left>
  return
}

// -----

func.func @negative_tensors(%k: tensor<?x64xf32>, %dest: tensor<8x64x32xf32>) -> tensor<8x64x32xf32> {
  // expected-error @below {{expected memrefs, got 'tensor<?x64xf32>'; bufferise first}}
  %r = attn.pack panels ins(%k : tensor<?x64xf32>) outs(%dest : tensor<8x64x32xf32>)
      map affine_map<(g, row, depth) -> (row, depth)> -> tensor<8x64x32xf32>
  return %r : tensor<8x64x32xf32>
}

// -----

func.func @negative_no_kernel(%q: memref<1x8x64xf32>, %k: memref<9x64xf32>, %v: memref<9x64xf32>, %acc: memref<1x8x64xf32>,
                              %max: memref<1x8xf32>, %sum: memref<1x8xf32>, %z: index, %n: index) {
  // expected-error @below {{expected an operation that this target has a kernel for}}
  attn.online_attention ins(%q, %k, %v : memref<1x8x64xf32>, memref<9x64xf32>, memref<9x64xf32>)
      state(%acc, %max, %sum : memref<1x8x64xf32>, memref<1x8xf32>, memref<1x8xf32>)
      at(%z, %z, %z, %z) of(%n, %n)
      maps [affine_map<(g, i, j, d, e) -> (g, i, d)>, affine_map<(g, i, j, d, e) -> (j, d)>, affine_map<(g, i, j, d, e) -> (j, e)>]
      scale 1.250000e-01
  return
}

// -----

func.func @negative_narrow(%x: memref<1x2x64x16xf16>, %unit: memref<1x2x64xf32>) {
  // expected-error @below {{expected vectors of f32 or f64 for this target, got 'f16'}}
  attn.hash ins(%x : memref<1x2x64x16xf16>) outs(%unit : memref<1x2x64xf32>)
      map affine_map<(b, h, i, d, e) -> (b, h, i, d)> buckets [] epsilon 0.0
  return
}
