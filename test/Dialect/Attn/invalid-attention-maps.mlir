// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints C1 to C3 of attn.attention: what indexing maps may be.

func.func @c1_too_few_maps(%q: tensor<8x4xf32>, %k: tensor<9x4xf32>, %v: tensor<9x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected one indexing map per operand (C1), got 3 maps for 4 operands}}
  %r = attn.attention ins(%q, %k, %v : tensor<8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      outs(%o : tensor<8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>]
      -> tensor<8x4xf32>
  return
}

// -----

func.func @c1_rank(%q: tensor<8x4xf32>, %k: tensor<9x4xf32>, %v: tensor<9x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected the map of query to take 6 dimensions to 2 results (C1)}}
  %r = attn.attention ins(%q, %k, %v : tensor<8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      outs(%o : tensor<8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (h, i, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>,
            affine_map<(b, h, i, j, d, e) -> (i, e)>]
      -> tensor<8x4xf32>
  return
}

// -----

func.func @c2_sum(%q: tensor<8x4xf32>, %k: tensor<9x4xf32>, %v: tensor<9x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected the map of key to have dimensions or `h floordiv g` as results (C2)}}
  %r = attn.attention ins(%q, %k, %v : tensor<8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      outs(%o : tensor<8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, d)>,
            affine_map<(b, h, i, j, d, e) -> (j + 1, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>,
            affine_map<(b, h, i, j, d, e) -> (i, e)>]
      -> tensor<8x4xf32>
  return
}

// -----

func.func @c2_twice(%q: tensor<8x4xf32>, %k: tensor<9x4xf32>, %v: tensor<9x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected distinct dimensions in the map of value (C2), got j twice}}
  %r = attn.attention ins(%q, %k, %v : tensor<8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      outs(%o : tensor<8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, j)>,
            affine_map<(b, h, i, j, d, e) -> (i, e)>]
      -> tensor<8x4xf32>
  return
}

// -----

func.func @c3_query_shares_heads(%q: tensor<2x8x4xf32>, %k: tensor<9x4xf32>, %v: tensor<9x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected no `floordiv` in the map of query (C3)}}
  %r = attn.attention ins(%q, %k, %v : tensor<2x8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      outs(%o : tensor<8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (h floordiv 2, i, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>,
            affine_map<(b, h, i, j, d, e) -> (i, e)>]
      -> tensor<8x4xf32>
  return
}

// -----

func.func @c3_foreign_dimension(%q: tensor<8x9x4xf32>, %k: tensor<9x4xf32>, %v: tensor<9x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected the map of query not to use j (C3)}}
  %r = attn.attention ins(%q, %k, %v : tensor<8x9x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      outs(%o : tensor<8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>,
            affine_map<(b, h, i, j, d, e) -> (i, e)>]
      -> tensor<8x4xf32>
  return
}

// -----

func.func @c3_missing_dimension(%q: tensor<8x4xf32>, %k: tensor<9xf32>, %v: tensor<9x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected the map of key to use d (C3)}}
  %r = attn.attention ins(%q, %k, %v : tensor<8x4xf32>, tensor<9xf32>, tensor<9x4xf32>)
      outs(%o : tensor<8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, d)>,
            affine_map<(b, h, i, j, d, e) -> (j)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>,
            affine_map<(b, h, i, j, d, e) -> (i, e)>]
      -> tensor<8x4xf32>
  return
}

// -----

func.func @c3_output_lacks_head(%q: tensor<2x8x4xf32>, %k: tensor<9x4xf32>, %v: tensor<9x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected the map of output to use h, as another operand does (C3)}}
  %r = attn.attention ins(%q, %k, %v : tensor<2x8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      outs(%o : tensor<8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (h, i, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>,
            affine_map<(b, h, i, j, d, e) -> (i, e)>]
      -> tensor<8x4xf32>
  return
}

// -----

func.func @c3_two_group_sizes(%q: tensor<8x8x4xf32>, %k: tensor<4x9x4xf32>, %v: tensor<2x9x4xf32>, %o: tensor<8x8x4xf32>) {
  // expected-error @below {{expected the same head sharing in key and value (C3), got 2 and 4}}
  %r = attn.attention ins(%q, %k, %v : tensor<8x8x4xf32>, tensor<4x9x4xf32>, tensor<2x9x4xf32>)
      outs(%o : tensor<8x8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (h, i, d)>,
            affine_map<(b, h, i, j, d, e) -> (h floordiv 2, j, d)>,
            affine_map<(b, h, i, j, d, e) -> (h floordiv 4, j, e)>,
            affine_map<(b, h, i, j, d, e) -> (h, i, e)>]
      -> tensor<8x8x4xf32>
  return
}

// -----

func.func @c3_lse_lacks_head(%q: tensor<2x8x4xf32>, %k: tensor<9x4xf32>, %v: tensor<9x4xf32>, %o: tensor<2x8x4xf32>, %l: tensor<8xf32>) {
  // expected-error @below {{expected the map of lse to use h, as another operand does (C3)}}
  %r:2 = attn.attention ins(%q, %k, %v : tensor<2x8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      outs(%o, %l : tensor<2x8x4xf32>, tensor<8xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (h, i, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>,
            affine_map<(b, h, i, j, d, e) -> (h, i, e)>,
            affine_map<(b, h, i, j, d, e) -> (i)>]
      -> tensor<2x8x4xf32>, tensor<8xf32>
  return
}
