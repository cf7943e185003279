// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints C1 to C4 of attn.lsh_attention: maps, extents and types of its operands.

func.func @c1_number(%x: tensor<2x64x16xf32>, %v: tensor<2x64x16xf32>, %o: tensor<2x64x16xf32>, %g: tensor<2x16x4x4xf32>) {
  // expected-error @below {{expected one indexing map per operand (C1), got 2 maps for 3 operands}}
  %r = attn.lsh_attention ins(%x, %v : tensor<2x64x16xf32>, tensor<2x64x16xf32>) rotations(%g : tensor<2x16x4x4xf32>)
      outs(%o : tensor<2x64x16xf32>) maps [affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (h, i, e)>]
      rounds 4 chunk 16 buckets [8] -> tensor<2x64x16xf32>
  return
}

// -----

func.func @c1_rank(%x: tensor<2x64x16xf32>, %v: tensor<2x64x16xf32>, %o: tensor<2x64x16xf32>, %g: tensor<2x16x4x4xf32>) {
  // expected-error @below {{expected the map of x to take 5 dimensions to 3 results (C1)}}
  %r = attn.lsh_attention ins(%x, %v : tensor<2x64x16xf32>, tensor<2x64x16xf32>) rotations(%g : tensor<2x16x4x4xf32>)
      outs(%o : tensor<2x64x16xf32>) maps [affine_map<(b, h, i, d, e) -> (i, d)>, affine_map<(b, h, i, d, e) -> (h, i, e)>, affine_map<(b, h, i, d, e) -> (h, i, e)>]
      rounds 4 chunk 16 buckets [8] -> tensor<2x64x16xf32>
  return
}

// -----

func.func @c2_twice(%x: tensor<2x64x16xf32>, %v: tensor<2x64x16xf32>, %o: tensor<2x64x16xf32>, %g: tensor<2x16x4x4xf32>) {
  // expected-error @below {{expected distinct dimensions in the map of value (C2), got i twice}}
  %r = attn.lsh_attention ins(%x, %v : tensor<2x64x16xf32>, tensor<2x64x16xf32>) rotations(%g : tensor<2x16x4x4xf32>)
      outs(%o : tensor<2x64x16xf32>) maps [affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (i, i, e)>, affine_map<(b, h, i, d, e) -> (h, i, e)>]
      rounds 4 chunk 16 buckets [8] -> tensor<2x64x16xf32>
  return
}

// -----

func.func @c2_missing(%x: tensor<2x64x16xf32>, %v: tensor<2x64x16xf32>, %o: tensor<2x64x16xf32>, %g: tensor<2x16x4x4xf32>) {
  // expected-error @below {{expected the map of x to use d (C2)}}
  %r = attn.lsh_attention ins(%x, %v : tensor<2x64x16xf32>, tensor<2x64x16xf32>) rotations(%g : tensor<2x16x4x4xf32>)
      outs(%o : tensor<2x64x16xf32>) maps [affine_map<(b, h, i, d, e) -> (b, h, i)>, affine_map<(b, h, i, d, e) -> (h, i, e)>, affine_map<(b, h, i, d, e) -> (h, i, e)>]
      rounds 4 chunk 16 buckets [8] -> tensor<2x64x16xf32>
  return
}

// -----

func.func @c2_foreign(%x: tensor<2x64x16xf32>, %v: tensor<2x64x16xf32>, %o: tensor<2x64x16xf32>, %g: tensor<2x16x4x4xf32>) {
  // expected-error @below {{expected the map of value not to use d (C2)}}
  %r = attn.lsh_attention ins(%x, %v : tensor<2x64x16xf32>, tensor<2x64x16xf32>) rotations(%g : tensor<2x16x4x4xf32>)
      outs(%o : tensor<2x64x16xf32>) maps [affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (h, i, e)>]
      rounds 4 chunk 16 buckets [8] -> tensor<2x64x16xf32>
  return
}

// -----

func.func @c2_heads(%x: tensor<2x64x16xf32>, %v: tensor<2x64x16xf32>, %o: tensor<1x64x16xf32>, %g: tensor<2x16x4x4xf32>) {
  // expected-error @below {{expected the map of output to use h, as another operand does (C2)}}
  %r = attn.lsh_attention ins(%x, %v : tensor<2x64x16xf32>, tensor<2x64x16xf32>) rotations(%g : tensor<2x16x4x4xf32>)
      outs(%o : tensor<1x64x16xf32>) maps [affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (h, i, e)>, affine_map<(b, h, i, d, e) -> (b, i, e)>]
      rounds 4 chunk 16 buckets [8] -> tensor<1x64x16xf32>
  return
}

// -----

