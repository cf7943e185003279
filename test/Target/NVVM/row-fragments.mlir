// RUN: attn-opt %s --attn-nvvm-launch-tiles | FileCheck %s
// RUN: not attn-opt %s --attn-nvvm-launch-tiles=row-fragments=3 2>&1 | FileCheck %s --check-prefix=BAD
// RUN: attn-opt %s --attn-nvvm-launch-tiles=key-tile=48 | FileCheck %s --check-prefix=KEYS
// RUN: not attn-opt %s --attn-nvvm-launch-tiles=key-tile=8 2>&1 | FileCheck %s --check-prefix=BADKEYS
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Warps take 32 rows where what happens to scores leaves registers for them, and 16 elsewhere.

// BAD: error: expected row-fragments of 0, 1 or 2, got 3
// KEYS-COUNT-2: scf.for {{.*}} step %c48
// BADKEYS: error: expected key-tile to be a multiple of 16 up to 128, got 8

#q = affine_map<(g, i, j, d, e) -> (i, d)>
#k = affine_map<(g, i, j, d, e) -> (j, d)>
#v = affine_map<(g, i, j, d, e) -> (j, e)>
!t = memref<128x128xf16>

// CHECK-LABEL: func.func @plain
// CHECK: gpu.launch {{.*}} threads({{.*}}) in ({{.*}} = %c128{{.*}})
func.func @plain(%q: !t, %acc: memref<1x128x128xf32>, %max: memref<1x128xf32>, %sum: memref<1x128xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  scf.forall (%i) in (2) {
    attn.online_attention ins(%q, %q, %q : !t, !t, !t)
        state(%acc, %max, %sum : memref<1x128x128xf32>, memref<1x128xf32>, memref<1x128xf32>)
        at(%c0, %c0, %c0, %c0) of(%n, %n) maps [#q, #k, #v] scale 1.0
  }
  return
}

// CHECK-LABEL: func.func @masked
// CHECK: gpu.launch {{.*}} threads({{.*}}) in ({{.*}} = %c128{{.*}})
func.func @masked(%q: !t, %acc: memref<1x128x128xf32>, %max: memref<1x128xf32>, %sum: memref<1x128xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  scf.forall (%i) in (2) {
    attn.online_attention ins(%q, %q, %q : !t, !t, !t)
        state(%acc, %max, %sum : memref<1x128x128xf32>, memref<1x128xf32>, memref<1x128xf32>)
        at(%c0, %c0, %c0, %c0) of(%n, %n) maps [#q, #k, #v] scale 1.0 mask #attn.causal<top_left>
  }
  return
}

// CHECK-LABEL: func.func @capped
// CHECK: gpu.launch {{.*}} threads({{.*}}) in ({{.*}} = %c256{{.*}})
func.func @capped(%q: !t, %acc: memref<1x128x128xf32>, %max: memref<1x128xf32>, %sum: memref<1x128xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  scf.forall (%i) in (2) {
    attn.online_attention ins(%q, %q, %q : !t, !t, !t)
        state(%acc, %max, %sum : memref<1x128x128xf32>, memref<1x128xf32>, memref<1x128xf32>)
        at(%c0, %c0, %c0, %c0) of(%n, %n) maps [#q, #k, #v] scale 1.0 softcap 8.0
  }
  return
}
