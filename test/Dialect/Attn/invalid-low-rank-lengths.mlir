// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints C8 to C12 of attn.low_rank_attention: lengths and blocks.

func.func @c8_more_slots_than_keys(%q: tensor<4x8xf32>, %k: tensor<4x8xf32>, %v: tensor<4x8xf32>, %E: tensor<5x9xf32>, %F: tensor<5x9xf32>, %o: tensor<4x8xf32>) {
  // expected-error @below {{expected at most as many slots as keys (C8), got 5 for 4}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<5x9xf32>, tensor<5x9xf32>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      -> tensor<4x8xf32>
  return
}

// -----

func.func @c8_more_slots_than_positions(%q: tensor<4x8xf32>, %k: tensor<4x8xf32>, %v: tensor<4x8xf32>, %E: tensor<3x2xf32>, %F: tensor<3x2xf32>, %o: tensor<4x8xf32>) {
  // expected-error @below {{expected at most as many slots as positions of a block (C8), got 3 for 2}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<3x2xf32>, tensor<3x2xf32>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      block 2 -> tensor<4x8xf32>
  return
}

// -----

func.func @c9_too_few_columns(%q: tensor<4x8xf32>, %k: tensor<4x8xf32>, %v: tensor<4x8xf32>, %E: tensor<2x3xf32>, %F: tensor<2x3xf32>, %o: tensor<4x8xf32>) {
  // expected-error @below {{expected a column of key_projection for each of the 4 keys (C9), got 3}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<2x3xf32>, tensor<2x3xf32>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      -> tensor<4x8xf32>
  return
}

// -----

func.func @c9_too_few_columns_of_values(%q: tensor<4x8xf32>, %k: tensor<4x8xf32>, %v: tensor<4x8xf32>, %E: tensor<2x4xf32>, %F: tensor<2x3xf32>, %o: tensor<4x8xf32>) {
  // expected-error @below {{expected a column of value_projection for each of the 4 keys (C9), got 3}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<2x4xf32>, tensor<2x3xf32>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      -> tensor<4x8xf32>
  return
}

// -----

func.func @c9_block(%q: tensor<4x8xf32>, %k: tensor<4x8xf32>, %v: tensor<4x8xf32>, %E: tensor<2x4xf32>, %F: tensor<2x4xf32>, %o: tensor<4x8xf32>) {
  // expected-error @below {{expected a column of key_projection for each of the 2 positions of a block (C9), got 4}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<2x4xf32>, tensor<2x4xf32>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      block 2 -> tensor<4x8xf32>
  return
}

// -----

func.func @c9_dynamic_block(%q: tensor<4x8xf32>, %k: tensor<4x8xf32>, %v: tensor<4x8xf32>, %E: tensor<1x?xf32>, %F: tensor<1x?xf32>, %o: tensor<4x8xf32>) {
  // expected-error @below {{positions of a block (C9), got a dynamic extent}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<1x?xf32>, tensor<1x?xf32>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      block 2 -> tensor<4x8xf32>
  return
}

// -----

func.func @c10_causal_without_blocks(%q: tensor<4x8xf32>, %k: tensor<4x8xf32>, %v: tensor<4x8xf32>, %E: tensor<2x4xf32>, %F: tensor<2x4xf32>, %o: tensor<4x8xf32>) {
  // expected-error @below {{expected `block` with `causal` (C10): without blocks every slot mixes all positions, later ones too}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<2x4xf32>, tensor<2x4xf32>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      causal -> tensor<4x8xf32>
  return
}

// -----

func.func @c11_no_block(%q: tensor<4x8xf32>, %k: tensor<4x8xf32>, %v: tensor<4x8xf32>, %E: tensor<2x4xf32>, %F: tensor<2x4xf32>, %o: tensor<4x8xf32>) {
  // expected-error @below {{expected a positive block (C11), got 0}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<2x4xf32>, tensor<2x4xf32>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      block 0 -> tensor<4x8xf32>
  return
}

// -----

func.func @c11_cross_attention(%q: tensor<6x8xf32>, %k: tensor<4x8xf32>, %v: tensor<4x8xf32>, %E: tensor<1x2xf32>, %F: tensor<1x2xf32>, %o: tensor<6x8xf32>) {
  // expected-error @below {{expected as many queries as keys with `causal` (C11), got 6 and 4}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<6x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<1x2xf32>, tensor<1x2xf32>)
      outs(%o : tensor<6x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      block 2 causal -> tensor<6x8xf32>
  return
}

// -----

func.func @c12_scale(%q: tensor<4x8xf32>, %k: tensor<4x8xf32>, %v: tensor<4x8xf32>, %E: tensor<2x4xf32>, %F: tensor<2x4xf32>, %o: tensor<4x8xf32>) {
  // expected-error @below {{expected a finite scale (C12)}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<2x4xf32>, tensor<2x4xf32>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      scale 0x7FF0000000000000 -> tensor<4x8xf32>
  return
}