func.func @c2_lse(%x: tensor<2x64x16xf32>, %v: tensor<2x64x16xf32>, %o: tensor<2x64x16xf32>, %g: tensor<2x16x4x4xf32>, %l: tensor<64xf32>) {
  // expected-error @below {{expected the map of lse to use h, as another operand does (C2)}}
  %r:2 = attn.lsh_attention ins(%x, %v : tensor<2x64x16xf32>, tensor<2x64x16xf32>) rotations(%g : tensor<2x16x4x4xf32>)
      outs(%o, %l : tensor<2x64x16xf32>, tensor<64xf32>) maps [affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (h, i, e)>, affine_map<(b, h, i, d, e) -> (h, i, e)>, affine_map<(b, h, i, d, e) -> (i)>]
      rounds 4 chunk 16 buckets [8] -> tensor<2x64x16xf32>, tensor<64xf32>
  return
}

// -----

func.func @c3_lengths(%x: tensor<2x64x16xf32>, %v: tensor<2x63x16xf32>, %o: tensor<2x64x16xf32>, %g: tensor<2x16x4x4xf32>) {
  // expected-error @below {{expected extent 64 for i in value (C3), got 63}}
  %r = attn.lsh_attention ins(%x, %v : tensor<2x64x16xf32>, tensor<2x63x16xf32>) rotations(%g : tensor<2x16x4x4xf32>)
      outs(%o : tensor<2x64x16xf32>) maps [affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (h, i, e)>, affine_map<(b, h, i, d, e) -> (h, i, e)>]
      rounds 4 chunk 16 buckets [8] -> tensor<2x64x16xf32>
  return
}

// -----

func.func @c3_size(%x: tensor<2x64x?xf32>, %v: tensor<2x64x16xf32>, %o: tensor<2x64x16xf32>, %g: tensor<2x16x4x4xf32>) {
  // expected-error @below {{expected a static extent of d in [1, 1024] (C3)}}
  %r = attn.lsh_attention ins(%x, %v : tensor<2x64x?xf32>, tensor<2x64x16xf32>) rotations(%g : tensor<2x16x4x4xf32>)
      outs(%o : tensor<2x64x16xf32>) maps [affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (h, i, e)>, affine_map<(b, h, i, d, e) -> (h, i, e)>]
      rounds 4 chunk 16 buckets [8] -> tensor<2x64x16xf32>
  return
}

// -----

func.func @c4_x(%x: tensor<2x64x16xi32>, %v: tensor<2x64x16xi32>, %o: tensor<2x64x16xi32>, %g: tensor<2x16x4x4xf32>) {
  // expected-error @below {{expected x of f16, bf16, f32 or f64 (C4), got}}
  %r = attn.lsh_attention ins(%x, %v : tensor<2x64x16xi32>, tensor<2x64x16xi32>) rotations(%g : tensor<2x16x4x4xf32>)
      outs(%o : tensor<2x64x16xi32>) maps [affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (h, i, e)>, affine_map<(b, h, i, d, e) -> (h, i, e)>]
      rounds 4 chunk 16 buckets [8] -> tensor<2x64x16xi32>
  return
}

// -----

func.func @c4_value(%x: tensor<2x64x16xf32>, %v: tensor<2x64x16xf16>, %o: tensor<2x64x16xf32>, %g: tensor<2x16x4x4xf32>) {
  // expected-error @below {{expected value of the type of x (C4), got}}
  %r = attn.lsh_attention ins(%x, %v : tensor<2x64x16xf32>, tensor<2x64x16xf16>) rotations(%g : tensor<2x16x4x4xf32>)
      outs(%o : tensor<2x64x16xf32>) maps [affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (h, i, e)>, affine_map<(b, h, i, d, e) -> (h, i, e)>]
      rounds 4 chunk 16 buckets [8] -> tensor<2x64x16xf32>
  return
}

// -----

func.func @c4_valid(%x: tensor<2x64x16xf32>, %v: tensor<2x64x16xf32>, %o: tensor<2x64x16xf32>, %p: tensor<64xi8>, %g: tensor<2x16x4x4xf32>) {
  // expected-error @below {{expected valid of i1 (C4), got}}
  %r = attn.lsh_attention ins(%x, %v : tensor<2x64x16xf32>, tensor<2x64x16xf32>) valid(%p : tensor<64xi8>) rotations(%g : tensor<2x16x4x4xf32>)
      outs(%o : tensor<2x64x16xf32>) maps [affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (h, i, e)>, affine_map<(b, h, i, d, e) -> (i)>, affine_map<(b, h, i, d, e) -> (h, i, e)>]
      rounds 4 chunk 16 buckets [8] -> tensor<2x64x16xf32>
  return
}
