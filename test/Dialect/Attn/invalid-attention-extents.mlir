// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints C4 and C5 of attn.attention: the extents that the maps give to the dimensions.

func.func @c4_lengths(%q: tensor<8x4xf32>, %k: tensor<9x4xf32>, %v: tensor<7x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected extent 9 for j in value (C4), got 7}}
  %r = attn.attention ins(%q, %k, %v : tensor<8x4xf32>, tensor<9x4xf32>, tensor<7x4xf32>)
      outs(%o : tensor<8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>,
            affine_map<(b, h, i, j, d, e) -> (i, e)>]
      -> tensor<8x4xf32>
  return
}

// -----

func.func @c4_group(%q: tensor<8x8x4xf32>, %k: tensor<3x9x4xf32>, %v: tensor<3x9x4xf32>, %o: tensor<8x8x4xf32>) {
  // expected-error @below {{expected extent 8 for h in key (C4), got 6}}
  %r = attn.attention ins(%q, %k, %v : tensor<8x8x4xf32>, tensor<3x9x4xf32>, tensor<3x9x4xf32>)
      outs(%o : tensor<8x8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (h, i, d)>,
            affine_map<(b, h, i, j, d, e) -> (h floordiv 2, j, d)>,
            affine_map<(b, h, i, j, d, e) -> (h floordiv 2, j, e)>,
            affine_map<(b, h, i, j, d, e) -> (h, i, e)>]
      -> tensor<8x8x4xf32>
  return
}

// -----

func.func @c5_dynamic(%q: tensor<8x?xf32>, %k: tensor<9x?xf32>, %v: tensor<9x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected a static extent of d in [1, 1024] (C5), got a dynamic one}}
  %r = attn.attention ins(%q, %k, %v : tensor<8x?xf32>, tensor<9x?xf32>, tensor<9x4xf32>)
      outs(%o : tensor<8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>,
            affine_map<(b, h, i, j, d, e) -> (i, e)>]
      -> tensor<8x4xf32>
  return
}

// -----

func.func @c5_too_large(%q: tensor<8x4xf32>, %k: tensor<9x4xf32>, %v: tensor<9x2048xf32>, %o: tensor<8x2048xf32>) {
  // expected-error @below {{expected a static extent of e in [1, 1024] (C5), got 2048}}
  %r = attn.attention ins(%q, %k, %v : tensor<8x4xf32>, tensor<9x4xf32>, tensor<9x2048xf32>)
      outs(%o : tensor<8x2048xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>,
            affine_map<(b, h, i, j, d, e) -> (i, e)>]
      -> tensor<8x2048xf32>
  return
}

// -----

func.func @c5_empty(%q: tensor<8x0xf32>, %k: tensor<9x0xf32>, %v: tensor<9x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected a static extent of d in [1, 1024] (C5), got 0}}
  %r = attn.attention ins(%q, %k, %v : tensor<8x0xf32>, tensor<9x0xf32>, tensor<9x4xf32>)
      outs(%o : tensor<8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>,
            affine_map<(b, h, i, j, d, e) -> (i, e)>]
      -> tensor<8x4xf32>
  return
}
