// RUN: attn-opt %s --attn-nvvm-launch-tiles --verify-diagnostics --split-input-file | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Linear attention and projections as work that a block of threads shares.

#k = affine_map<(i, j, d, e) -> (j, d)>
#v = affine_map<(i, j, d, e) -> (j, e)>

// The state is scratch of the loop's iterations: each block has its part of one buffer.
// CHECK-LABEL: func.func @state
// CHECK: %[[SCRATCH:.*]] = memref.alloc(%{{.*}}) {alignment = 256 : i64} : memref<?xi8>
// CHECK: gpu.launch {{.*}} threads({{.*}}) in ({{.*}} = %c128{{.*}})
// CHECK: memref.view %[[SCRATCH]][%{{.*}}][] : memref<?xi8> to memref<16x16xf32>
// CHECK: nvvm.cp.async.shared.global
// CHECK: nvvm.mma.sync
// CHECK-NOT: attn.linear_state
func.func @state(%k: memref<4x64x16xf32>) {
  %zero = arith.constant 0.0 : f32
  scf.forall (%h) in (4) {
    %s = memref.alloc() : memref<16x16xf32>
    linalg.fill ins(%zero : f32) outs(%s : memref<16x16xf32>)
    %z = memref.alloc() : memref<16xf32>
    linalg.fill ins(%zero : f32) outs(%z : memref<16xf32>)
    %kh = memref.subview %k[%h, 0, 0] [1, 64, 16] [1, 1, 1] : memref<4x64x16xf32> to memref<64x16xf32, strided<[16, 1], offset: ?>>
    attn.linear_state relu ins(%kh, %kh : memref<64x16xf32, strided<[16, 1], offset: ?>>, memref<64x16xf32, strided<[16, 1], offset: ?>>)
        state(%s, %z, %z : memref<16x16xf32>, memref<16xf32>, memref<16xf32>)
        maps [#k, #v] scale 1.0 feature_eps 0.0 denominator_eps 0.0 chunk 64
  }
  return
}

// -----

// CHECK-LABEL: func.func @project
// CHECK: gpu.launch
// CHECK: nvvm.mma.sync
// CHECK-NOT: attn.project
// CHECK: gpu.terminator
func.func @project(%e: memref<60x?xf32>, %k: memref<?x64xf16>, %acc: memref<60x64xf32>) {
  scf.forall (%h) in (1) {
    attn.project ins(%e, %k : memref<60x?xf32>, memref<?x64xf16>) outs(%acc : memref<60x64xf32>)
        maps [affine_map<(s, t, d) -> (s, t)>, affine_map<(s, t, d) -> (t, d)>]
  }
  return
}

// -----

func.func @negative_f64(%e: memref<60x?xf64>, %k: memref<?x64xf64>, %acc: memref<60x64xf64>) {
  scf.forall (%h) in (1) {
    // expected-error @below {{expected a state of f32 for this target, got 'f64'}}
    attn.project ins(%e, %k : memref<60x?xf64>, memref<?x64xf64>) outs(%acc : memref<60x64xf64>)
        maps [affine_map<(s, t, d) -> (s, t)>, affine_map<(s, t, d) -> (t, d)>]
  }
  return
}
