// RUN: attn-opt %s --attn-cpu-pack-operands="bf16-dot amx-bf16" --split-input-file | FileCheck %s --check-prefix=PACK
// RUN: attn-opt %s --attn-cpu-pack-operands="bf16-dot amx-bf16" --split-input-file | \
// RUN:   attn-opt --one-shot-bufferize="bufferize-function-boundaries function-boundary-type-conversion=identity-layout-map" --split-input-file | \
// RUN:   attn-opt --attn-cpu-lower-tiles="bf16-dot amx-bf16" --split-input-file | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// With AMX, operands of bf16 are padded to whole tiles of 16 pairs, and products go through four tiles of sums.

// Of 40 columns, 64 are packed; values are zero up to whole tiles of keys.
// PACK-LABEL: @tiles
// PACK: attn.pack rows {{.*}} align 32 -> tensor<1x64x64xbf16>
// PACK: attn.pack panels {{.*}} -> tensor<8x32x32x2xbf16>
// PACK: attn.pack rows {{.*}} align 32 -> tensor<128x48x2xbf16>
// CHECK-LABEL: @tiles
// CHECK-COUNT-4: amx.tile_zero
// CHECK: scf.for {{.*}} -> (!amx.tile<16x16xf32>, !amx.tile<16x16xf32>, !amx.tile<16x16xf32>, !amx.tile<16x16xf32>)
// CHECK-COUNT-4: amx.tile_load {{.*}} into !amx.tile<16x32xbf16>
// CHECK-COUNT-4: amx.tile_mulf
// CHECK-COUNT-4: amx.tile_store
func.func @tiles(%q: tensor<1x64x40xbf16>, %k: tensor<256x40xbf16>, %v: tensor<256x40xbf16>, %acc: tensor<1x64x48xf32>,
                 %m: tensor<1x64xf32>, %s: tensor<1x64xf32>, %z: index, %n: index) -> tensor<1x64x48xf32> {
  %r:3 = attn.online_attention
      ins(%q, %k, %v : tensor<1x64x40xbf16>, tensor<256x40xbf16>, tensor<256x40xbf16>)
      state(%acc, %m, %s : tensor<1x64x48xf32>, tensor<1x64xf32>, tensor<1x64xf32>)
      at(%z, %z, %z, %z) of(%n, %n)
      maps [affine_map<(g, i, j, d, e) -> (g, i, d)>, affine_map<(g, i, j, d, e) -> (j, d)>,
            affine_map<(g, i, j, d, e) -> (j, e)>]
      scale 0.125 -> tensor<1x64x48xf32>, tensor<1x64xf32>, tensor<1x64xf32>
  return %r#0 : tensor<1x64x48xf32>
}

// -----

// Rows that are no multiple of 32 stay with dot products of pairs.
// PACK-LABEL: @negative_rows
// PACK: attn.pack rows {{.*}} align 12 -> tensor<1x36x40xbf16>
// CHECK-LABEL: @negative_rows
// CHECK-NOT: amx
// CHECK: x86vector.avx512.dot
func.func @negative_rows(%q: tensor<1x36x40xbf16>, %k: tensor<256x40xbf16>, %v: tensor<256x40xbf16>,
                         %acc: tensor<1x36x48xf32>, %m: tensor<1x36xf32>, %s: tensor<1x36xf32>, %z: index,
                         %n: index) -> tensor<1x36x48xf32> {
  %r:3 = attn.online_attention
      ins(%q, %k, %v : tensor<1x36x40xbf16>, tensor<256x40xbf16>, tensor<256x40xbf16>)
      state(%acc, %m, %s : tensor<1x36x48xf32>, tensor<1x36xf32>, tensor<1x36xf32>)
      at(%z, %z, %z, %z) of(%n, %n)
      maps [affine_map<(g, i, j, d, e) -> (g, i, d)>, affine_map<(g, i, j, d, e) -> (j, d)>,
            affine_map<(g, i, j, d, e) -> (j, e)>]
      scale 0.125 -> tensor<1x36x48xf32>, tensor<1x36xf32>, tensor<1x36xf32>
  return %r#0 : tensor<1x36x48xf32>
}
