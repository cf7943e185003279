// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints C5 to C11 of attn.lsh_attention: its parameters and what follows from them.

func.func @c5_rounds(%x: tensor<2x64x16xf32>, %v: tensor<2x64x16xf32>, %o: tensor<2x64x16xf32>, %g: tensor<2x16x4x4xf32>) {
  // expected-error @below {{expected rounds in [1, 64] (C5), got 0}}
  %r = attn.lsh_attention ins(%x, %v : tensor<2x64x16xf32>, tensor<2x64x16xf32>) rotations(%g : tensor<2x16x4x4xf32>)
      outs(%o : tensor<2x64x16xf32>) maps [affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (h, i, e)>, affine_map<(b, h, i, d, e) -> (h, i, e)>]
      rounds 0 chunk 16 buckets [8] -> tensor<2x64x16xf32>
  return
}

// -----

func.func @c5_chunk(%x: tensor<2x64x16xf32>, %v: tensor<2x64x16xf32>, %o: tensor<2x64x16xf32>, %g: tensor<2x16x4x4xf32>) {
  // expected-error @below {{expected a chunk of at least 1 and at most the sequence}}
  %r = attn.lsh_attention ins(%x, %v : tensor<2x64x16xf32>, tensor<2x64x16xf32>) rotations(%g : tensor<2x16x4x4xf32>)
      outs(%o : tensor<2x64x16xf32>) maps [affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (h, i, e)>, affine_map<(b, h, i, d, e) -> (h, i, e)>]
      rounds 4 chunk 0 buckets [8] -> tensor<2x64x16xf32>
  return
}

// -----

func.func @c5_beyond(%x: tensor<2x64x16xf32>, %v: tensor<2x64x16xf32>, %o: tensor<2x64x16xf32>, %g: tensor<2x16x4x4xf32>) {
  // expected-error @below {{expected a chunk of at least 1 and at most the sequence's length (C5), got 65}}
  %r = attn.lsh_attention ins(%x, %v : tensor<2x64x16xf32>, tensor<2x64x16xf32>) rotations(%g : tensor<2x16x4x4xf32>)
      outs(%o : tensor<2x64x16xf32>) maps [affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (h, i, e)>, affine_map<(b, h, i, d, e) -> (h, i, e)>]
      rounds 4 chunk 65 buckets [8] -> tensor<2x64x16xf32>
  return
}

// -----

func.func @c5_window(%x: tensor<2x64x16xf32>, %v: tensor<2x64x16xf32>, %o: tensor<2x64x16xf32>, %g: tensor<2x16x4x4xf32>) {
  // expected-error @below {{expected look_back and look_ahead of at least 0}}
  %r = attn.lsh_attention ins(%x, %v : tensor<2x64x16xf32>, tensor<2x64x16xf32>) rotations(%g : tensor<2x16x4x4xf32>)
      outs(%o : tensor<2x64x16xf32>) maps [affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (h, i, e)>, affine_map<(b, h, i, d, e) -> (h, i, e)>]
      rounds 4 chunk 16 buckets [8] look_back -1 -> tensor<2x64x16xf32>
  return
}

// -----

func.func @c6_odd(%x: tensor<2x64x16xf32>, %v: tensor<2x64x16xf32>, %o: tensor<2x64x16xf32>, %g: tensor<2x16x4x4xf32>) {
  // expected-error @below {{expected even, positive numbers of buckets (C6), got 7}}
  %r = attn.lsh_attention ins(%x, %v : tensor<2x64x16xf32>, tensor<2x64x16xf32>) rotations(%g : tensor<2x16x4x4xf32>)
      outs(%o : tensor<2x64x16xf32>) maps [affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (h, i, e)>, affine_map<(b, h, i, d, e) -> (h, i, e)>]
      rounds 4 chunk 16 buckets [7] -> tensor<2x64x16xf32>
  return
}

// -----

func.func @c6_many(%x: tensor<2x64x16xf32>, %v: tensor<2x64x16xf32>, %o: tensor<2x64x16xf32>, %g: tensor<2x16x4x4xf32>) {
  // expected-error @below {{expected at most 1048576 buckets (C6)}}
  %r = attn.lsh_attention ins(%x, %v : tensor<2x64x16xf32>, tensor<2x64x16xf32>) rotations(%g : tensor<2x16x4x4xf32>)
      outs(%o : tensor<2x64x16xf32>) maps [affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (h, i, e)>, affine_map<(b, h, i, d, e) -> (h, i, e)>]
      rounds 4 chunk 16 buckets [1024, 2048] -> tensor<2x64x16xf32>
  return
}

// -----

func.func @c7_both(%x: tensor<2x64x16xf32>, %v: tensor<2x64x16xf32>, %o: tensor<2x64x16xf32>, %g: tensor<2x16x4x4xf32>, %b: tensor<1x2x4x64xi32>) {
  // expected-error @below {{expected either rotations or injected buckets (C7)}}
  %r = attn.lsh_attention ins(%x, %v : tensor<2x64x16xf32>, tensor<2x64x16xf32>) rotations(%g : tensor<2x16x4x4xf32>) injected(%b : tensor<1x2x4x64xi32>)
      outs(%o : tensor<2x64x16xf32>) maps [affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (h, i, e)>, affine_map<(b, h, i, d, e) -> (h, i, e)>]
      rounds 4 chunk 16 buckets [8] -> tensor<2x64x16xf32>
  return
}

// -----

