// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints C5 to C7 of attn.online_attention: extents, element types, and what is done to scores.

#q = affine_map<(g, i, j, d, e) -> (g, i, d)>
#k = affine_map<(g, i, j, d, e) -> (j, d)>
#v = affine_map<(g, i, j, d, e) -> (j, e)>
func.func @c5_keys(%q: tensor<1x8x4xf32>, %k: tensor<9x4xf32>, %v: tensor<7x4xf32>, %acc: tensor<1x8x4xf32>,
                   %m: tensor<1x8xf32>, %z: index) {
  // expected-error @below {{expected extent 9 for j in value (C5), got 7}}
  %r:3 = attn.online_attention ins(%q, %k, %v : tensor<1x8x4xf32>, tensor<9x4xf32>, tensor<7x4xf32>)
      state(%acc, %m, %m : tensor<1x8x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>) at(%z, %z, %z, %z) of(%z, %z)
      maps [#q, #k, #v] scale 1.0 -> tensor<1x8x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>
  return
}

// -----

#q = affine_map<(g, i, j, d, e) -> (g, i, d)>
#k = affine_map<(g, i, j, d, e) -> (j, d)>
#v = affine_map<(g, i, j, d, e) -> (j, e)>
#valid = affine_map<(g, i, j, d, e) -> (j)>
func.func @c5_key_valid(%q: memref<1x8x4xf32>, %k: memref<9x4xf32>, %valid: memref<8xi1>, %acc: memref<1x8x4xf32>,
                        %m: memref<1x8xf32>, %z: index) {
  // expected-error @below {{expected extent 9 for j in key_valid (C5), got 8}}
  attn.online_attention ins(%q, %k, %k : memref<1x8x4xf32>, memref<9x4xf32>, memref<9x4xf32>)
      key_valid(%valid : memref<8xi1>)
      state(%acc, %m, %m : memref<1x8x4xf32>, memref<1x8xf32>, memref<1x8xf32>) at(%z, %z, %z, %z) of(%z, %z)
      maps [#q, #k, #v, #valid] scale 1.0
  return
}

// -----

#q = affine_map<(g, i, j, d, e) -> (g, i, d)>
#k = affine_map<(g, i, j, d, e) -> (j, d)>
#v = affine_map<(g, i, j, d, e) -> (j, e)>
func.func @c5_group(%q: tensor<3x8x4xf32>, %k: tensor<9x4xf32>, %acc: tensor<2x8x4xf32>, %m: tensor<2x8xf32>,
                    %z: index) {
  // expected-error @below {{expected a state of the 3 heads of the group (C5), got 2}}
  %r:3 = attn.online_attention ins(%q, %k, %k : tensor<3x8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      state(%acc, %m, %m : tensor<2x8x4xf32>, tensor<2x8xf32>, tensor<2x8xf32>) at(%z, %z, %z, %z) of(%z, %z)
      maps [#q, #k, #v] scale 1.0 -> tensor<2x8x4xf32>, tensor<2x8xf32>, tensor<2x8xf32>
  return
}

// -----

#q = affine_map<(g, i, j, d, e) -> (g, i, d)>
#k = affine_map<(g, i, j, d, e) -> (j, d)>
#v = affine_map<(g, i, j, d, e) -> (j, e)>
func.func @c5_rows(%q: tensor<1x9x4xf32>, %k: tensor<9x4xf32>, %acc: tensor<1x8x4xf32>, %m: tensor<1x8xf32>,
                   %z: index) {
  // expected-error @below {{expected a state with room for 9 of i (C5), got 8}}
  %r:3 = attn.online_attention ins(%q, %k, %k : tensor<1x9x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      state(%acc, %m, %m : tensor<1x8x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>) at(%z, %z, %z, %z) of(%z, %z)
      maps [#q, #k, #v] scale 1.0 -> tensor<1x8x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>
  return
}

// -----

#q = affine_map<(g, i, j, d, e) -> (g, i, d)>
#k = affine_map<(g, i, j, d, e) -> (j, d)>
#v = affine_map<(g, i, j, d, e) -> (j, e)>
func.func @c6_value(%q: tensor<1x8x4xf32>, %k: tensor<9x4xf32>, %v: tensor<9x4xf16>, %acc: tensor<1x8x4xf32>,
                    %m: tensor<1x8xf32>, %z: index) {
  // expected-error @below {{expected query, key, value and relative to have one element type (C6), got 'f32' and 'f16'}}
  %r:3 = attn.online_attention ins(%q, %k, %v : tensor<1x8x4xf32>, tensor<9x4xf32>, tensor<9x4xf16>)
      state(%acc, %m, %m : tensor<1x8x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>) at(%z, %z, %z, %z) of(%z, %z)
      maps [#q, #k, #v] scale 1.0 -> tensor<1x8x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>
  return
}

// -----

#q = affine_map<(g, i, j, d, e) -> (g, i, d)>
#k = affine_map<(g, i, j, d, e) -> (j, d)>
#v = affine_map<(g, i, j, d, e) -> (j, e)>
func.func @c7_score_mod(%q: tensor<1x8x4xf32>, %k: tensor<9x4xf32>, %acc: tensor<1x8x4xf32>, %m: tensor<1x8xf32>,
                        %z: index) {
  // expected-error @below {{expected score_mod arguments ('f32', index, index, index, index) (C7)}}
  %r:3 = attn.online_attention ins(%q, %k, %k : tensor<1x8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      state(%acc, %m, %m : tensor<1x8x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>) at(%z, %z, %z, %z) of(%z, %z)
      maps [#q, #k, #v] scale 1.0 score_mod {
      ^bb0(%s: f32, %i: index, %j: index):
        attn.yield %s : f32
      } -> tensor<1x8x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>
  return
}

// -----

#q = affine_map<(g, i, j, d, e) -> (g, i, d)>
#k = affine_map<(g, i, j, d, e) -> (j, d)>
#v = affine_map<(g, i, j, d, e) -> (j, e)>
func.func @c7_impure(%q: tensor<1x8x4xf32>, %k: tensor<9x4xf32>, %acc: tensor<1x8x4xf32>, %m: tensor<1x8xf32>,
                     %z: index, %side: memref<f32>) {
  %r:3 = attn.online_attention ins(%q, %k, %k : tensor<1x8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      state(%acc, %m, %m : tensor<1x8x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>) at(%z, %z, %z, %z) of(%z, %z)
      maps [#q, #k, #v] scale 1.0 score_mod {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        // expected-error @below {{expected only pure operations in score_mod (C7)}}
        memref.store %s, %side[] : memref<f32>
        attn.yield %s : f32
      } -> tensor<1x8x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>
  return
}

// -----

#q = affine_map<(g, i, j, d, e) -> (g, i, d)>
#k = affine_map<(g, i, j, d, e) -> (j, d)>
#v = affine_map<(g, i, j, d, e) -> (j, e)>
func.func @c7_softcap(%q: tensor<1x8x4xf32>, %k: tensor<9x4xf32>, %acc: tensor<1x8x4xf32>, %m: tensor<1x8xf32>,
                      %z: index) {
  // expected-error @below {{expected a positive, finite softcap (C7), got -1}}
  %r:3 = attn.online_attention ins(%q, %k, %k : tensor<1x8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      state(%acc, %m, %m : tensor<1x8x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>) at(%z, %z, %z, %z) of(%z, %z)
      maps [#q, #k, #v] scale 1.0 softcap -1.0 -> tensor<1x8x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>
  return
}
