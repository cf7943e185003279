// RUN: attn-opt %s | attn-opt | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Low-rank attention, its projections and masks survive a round trip.

#q = affine_map<(b, h, i, j, s, d, e) -> (b, i, h, d)>
#k = affine_map<(b, h, i, j, s, d, e) -> (b, j, h floordiv 4, d)>
#v = affine_map<(b, h, i, j, s, d, e) -> (b, j, h floordiv 4, e)>
#headwise = affine_map<(b, h, i, j, s, d, e) -> (s, j)>
#own = affine_map<(b, h, i, j, s, d, e) -> (h, s, j)>
#valid = affine_map<(b, h, i, j, s, d, e) -> (b, j)>
#o = affine_map<(b, h, i, j, s, d, e) -> (b, i, h, e)>
#lse = affine_map<(b, h, i, j, s, d, e) -> (b, h, i)>

// CHECK-LABEL: func @all_operands
// CHECK: attn.low_rank_attention ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<2x?x8x64xf16>, tensor<2x?x2x64xf16>, tensor<2x?x2x32xf16>)
// CHECK-SAME: projections(%{{.*}}, %{{.*}} : tensor<8x16x512xf32>, tensor<16x512xf16>)
// CHECK-SAME: key_valid(%{{.*}} : tensor<2x?xi1>)
// CHECK-SAME: outs(%{{.*}}, %{{.*}} : tensor<2x?x8x32xf16>, tensor<2x8x?xf32>)
// CHECK-SAME: scale 2.500000e-01 -> tensor<2x?x8x32xf16>, tensor<2x8x?xf32>
func.func @all_operands(%q: tensor<2x?x8x64xf16>, %k: tensor<2x?x2x64xf16>, %v: tensor<2x?x2x32xf16>,
                        %e: tensor<8x16x512xf32>, %f: tensor<16x512xf16>, %valid: tensor<2x?xi1>,
                        %o: tensor<2x?x8x32xf16>, %l: tensor<2x8x?xf32>) {
  %r:2 = attn.low_rank_attention
      ins(%q, %k, %v : tensor<2x?x8x64xf16>, tensor<2x?x2x64xf16>, tensor<2x?x2x32xf16>)
      projections(%e, %f : tensor<8x16x512xf32>, tensor<16x512xf16>) key_valid(%valid : tensor<2x?xi1>)
      outs(%o, %l : tensor<2x?x8x32xf16>, tensor<2x8x?xf32>)
      maps [#q, #k, #v, #own, #headwise, #valid, #o, #lse] scale 0.25 -> tensor<2x?x8x32xf16>, tensor<2x8x?xf32>
  return
}

#q1 = affine_map<(b, h, i, j, s, d, e) -> (i, d)>
#k1 = affine_map<(b, h, i, j, s, d, e) -> (j, d)>
#v1 = affine_map<(b, h, i, j, s, d, e) -> (j, e)>
#o1 = affine_map<(b, h, i, j, s, d, e) -> (i, e)>

// CHECK-LABEL: func @blocks
// CHECK: attn.gaussian_projection seed 7 layer 3 purpose 1 : tensor<4x16xf32>
// CHECK: block 16 causal -> tensor<?x8xf32>
func.func @blocks(%x: tensor<?x8xf32>, %o: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %e = attn.gaussian_projection seed 7 layer 3 purpose 1 : tensor<4x16xf32>
  %r = attn.low_rank_attention ins(%x, %x, %x : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>)
      projections(%e, %e : tensor<4x16xf32>, tensor<4x16xf32>)
      outs(%o : tensor<?x8xf32>) maps [#q1, #k1, #v1, #headwise, #headwise, #o1] block 16 causal -> tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}

#q2 = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k2 = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v2 = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o2 = affine_map<(b, h, i, j, d, e) -> (i, e)>

// CHECK-LABEL: func @masks
// CHECK: mask #attn.all_of<[#attn.own_block<size = 16>, #attn.finished_blocks<size = 8, slots = 2>]>
func.func @masks(%x: tensor<32x8xf32>, %o: tensor<32x8xf32>) -> tensor<32x8xf32> {
  %r = attn.attention ins(%x, %x, %x : tensor<32x8xf32>, tensor<32x8xf32>, tensor<32x8xf32>)
      outs(%o : tensor<32x8xf32>) maps [#q2, #k2, #v2, #o2]
      mask #attn.all_of<[#attn.own_block<size = 16>, #attn.finished_blocks<size = 8, slots = 2>]> -> tensor<32x8xf32>
  return %r : tensor<32x8xf32>
}

// CHECK-LABEL: func @project
// CHECK: attn.project ins(%{{.*}}, %{{.*}} : tensor<60x?xf32>, tensor<?x64xf16>) valid(%{{.*}} : tensor<?xi1>)
// CHECK-SAME: outs(%{{.*}} : tensor<60x64xf32>)
func.func @project(%e: tensor<60x?xf32>, %k: tensor<?x64xf16>, %p: tensor<?xi1>,
                   %acc: tensor<60x64xf32>) -> tensor<60x64xf32> {
  %r = attn.project ins(%e, %k : tensor<60x?xf32>, tensor<?x64xf16>) valid(%p : tensor<?xi1>)
      outs(%acc : tensor<60x64xf32>)
      maps [affine_map<(s, t, d) -> (s, t)>, affine_map<(s, t, d) -> (t, d)>] -> tensor<60x64xf32>
  return %r : tensor<60x64xf32>
}