func.func @c7_rotations(%x: tensor<2x64x16xf32>, %v: tensor<2x64x16xf32>, %o: tensor<2x64x16xf32>, %g: tensor<2x16x4x5xf32>) {
  // expected-error @below {{expected rotations of 2x16x4x4 (C7), got}}
  %r = attn.lsh_attention ins(%x, %v : tensor<2x64x16xf32>, tensor<2x64x16xf32>) rotations(%g : tensor<2x16x4x5xf32>)
      outs(%o : tensor<2x64x16xf32>) maps [affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (h, i, e)>, affine_map<(b, h, i, d, e) -> (h, i, e)>]
      rounds 4 chunk 16 buckets [8] -> tensor<2x64x16xf32>
  return
}

// -----

func.func @c7_injected(%x: tensor<2x64x16xf32>, %v: tensor<2x64x16xf32>, %o: tensor<2x64x16xf32>, %b: tensor<1x2x3x64xi32>) {
  // expected-error @below {{expected injected buckets of batch x heads x rounds x positions (C7), got}}
  %r = attn.lsh_attention ins(%x, %v : tensor<2x64x16xf32>, tensor<2x64x16xf32>) injected(%b : tensor<1x2x3x64xi32>)
      outs(%o : tensor<2x64x16xf32>) maps [affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (h, i, e)>, affine_map<(b, h, i, d, e) -> (h, i, e)>]
      rounds 4 chunk 16 buckets [8] -> tensor<2x64x16xf32>
  return
}

// -----

func.func @c8_ahead(%x: tensor<2x64x16xf32>, %v: tensor<2x64x16xf32>, %o: tensor<2x64x16xf32>, %g: tensor<2x16x4x4xf32>) {
  // expected-error @below {{expected look_ahead of 0 under causal (C8), got 1}}
  %r = attn.lsh_attention ins(%x, %v : tensor<2x64x16xf32>, tensor<2x64x16xf32>) rotations(%g : tensor<2x16x4x4xf32>)
      outs(%o : tensor<2x64x16xf32>) maps [affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (h, i, e)>, affine_map<(b, h, i, d, e) -> (h, i, e)>]
      rounds 4 chunk 16 buckets [8] look_ahead 1 causal -> tensor<2x64x16xf32>
  return
}

// -----

func.func @c9_overwrite(%x: tensor<2x64x16xf32>, %v: tensor<2x64x16xf32>, %o: tensor<2x64x16xf32>, %g: tensor<2x16x4x4xf32>) {
  // expected-error @below {{expected no score_mod where self_mode is overwrite (C9)}}
  %r = attn.lsh_attention ins(%x, %v : tensor<2x64x16xf32>, tensor<2x64x16xf32>) rotations(%g : tensor<2x16x4x4xf32>)
      outs(%o : tensor<2x64x16xf32>) maps [affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (h, i, e)>, affine_map<(b, h, i, d, e) -> (h, i, e)>]
      rounds 4 chunk 16 buckets [8] self_mode overwrite score_mod {
      ^bb0(%s: f32, %hb: index, %h: index, %i: index, %j: index):
        attn.yield %s : f32
      } -> tensor<2x64x16xf32>
  return
}

// -----

func.func @c9_type(%x: tensor<2x64x16xf32>, %v: tensor<2x64x16xf32>, %o: tensor<2x64x16xf32>, %g: tensor<2x16x4x4xf32>) {
  // expected-error @below {{expected score_mod to end with an attn.yield of 'f32' (C9)}}
  %r = attn.lsh_attention ins(%x, %v : tensor<2x64x16xf32>, tensor<2x64x16xf32>) rotations(%g : tensor<2x16x4x4xf32>)
      outs(%o : tensor<2x64x16xf32>) maps [affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (h, i, e)>, affine_map<(b, h, i, d, e) -> (h, i, e)>]
      rounds 4 chunk 16 buckets [8] score_mod {
      ^bb0(%s: f32, %hb: index, %h: index, %i: index, %j: index):
        %wide = arith.extf %s : f32 to f64
        attn.yield %wide : f64
      } -> tensor<2x64x16xf32>
  return
}

// -----

func.func @c10_eps(%x: tensor<2x64x16xf32>, %v: tensor<2x64x16xf32>, %o: tensor<2x64x16xf32>, %g: tensor<2x16x4x4xf32>) {
  // expected-error @below {{expected a finite key_eps of at least 0 (C10), got}}
  %r = attn.lsh_attention ins(%x, %v : tensor<2x64x16xf32>, tensor<2x64x16xf32>) rotations(%g : tensor<2x16x4x4xf32>)
      outs(%o : tensor<2x64x16xf32>) maps [affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (h, i, e)>, affine_map<(b, h, i, d, e) -> (h, i, e)>]
      rounds 4 chunk 16 buckets [8] {key_eps = -1.0 : f64} -> tensor<2x64x16xf32>
  return
}

// -----

func.func @c11_results(%x: tensor<2x64x16xf32>, %v: tensor<2x64x16xf32>, %o: tensor<2x64x16xf32>, %g: tensor<2x16x4x4xf32>) {
  // expected-error @below {{expected result types equal to the types of output and lse (C11)}}
  %r = attn.lsh_attention ins(%x, %v : tensor<2x64x16xf32>, tensor<2x64x16xf32>) rotations(%g : tensor<2x16x4x4xf32>)
      outs(%o : tensor<2x64x16xf32>) maps [affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (h, i, e)>, affine_map<(b, h, i, d, e) -> (h, i, e)>]
      rounds 4 chunk 16 buckets [8] -> tensor<2x63x16xf32>
  return
}
