// RUN: attn-opt %s --split-input-file --verify-diagnostics
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Constraints of the tile-level operations of LSH attention.

#x = affine_map<(b, h, i, d, e) -> (h, i, d)>
#t = affine_map<(b, h, i, d, e) -> (h, d, i)>

func.func @hash_c1_last(%x: tensor<2x16x64xf32>, %u: tensor<1x2x64xf32>) {
  // expected-error @below {{expected x of f16, bf16, f32 or f64 with a last dimension that is a static multiple of 8 (C1), got}}
  %r = attn.hash ins(%x : tensor<2x16x64xf32>) outs(%u : tensor<1x2x64xf32>) map #t buckets [8] epsilon 0.0
      -> tensor<1x2x64xf32>
  return
}

// -----

#x = affine_map<(b, h, i, d, e) -> (h, i, d)>
func.func @hash_c2(%x: tensor<2x64x16xf32>, %u: tensor<1x2x64xf32>, %b: tensor<1x2x4x64xi32>) {
  // expected-error @below {{expected rotations and bucket to go together (C2)}}
  %r:2 = attn.hash ins(%x : tensor<2x64x16xf32>) outs(%u, %b : tensor<1x2x64xf32>, tensor<1x2x4x64xi32>) map #x
      buckets [8] epsilon 0.0 -> tensor<1x2x64xf32>, tensor<1x2x4x64xi32>
  return
}

// -----

#x = affine_map<(b, h, i, d, e) -> (h, i, d)>
func.func @hash_c3(%x: tensor<2x64x16xf32>, %u: tensor<1x2x64xf32>) {
  // expected-error @below {{expected result types equal to the types of the destinations (C3)}}
  %r = attn.hash ins(%x : tensor<2x64x16xf32>) outs(%u : tensor<1x2x64xf32>) map #x buckets [8] epsilon 0.0
      -> tensor<1x2x63xf32>
  return
}

// -----

func.func @sort_c1_rank(%b: tensor<2x4x64xi32>, %o: tensor<1x2x4x64xi32>) {
  // expected-error @below {{expected bucket of rank 4 and a type that fits (C1), got}}
  %r = attn.bucket_sort ins(%b : tensor<2x4x64xi32>) outs(%o : tensor<1x2x4x64xi32>) num_buckets 8 chunk 16 stride 2
      -> tensor<1x2x4x64xi32>
  return
}

// -----

func.func @sort_c1_valid(%b: tensor<1x2x4x64xi32>, %p: tensor<64xi8>, %o: tensor<1x2x4x64xi32>) {
  // expected-error @below {{expected valid of [N] or [B, N] of i1 (C1), got}}
  %r = attn.bucket_sort ins(%b : tensor<1x2x4x64xi32>) valid(%p : tensor<64xi8>) outs(%o : tensor<1x2x4x64xi32>)
      num_buckets 8 chunk 16 stride 2 -> tensor<1x2x4x64xi32>
  return
}

// -----

func.func @sort_c2(%b: tensor<1x2x4x64xi32>, %o: tensor<1x2x4x64xi32>) {
  // expected-error @below {{expected result types equal to the types of the destinations (C2)}}
  %r = attn.bucket_sort ins(%b : tensor<1x2x4x64xi32>) outs(%o : tensor<1x2x4x64xi32>) num_buckets 8 chunk 16 stride 2
      -> tensor<1x2x4x63xi32>
  return
}

// -----

