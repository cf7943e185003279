// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Numbered constraints of the tile-level operations on plain tiles.

func.func @c1_maps(%q: tensor<1x8x4xf32>, %k: tensor<9x4xf32>, %acc: tensor<1x8x4xf32>, %max: tensor<1x8xf32>,
                   %sum: tensor<1x8xf32>, %z: index) {
  // expected-error @below {{expected 3 indexing maps (C1), got 2}}
  %r:3 = attn.online_attention ins(%q, %k, %k : tensor<1x8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      state(%acc, %max, %sum : tensor<1x8x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>) at(%z, %z, %z, %z) of(%z, %z)
      maps [affine_map<(g, i, j, d, e) -> (g, i, d)>, affine_map<(g, i, j, d, e) -> (j, d)>] scale 1.0
      -> tensor<1x8x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>
  return
}

// -----

func.func @c2_key(%q: tensor<1x8x4xf32>, %k: tensor<9x4xf32>, %acc: tensor<1x8x4xf32>, %max: tensor<1x8xf32>,
                  %sum: tensor<1x8xf32>, %z: index) {
  // expected-error @below {{expected the map of key to use d3 (C2)}}
  %r:3 = attn.online_attention ins(%q, %k, %k : tensor<1x8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      state(%acc, %max, %sum : tensor<1x8x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>) at(%z, %z, %z, %z) of(%z, %z)
      maps [affine_map<(g, i, j, d, e) -> (g, i, d)>, affine_map<(g, i, j, d, e) -> (j, e)>,
            affine_map<(g, i, j, d, e) -> (j, e)>] scale 1.0
      -> tensor<1x8x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>
  return
}

// -----

func.func @c3_state(%q: tensor<1x8x4xf32>, %k: tensor<9x4xf32>, %acc: tensor<1x8x4xf32>, %max: tensor<1x7xf32>,
                    %sum: tensor<1x8xf32>, %z: index) {
  // expected-error @below {{expected a state of acc [G, T, E], max [G, T], sum [G, T] (C3)}}
  %r:3 = attn.online_attention ins(%q, %k, %k : tensor<1x8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      state(%acc, %max, %sum : tensor<1x8x4xf32>, tensor<1x7xf32>, tensor<1x8xf32>) at(%z, %z, %z, %z) of(%z, %z)
      maps [affine_map<(g, i, j, d, e) -> (g, i, d)>, affine_map<(g, i, j, d, e) -> (j, d)>,
            affine_map<(g, i, j, d, e) -> (j, e)>] scale 1.0
      -> tensor<1x8x4xf32>, tensor<1x7xf32>, tensor<1x8xf32>
  return
}

// -----

func.func @c1_merge(%a: tensor<4x1x8x64xf32>, %m: tensor<3x1x8xf32>, %acc: tensor<1x8x64xf32>,
                    %max: tensor<1x8xf32>) {
  // expected-error @below {{expected partial states of the state's shape with one more leading extent (C1)}}
  %r:3 = attn.merge ins(%a, %m, %m : tensor<4x1x8x64xf32>, tensor<3x1x8xf32>, tensor<3x1x8xf32>)
      state(%acc, %max, %max : tensor<1x8x64xf32>, tensor<1x8xf32>, tensor<1x8xf32>)
      -> tensor<1x8x64xf32>, tensor<1x8xf32>, tensor<1x8xf32>
  return
}

// -----

func.func @c2_merge(%a: tensor<4x1x8x64xf16>, %m: tensor<4x1x8xf16>, %acc: tensor<1x8x64xf16>,
                    %max: tensor<1x8xf16>) {
  // expected-error @below {{expected a state of f32 or f64 (C2), got 'f16'}}
  %r:3 = attn.merge ins(%a, %m, %m : tensor<4x1x8x64xf16>, tensor<4x1x8xf16>, tensor<4x1x8xf16>)
      state(%acc, %max, %max : tensor<1x8x64xf16>, tensor<1x8xf16>, tensor<1x8xf16>)
      -> tensor<1x8x64xf16>, tensor<1x8xf16>, tensor<1x8xf16>
  return
}

// -----

func.func @c2_finalize(%acc: tensor<2x96x64xf32>, %max: tensor<2x96xf32>, %o: tensor<96x64xf32>) {
  // expected-error @below {{expected the map of output to use d0 (C2)}}
  %r = attn.finalize ins(%acc, %max, %max : tensor<2x96x64xf32>, tensor<2x96xf32>, tensor<2x96xf32>)
      outs(%o : tensor<96x64xf32>) maps [affine_map<(g, i, e) -> (i, e)>] -> tensor<96x64xf32>
  return
}
