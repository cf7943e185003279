// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints C1 to C3 of attn.low_rank_attention: what indexing maps may be.

func.func @c1_too_few_maps(%q: tensor<4x8xf32>, %k: tensor<4x8xf32>, %v: tensor<4x8xf32>, %E: tensor<2x4xf32>, %F: tensor<2x4xf32>, %o: tensor<4x8xf32>) {
  // expected-error @below {{expected one indexing map per operand (C1), got 5 maps for 6 operands}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<2x4xf32>, tensor<2x4xf32>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      -> tensor<4x8xf32>
  return
}

// -----

func.func @c1_rank(%q: tensor<4x8xf32>, %k: tensor<4x8xf32>, %v: tensor<4x8xf32>, %E: tensor<2x4xf32>, %F: tensor<2x4xf32>, %o: tensor<4x8xf32>) {
  // expected-error @below {{expected the map of key_projection to take 7 dimensions to 2 results (C1)}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<2x4xf32>, tensor<2x4xf32>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (h, s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      -> tensor<4x8xf32>
  return
}

// -----

func.func @c2_sum(%q: tensor<4x8xf32>, %k: tensor<4x8xf32>, %v: tensor<4x8xf32>, %E: tensor<2x4xf32>, %F: tensor<2x4xf32>, %o: tensor<4x8xf32>) {
  // expected-error @below {{expected the map of key to have dimensions or `h floordiv g` as results (C2)}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<2x4xf32>, tensor<2x4xf32>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j + 1, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      -> tensor<4x8xf32>
  return
}

// -----

func.func @c2_twice(%q: tensor<4x8xf32>, %k: tensor<4x8xf32>, %v: tensor<4x8xf32>, %E: tensor<2x4xf32>, %F: tensor<2x4xf32>, %o: tensor<4x8xf32>) {
  // expected-error @below {{expected distinct dimensions in the map of value_projection (C2), got s twice}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<2x4xf32>, tensor<2x4xf32>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, s)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      -> tensor<4x8xf32>
  return
}

// -----

func.func @c3_query_slot(%q: tensor<4x8xf32>, %k: tensor<4x8xf32>, %v: tensor<4x8xf32>, %E: tensor<2x4xf32>, %F: tensor<2x4xf32>, %o: tensor<4x8xf32>) {
  // expected-error @below {{expected the map of query not to use s (C3)}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<2x4xf32>, tensor<2x4xf32>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (s, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      -> tensor<4x8xf32>
  return
}

// -----

func.func @c3_projection_batch(%q: tensor<4x8xf32>, %k: tensor<4x8xf32>, %v: tensor<4x8xf32>, %E: tensor<1x2x4xf32>, %F: tensor<1x2x4xf32>, %o: tensor<4x8xf32>) {
  // expected-error @below {{expected the map of key_projection not to use b (C3)}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<1x2x4xf32>, tensor<1x2x4xf32>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (b, s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      -> tensor<4x8xf32>
  return
}

// -----

func.func @c3_missing_key(%q: tensor<4x8xf32>, %k: tensor<4x8xf32>, %v: tensor<4x8xf32>, %E: tensor<2x4xf32>, %F: tensor<2x4xf32>, %o: tensor<4x8xf32>) {
  // expected-error @below {{expected the map of value_projection to use j (C3)}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<2x4xf32>, tensor<2x4xf32>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (h, s)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      -> tensor<4x8xf32>
  return
}

// -----

func.func @c3_floordiv(%q: tensor<2x4x8xf32>, %k: tensor<4x8xf32>, %v: tensor<4x8xf32>, %E: tensor<2x4xf32>, %F: tensor<2x4xf32>, %o: tensor<4x8xf32>) {
  // expected-error @below {{expected no `floordiv` in the map of query (C3)}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<2x4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<2x4xf32>, tensor<2x4xf32>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (h floordiv 2, i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      -> tensor<4x8xf32>
  return
}

// -----

func.func @c3_output_heads(%q: tensor<2x4x8xf32>, %k: tensor<4x8xf32>, %v: tensor<4x8xf32>, %E: tensor<2x4xf32>, %F: tensor<2x4xf32>, %o: tensor<4x8xf32>) {
  // expected-error @below {{expected the map of output to use h, as another operand does (C3)}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<2x4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<2x4xf32>, tensor<2x4xf32>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (h, i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      -> tensor<4x8xf32>
  return
}

// -----

func.func @c3_two_sharings(%q: tensor<8x4x8xf32>, %k: tensor<4x4x8xf32>, %v: tensor<2x4x8xf32>, %E: tensor<2x4xf32>, %F: tensor<2x4xf32>, %o: tensor<8x4x8xf32>) {
  // expected-error @below {{expected the same head sharing in key and value (C3), got 2 and 4}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<8x4x8xf32>, tensor<4x4x8xf32>, tensor<2x4x8xf32>)
      projections(%E, %F : tensor<2x4xf32>, tensor<2x4xf32>)
      outs(%o : tensor<8x4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (h, i, d)>, affine_map<(b, h, i, j, s, d, e) -> (h floordiv 2, j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (h floordiv 4, j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (h, i, e)>]
      -> tensor<8x4x8xf32>
  return
}
