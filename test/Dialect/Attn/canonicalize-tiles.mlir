// RUN: attn-opt %s --canonicalize | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Casts are folded into tile-level operations, and into those of sorted attention.

// CHECK-LABEL: @online
// CHECK: attn.online_attention ins(%arg0, %arg1, %arg1 : tensor<1x8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
func.func @online(%q: tensor<1x8x4xf32>, %k: tensor<9x4xf32>, %acc: tensor<1x12x16xf32>, %m: tensor<1x12xf32>,
                  %z: index) -> tensor<1x12x16xf32> {
  %dq = tensor.cast %q : tensor<1x8x4xf32> to tensor<1x?x4xf32>
  %dk = tensor.cast %k : tensor<9x4xf32> to tensor<?x4xf32>
  %r:3 = attn.online_attention ins(%dq, %dk, %dk : tensor<1x?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>)
      state(%acc, %m, %m : tensor<1x12x16xf32>, tensor<1x12xf32>, tensor<1x12xf32>) at(%z, %z, %z, %z) of(%z, %z)
      maps [affine_map<(g, i, j, d, e) -> (g, i, d)>, affine_map<(g, i, j, d, e) -> (j, d)>,
            affine_map<(g, i, j, d, e) -> (j, e)>] scale 1.0
      -> tensor<1x12x16xf32>, tensor<1x12xf32>, tensor<1x12xf32>
  return %r#0 : tensor<1x12x16xf32>
}

// CHECK-LABEL: @negative_online
// CHECK: %[[K:.*]] = tensor.cast
// CHECK: attn.online_attention ins(%arg0, %[[K]], %[[K]] : {{.*}}tensor<9x4xf32>
func.func @negative_online(%q: tensor<1x8x4xf32>, %k: tensor<?x4xf32>, %acc: tensor<1x12x16xf32>, %m: tensor<1x12xf32>,
                           %z: index) -> tensor<1x12x16xf32> {
  %sk = tensor.cast %k : tensor<?x4xf32> to tensor<9x4xf32>
  %r:3 = attn.online_attention ins(%q, %sk, %sk : tensor<1x8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      state(%acc, %m, %m : tensor<1x12x16xf32>, tensor<1x12xf32>, tensor<1x12xf32>) at(%z, %z, %z, %z) of(%z, %z)
      maps [affine_map<(g, i, j, d, e) -> (g, i, d)>, affine_map<(g, i, j, d, e) -> (j, d)>,
            affine_map<(g, i, j, d, e) -> (j, e)>] scale 1.0
      -> tensor<1x12x16xf32>, tensor<1x12xf32>, tensor<1x12xf32>
  return %r#0 : tensor<1x12x16xf32>
}

// CHECK-LABEL: @packed
// CHECK: attn.online_packed ins(%arg0, %arg1, %arg2 : tensor<1x12x64xf32>, tensor<8x64x32xf32>, tensor<256x64xf32>)
func.func @packed(%q: tensor<1x12x64xf32>, %k: tensor<8x64x32xf32>, %v: tensor<256x64xf32>,
                  %acc: tensor<1x12x64xf32>, %m: tensor<1x12xf32>, %z: index) -> tensor<1x12x64xf32> {
  %dv = tensor.cast %v : tensor<256x64xf32> to tensor<?x64xf32>
  %r:3 = attn.online_packed ins(%q, %k, %dv : tensor<1x12x64xf32>, tensor<8x64x32xf32>, tensor<?x64xf32>)
      state(%acc, %m, %m : tensor<1x12x64xf32>, tensor<1x12xf32>, tensor<1x12xf32>)
      tile(%z, %z) at(%z, %z, %z, %z) of(%z, %z) -> tensor<1x12x64xf32>, tensor<1x12xf32>, tensor<1x12xf32>
  return %r#0 : tensor<1x12x64xf32>
}

#x = affine_map<(b, h, i, d, e) -> (b, h, i, d)>
#v = affine_map<(b, h, i, d, e) -> (b, h, i, e)>
// CHECK-LABEL: @lsh
// CHECK: attn.lsh_attention ins(%arg0, %arg1 : tensor<1x8x512x64xf32>, tensor<1x8x512x64xf32>)
func.func @lsh(%x: tensor<1x8x512x64xf32>, %v: tensor<1x8x512x64xf32>, %g: tensor<8x64x4x64xf32>,
               %init: tensor<1x8x512x64xf32>) -> tensor<1x8x512x64xf32> {
  %dx = tensor.cast %x : tensor<1x8x512x64xf32> to tensor<1x8x?x64xf32>
  %o = attn.lsh_attention ins(%dx, %v : tensor<1x8x?x64xf32>, tensor<1x8x512x64xf32>)
      rotations(%g : tensor<8x64x4x64xf32>) outs(%init : tensor<1x8x512x64xf32>) maps [#x, #v, #v]
      rounds 4 chunk 64 buckets [128] causal -> tensor<1x8x512x64xf32>
  return %o : tensor<1x8x512x64xf32>
}