#x = affine_map<(b, h, i, d, e) -> (h, i, d)>
#v = affine_map<(b, h, i, d, e) -> (h, i, e)>
func.func @chunks_c1(%x: tensor<2x64x16xf32>, %u: tensor<1x2x64xf32>, %order: tensor<1x2x4x64xi32>, %s: tensor<1x2x64xf32>) {
  // expected-error @below {{expected state of rank 4 and a type that fits (C1), got}}
  %r:2 = attn.lsh_chunks ins(%x, %x, %u, %order : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<1x2x64xf32>,
      tensor<1x2x4x64xi32>) outs(%x, %s : tensor<2x64x16xf32>, tensor<1x2x64xf32>) maps [#x, #v, #v] chunk 16 window(1, 0) scale 1.0
      -> tensor<2x64x16xf32>, tensor<1x2x64xf32>
  return
}

// -----

#x = affine_map<(b, h, i, d, e) -> (h, i, d)>
#v = affine_map<(b, h, i, d, e) -> (h, i, e)>
func.func @chunks_c2(%x: tensor<2x64x16xf32>, %u: tensor<1x2x64xf32>, %order: tensor<1x2x4x64xi32>, %s: tensor<2x1x2x64xf32>) {
  // expected-error @below {{expected 3 maps (C2), got 2}}
  %r:2 = attn.lsh_chunks ins(%x, %x, %u, %order : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<1x2x64xf32>,
      tensor<1x2x4x64xi32>) outs(%x, %s : tensor<2x64x16xf32>, tensor<2x1x2x64xf32>) maps [#x, #v] chunk 16 window(1, 0) scale 1.0
      -> tensor<2x64x16xf32>, tensor<2x1x2x64xf32>
  return
}

// -----

#x = affine_map<(b, h, i, d, e) -> (h, i, d)>
#v = affine_map<(b, h, i, d, e) -> (h, i, e)>
func.func @chunks_c3(%x: tensor<2x64x16xf32>, %u: tensor<1x2x64xf32>, %order: tensor<1x2x4x64xi32>, %s: tensor<2x1x2x64xf32>) {
  // expected-error @below {{expected result types equal to the types of the destinations (C3)}}
  %r:2 = attn.lsh_chunks ins(%x, %x, %u, %order : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<1x2x64xf32>,
      tensor<1x2x4x64xi32>) outs(%x, %s : tensor<2x64x16xf32>, tensor<2x1x2x64xf32>) maps [#x, #v, #v] chunk 16 window(1, 0) scale 1.0
      -> tensor<2x64x16xf32>, tensor<2x1x2x63xf32>
  return
}

// -----

func.func @rank_c1(%v: tensor<1x2x4x64xf16>, %o: tensor<1x2x4x64xi32>) {
  // expected-error @below {{expected value of rank 4 and a type that fits (C1), got}}
  %r:2 = attn.rank_sort ins(%v : tensor<1x2x4x64xf16>) outs(%o, %o : tensor<1x2x4x64xi32>, tensor<1x2x4x64xi32>) chunk 16
      -> tensor<1x2x4x64xi32>, tensor<1x2x4x64xi32>
  return
}

// -----

func.func @rank_c2(%v: tensor<1x2x4x64xf32>, %o: tensor<1x2x4x64xi32>) {
  // expected-error @below {{expected a positive chunk (C2), got 0}}
  %r:2 = attn.rank_sort ins(%v : tensor<1x2x4x64xf32>) outs(%o, %o : tensor<1x2x4x64xi32>, tensor<1x2x4x64xi32>) chunk 0
      -> tensor<1x2x4x64xi32>, tensor<1x2x4x64xi32>
  return
}

// -----

#x = affine_map<(b, h, i, d, e) -> (h, i, d)>
#v = affine_map<(b, h, i, d, e) -> (h, i, e)>
func.func @chunks_c4(%x: tensor<2x64x16xf32>, %u: tensor<1x2x64xf32>, %o: tensor<1x2x4x64xi32>, %s: tensor<2x1x2x64xf32>) {
  // expected-error @below {{expected keys with a key_chunk and without first and end, and key_code where there is code, or none of them (C4)}}
  %r:2 = attn.lsh_chunks ins(%x, %x, %u, %o : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<1x2x64xf32>, tensor<1x2x4x64xi32>)
      keys(%x, %o : tensor<2x64x16xf32>, tensor<1x2x4x64xi32>) outs(%x, %s : tensor<2x64x16xf32>, tensor<2x1x2x64xf32>)
      maps [#x, #v, #v, #x] chunk 16 window(1, 0) scale 1.0 -> tensor<2x64x16xf32>, tensor<2x1x2x64xf32>
  return
}
