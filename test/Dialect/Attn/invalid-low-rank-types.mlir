// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints C4 to C7 of attn.low_rank_attention: extents and types.

func.func @c4_extent(%q: tensor<4x8xf32>, %k: tensor<4x6xf32>, %v: tensor<4x8xf32>, %E: tensor<2x4xf32>, %F: tensor<2x4xf32>, %o: tensor<4x8xf32>) {
  // expected-error @below {{expected extent 8 for d in key (C4), got 6}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<4x8xf32>, tensor<4x6xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<2x4xf32>, tensor<2x4xf32>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      -> tensor<4x8xf32>
  return
}

// -----

func.func @c4_slots(%q: tensor<4x8xf32>, %k: tensor<4x8xf32>, %v: tensor<4x8xf32>, %E: tensor<2x4xf32>, %F: tensor<3x4xf32>, %o: tensor<4x8xf32>) {
  // expected-error @below {{expected extent 2 for s in value_projection (C4), got 3}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<2x4xf32>, tensor<3x4xf32>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      -> tensor<4x8xf32>
  return
}

// -----

func.func @c5_head_size(%q: tensor<4x2000xf32>, %k: tensor<4x2000xf32>, %v: tensor<4x8xf32>, %E: tensor<2x4xf32>, %F: tensor<2x4xf32>, %o: tensor<4x8xf32>) {
  // expected-error @below {{expected a static extent of d in [1, 1024] (C5), got 2000}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<4x2000xf32>, tensor<4x2000xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<2x4xf32>, tensor<2x4xf32>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      -> tensor<4x8xf32>
  return
}

// -----

func.func @c5_slots(%q: tensor<4x8xf32>, %k: tensor<4x8xf32>, %v: tensor<4x8xf32>, %E: tensor<?x4xf32>, %F: tensor<?x4xf32>, %o: tensor<4x8xf32>) {
  // expected-error @below {{expected a static extent of s in [1, 2^16] (C5), got a dynamic one}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<?x4xf32>, tensor<?x4xf32>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      -> tensor<4x8xf32>
  return
}

// -----

func.func @c6_type(%q: tensor<4x8xf32>, %k: tensor<4x8xf16>, %v: tensor<4x8xf32>, %E: tensor<2x4xf32>, %F: tensor<2x4xf32>, %o: tensor<4x8xf32>) {
  // expected-error @below {{expected query, key, value and output to have one element type (C6), got 'f32' and 'f16'}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<4x8xf32>, tensor<4x8xf16>, tensor<4x8xf32>)
      projections(%E, %F : tensor<2x4xf32>, tensor<2x4xf32>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      -> tensor<4x8xf32>
  return
}

// -----

func.func @c6_integers(%q: tensor<4x8xi32>, %k: tensor<4x8xi32>, %v: tensor<4x8xi32>, %E: tensor<2x4xf32>, %F: tensor<2x4xf32>, %o: tensor<4x8xi32>) {
  // expected-error @below {{expected operands of f16, bf16, f32 or f64 (C6), got 'i32'}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<4x8xi32>, tensor<4x8xi32>, tensor<4x8xi32>)
      projections(%E, %F : tensor<2x4xf32>, tensor<2x4xf32>)
      outs(%o : tensor<4x8xi32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      -> tensor<4x8xi32>
  return
}

// -----

func.func @c6_projection(%q: tensor<4x8xf32>, %k: tensor<4x8xf32>, %v: tensor<4x8xf32>, %E: tensor<2x4xi8>, %F: tensor<2x4xi8>, %o: tensor<4x8xf32>) {
  // expected-error @below {{expected floating-point projections (C6), got 'i8'}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<2x4xi8>, tensor<2x4xi8>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      -> tensor<4x8xf32>
  return
}

// -----

func.func @c6_lse(%q: tensor<4x8xf32>, %k: tensor<4x8xf32>, %v: tensor<4x8xf32>, %E: tensor<2x4xf32>, %F: tensor<2x4xf32>, %o: tensor<4x8xf32>, %l: tensor<4xf64>) {
  // expected-error @below {{expected lse of 'f32' (C6), got 'f64'}}
  %r:2 = attn.low_rank_attention ins(%q, %k, %v : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<2x4xf32>, tensor<2x4xf32>)
      outs(%o, %l : tensor<4x8xf32>, tensor<4xf64>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>,
            affine_map<(b, h, i, j, s, d, e) -> (i)>]
      -> tensor<4x8xf32>, tensor<4xf64>
  return
}

// -----

func.func @c6_valid(%q: tensor<4x8xf32>, %k: tensor<4x8xf32>, %v: tensor<4x8xf32>, %E: tensor<2x4xf32>, %F: tensor<2x4xf32>, %m: tensor<4xi8>, %o: tensor<4x8xf32>) {
  // expected-error @below {{expected key_valid of i1 (C6), got 'i8'}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<2x4xf32>, tensor<2x4xf32>) key_valid(%m : tensor<4xi8>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (j)>,
            affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      -> tensor<4x8xf32>
  return
}

// -----

func.func @c7_results(%q: tensor<4x8xf32>, %k: tensor<4x8xf32>, %v: tensor<4x8xf32>, %E: tensor<2x4xf32>, %F: tensor<2x4xf32>, %o: tensor<4x8xf32>) {
  // expected-error @below {{expected result types equal to the types of output and lse (C7)}}
  %r = attn.low_rank_attention ins(%q, %k, %v : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      projections(%E, %F : tensor<2x4xf32>, tensor<2x4xf32>)
      outs(%o : tensor<4x8xf32>)
      maps [affine_map<(b, h, i, j, s, d, e) -> (i, d)>, affine_map<(b, h, i, j, s, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, s, d, e) -> (j, e)>, affine_map<(b, h, i, j, s, d, e) -> (s, j)>,
            affine_map<(b, h, i, j, s, d, e) -> (s, j)>, affine_map<(b, h, i, j, s, d, e) -> (i, e)>]
      -> tensor<4x8xf64>
  return
}
