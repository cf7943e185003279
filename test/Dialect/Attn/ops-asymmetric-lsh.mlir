// RUN: attn-opt %s --verify-roundtrip -split-input-file | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// LSH attention with keys of its own, the sort by a number, and chunks of keys in an order of their own.

#q = affine_map<(b, h, i, j, d, e) -> (b, i, h, d)>
#k = affine_map<(b, h, i, j, d, e) -> (b, j, h, d)>
#v = affine_map<(b, h, i, j, d, e) -> (b, j, h, e)>
#o = affine_map<(b, h, i, j, d, e) -> (b, i, h, e)>
#l = affine_map<(b, h, i, j, d, e) -> (b, h, i)>
#i = affine_map<(b, h, i, j, d, e) -> (b, i)>
#j = affine_map<(b, h, i, j, d, e) -> (b, j)>
// CHECK-LABEL: func.func @smyrf
// CHECK: attn.asymmetric_lsh_attention
// CHECK-SAME: query_valid(%{{.*}} : tensor<1x?xi1>) key_valid(%{{.*}} : tensor<1x?xi1>) directions(%{{.*}} : tensor<8x4x66xf32>)
// CHECK-SAME: rounds 4 chunk 64 look_back 2 look_ahead 1 scale 5.000000e-01 {attn.label = "a"}
func.func @smyrf(%q: tensor<1x?x8x64xf32>, %k: tensor<1x?x8x64xf32>, %v: tensor<1x?x8x64xf32>, %p: tensor<1x?xi1>,
                 %a: tensor<8x4x66xf32>, %init: tensor<1x?x8x64xf32>, %lse: tensor<1x8x?xf32>)
    -> (tensor<1x?x8x64xf32>, tensor<1x8x?xf32>) {
  %r:2 = attn.asymmetric_lsh_attention ins(%q, %k, %v : tensor<1x?x8x64xf32>, tensor<1x?x8x64xf32>, tensor<1x?x8x64xf32>)
      query_valid(%p : tensor<1x?xi1>) key_valid(%p : tensor<1x?xi1>) directions(%a : tensor<8x4x66xf32>)
      outs(%init, %lse : tensor<1x?x8x64xf32>, tensor<1x8x?xf32>) maps [#q, #k, #v, #i, #j, #o, #l]
      rounds 4 chunk 64 look_back 2 look_ahead 1 scale 0.5 {attn.label = "a"} -> tensor<1x?x8x64xf32>, tensor<1x8x?xf32>
  return %r#0, %r#1 : tensor<1x?x8x64xf32>, tensor<1x8x?xf32>
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
// CHECK-LABEL: func.func @hashes
// CHECK: hashes(%{{.*}}, %{{.*}} : tensor<1x2x3x64xf32>, tensor<1x2x3x32xf32>)
func.func @hashes(%q: tensor<2x64x16xf32>, %k: tensor<2x32x16xf32>, %hq: tensor<1x2x3x64xf32>, %hk: tensor<1x2x3x32xf32>)
    -> tensor<2x64x16xf32> {
  %o = attn.asymmetric_lsh_attention ins(%q, %k, %k : tensor<2x64x16xf32>, tensor<2x32x16xf32>, tensor<2x32x16xf32>)
      hashes(%hq, %hk : tensor<1x2x3x64xf32>, tensor<1x2x3x32xf32>) outs(%q : tensor<2x64x16xf32>)
      maps [#q, #k, #v, #o] rounds 3 chunk 16 score_mod {
      ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
        attn.yield %s : f32
      } -> tensor<2x64x16xf32>
  return %o : tensor<2x64x16xf32>
}

// -----

// CHECK-LABEL: func.func @ranks
// CHECK: attn.rank_sort
func.func @ranks(%v: tensor<1x2x4x?xf32>, %o: tensor<1x2x4x?xi32>, %w: tensor<1x2x4x?xi32>) -> tensor<1x2x4x?xi32> {
  %r:2 = attn.rank_sort ins(%v : tensor<1x2x4x?xf32>) outs(%o, %w : tensor<1x2x4x?xi32>, tensor<1x2x4x?xi32>) chunk 16
      -> tensor<1x2x4x?xi32>, tensor<1x2x4x?xi32>
  return %r#0 : tensor<1x2x4x?xi32>
}
