// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraint C8 of attn.attention: the score-mod region, and where attn.yield may stand.

func.func @c8_arguments(%q: tensor<8x4xf32>, %k: tensor<9x4xf32>, %v: tensor<9x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected score_mod arguments ('f32', index, index, index, index) (C8)}}
  %r = attn.attention ins(%q, %k, %v : tensor<8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      outs(%o : tensor<8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>,
            affine_map<(b, h, i, j, d, e) -> (i, e)>]
      score_mod {
      ^bb0(%s: f64, %b: index, %h: index, %i: index, %j: index):
        attn.yield %s : f64
      }
      -> tensor<8x4xf32>
  return
}

// -----

func.func @c8_yield(%q: tensor<8x4xf32>, %k: tensor<9x4xf32>, %v: tensor<9x4xf32>, %o: tensor<8x4xf32>) {
  // expected-error @below {{expected score_mod to end with an attn.yield of 'f32' (C8)}}
  %r = attn.attention ins(%q, %k, %v : tensor<8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      outs(%o : tensor<8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>,
            affine_map<(b, h, i, j, d, e) -> (i, e)>]
      score_mod {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        %wide = arith.extf %s : f32 to f64
        attn.yield %wide : f64
      }
      -> tensor<8x4xf32>
  return
}

// -----

func.func private @log(f32)

func.func @c8_impure(%q: tensor<8x4xf32>, %k: tensor<9x4xf32>, %o: tensor<8x4xf32>) {
  %r = attn.attention ins(%q, %k, %k : tensor<8x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
      outs(%o : tensor<8x4xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (i, d)>, affine_map<(b, h, i, j, d, e) -> (j, d)>,
            affine_map<(b, h, i, j, d, e) -> (j, e)>, affine_map<(b, h, i, j, d, e) -> (i, e)>]
      score_mod {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        // expected-error @below {{expected only pure operations in score_mod (C8)}}
        func.call @log(%s) : (f32) -> ()
        attn.yield %s : f32
      } -> tensor<8x4xf32>
  return
}

// -----

func.func @yield_outside(%s: f32) {
  // expected-error @below {{expects parent op}}
  attn.yield %s : f32
}
