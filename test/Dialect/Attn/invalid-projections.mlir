// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints of random projections, and of masks by blocks of positions.

func.func @gaussian_c1_rank() {
  // expected-error @below {{expected [slots, columns] or [heads, slots, columns] (C1)}}
  %r = attn.gaussian_projection seed 1 : tensor<4xf32>
  return
}

// -----

func.func @gaussian_c1_empty() {
  // expected-error @below {{expected slots and columns in [1, 2^32) (C1)}}
  %r = attn.gaussian_projection seed 1 : tensor<0x4xf32>
  return
}

// -----

// expected-error @below {{expected a size in [1, 2^40] (C1), got 0}}
#own = #attn.own_block<size = 0>

// -----

// expected-error @below {{expected slots in [1, 2^20] (C2), got 0}}
#past = #attn.finished_blocks<size = 4, slots = 0>

// -----

#e = affine_map<(s, t, d) -> (s, t)>
#k = affine_map<(s, t, d) -> (t, d)>
func.func @project_c1_type(%e: tensor<4x8xf32>, %k: tensor<8x16xf32>, %acc: tensor<4x16xf16>) {
  // expected-error @below {{expected weights and rows of two dimensions, acc [S, D] of f32 or f64 with a static D, and valid of i1 (C1)}}
  %r = attn.project ins(%e, %k : tensor<4x8xf32>, tensor<8x16xf32>) outs(%acc : tensor<4x16xf16>)
      maps [#e, #k] -> tensor<4x16xf16>
  return
}

// -----

#k = affine_map<(s, t, d) -> (t, d)>
func.func @project_c2_map(%e: tensor<4x8xf32>, %k: tensor<8x16xf32>, %acc: tensor<4x16xf32>) {
  // expected-error @below {{expected maps that are permutations of (s, t) and of (t, d) (C2)}}
  %r = attn.project ins(%e, %k : tensor<4x8xf32>, tensor<8x16xf32>) outs(%acc : tensor<4x16xf32>)
      maps [#k, #k] -> tensor<4x16xf32>
  return
}

// -----

#e = affine_map<(s, t, d) -> (s, t)>
#k = affine_map<(s, t, d) -> (t, d)>
func.func @project_c3_extent(%e: tensor<3x8xf32>, %k: tensor<8x16xf32>, %acc: tensor<4x16xf32>) {
  // expected-error @below {{expected weights for every slot of acc and every row (C3)}}
  %r = attn.project ins(%e, %k : tensor<3x8xf32>, tensor<8x16xf32>) outs(%acc : tensor<4x16xf32>)
      maps [#e, #k] -> tensor<4x16xf32>
  return
}

// -----

#e = affine_map<(s, t, d) -> (s, t)>
#k = affine_map<(s, t, d) -> (t, d)>
func.func @project_c4_result(%e: tensor<4x8xf32>, %k: tensor<8x16xf32>, %acc: tensor<4x16xf32>) {
  // expected-error @below {{expected the type of acc as result (C4)}}
  %r = attn.project ins(%e, %k : tensor<4x8xf32>, tensor<8x16xf32>) outs(%acc : tensor<4x16xf32>)
      maps [#e, #k] -> tensor<5x16xf32>
  return
}
