// RUN: attn-opt %s -attn-tile-asymmetric-lsh -split-input-file | FileCheck %s
// RUN: not attn-opt %s -attn-tile-asymmetric-lsh="column-align=4" -split-input-file 2>&1 | FileCheck %s --check-prefix=BAD
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// LSH attention with keys of its own: hashes, a sort of queries and one of keys, and one operation on the sorted chunks.

// BAD: error: expected column-align to be a multiple of 8, got 4

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
// CHECK-LABEL: func.func @cross
// CHECK-SAME: %[[Q:[a-z0-9]*]]: tensor<2x64x16xf32>, %[[K:[a-z0-9]*]]: tensor<2x100x16xf32>
// CHECK-NOT: cf.assert
// CHECK: math.sqrt
// CHECK: %[[QUERIES:.*]]:3 = attn.rank_sort ins(%{{.*}} : tensor<1x2x4x64xf32>) {{.*}} code({{.*}}xi16>) chunk 16
// Four clusters of 16 queries and of 25 keys.
// CHECK: %[[KEYS:.*]]:3 = attn.rank_sort ins(%{{.*}} : tensor<1x2x4x100xf32>) {{.*}} chunk 25
// CHECK: attn.lsh_chunks ins(%[[Q]], %[[K]], %{{.*}}, %[[QUERIES]]#0
// CHECK-SAME: code(%[[QUERIES]]#2
// CHECK-SAME: keys(%[[K]], %[[KEYS]]#0
// CHECK-SAME: key_code(%[[KEYS]]#2
// CHECK-SAME: chunk 16 window(1, 0) key_chunk 25 scale 2.500000e-01
func.func @cross(%q: tensor<2x64x16xf32>, %k: tensor<2x100x16xf32>, %a: tensor<2x4x18xf32>) -> tensor<2x64x16xf32> {
  %o = attn.asymmetric_lsh_attention ins(%q, %k, %k : tensor<2x64x16xf32>, tensor<2x100x16xf32>, tensor<2x100x16xf32>)
      directions(%a : tensor<2x4x18xf32>) outs(%q : tensor<2x64x16xf32>) maps [#q, #k, #v, #o]
      rounds 4 chunk 16 -> tensor<2x64x16xf32>
  return %o : tensor<2x64x16xf32>
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
// What the types leave open is checked; one round needs no codes.
// CHECK-LABEL: func.func @negative_lengths
// CHECK: cf.assert %{{.*}}, "expected at least one chunk of 16 queries"
// CHECK: cf.assert %{{.*}}, "expected as many queries as keys"
// CHECK: attn.lsh_chunks
// CHECK-NOT: code(
// CHECK-SAME: key_chunk 16
func.func @negative_lengths(%q: tensor<2x?x16xf32>, %k: tensor<2x?x16xf32>, %a: tensor<2x1x18xf32>) -> tensor<2x?x16xf32> {
  %o = attn.asymmetric_lsh_attention ins(%q, %k, %k : tensor<2x?x16xf32>, tensor<2x?x16xf32>, tensor<2x?x16xf32>)
      directions(%a : tensor<2x1x18xf32>) outs(%q : tensor<2x?x16xf32>) maps [#q, #k, #v, #o]
      rounds 1 chunk 16 -> tensor<2x?x16xf32>
  return %o : tensor<2x?x16xf32>
}
