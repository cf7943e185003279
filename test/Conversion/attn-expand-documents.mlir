// RUN: attn-opt %s --attn-expand | FileCheck %s
// RUN: not attn-opt %s --attn-tile 2>&1 | FileCheck %s --check-prefix=EARLY
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Documents become a loop over runs of equal numbers, with an attention on slices in it.

// EARLY: error: 'attn.attention' op expected documents to be expanded before tiling

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>
#ids = affine_map<(b, h, i, j, d, e) -> (i)>
// CHECK-LABEL: func.func @packed
// CHECK-SAME: %[[Q:[a-z0-9]*]]: tensor<?x16xf32>, %[[K:[a-z0-9]*]]: tensor<?x16xf32>, %[[IDS:[a-z0-9]*]]: tensor<?xi32>
// CHECK: cf.assert %{{.*}}, "expected as many queries as keys beside documents"
// CHECK: scf.for %[[I:.*]] = {{.*}} iter_args(%[[BEGIN:.*]] = %{{.*}}, %[[OUT:.*]] = %[[Q]])
// CHECK: %[[NEXT:.*]] = arith.addi %[[I]]
// CHECK: %[[ENDS:.*]] = arith.ori
// CHECK: scf.if %[[ENDS]]
// CHECK: %[[N:.*]] = arith.subi %[[NEXT]], %[[BEGIN]]
// CHECK: tensor.extract_slice %[[OUT]][%[[BEGIN]], 0] [%[[N]], 16]
// CHECK: attn.attention ins(
// CHECK-NOT: documents
// CHECK-SAME: mask #attn.causal<bottom_right>
// CHECK: tensor.insert_slice %{{.*}} into %[[OUT]][%[[BEGIN]], 0] [%[[N]], 16]
func.func @packed(%q: tensor<?x16xf32>, %k: tensor<?x16xf32>, %ids: tensor<?xi32>) -> tensor<?x16xf32> {
  %r = attn.attention ins(%q, %k, %k : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>) documents(%ids : tensor<?xi32>)
      outs(%q : tensor<?x16xf32>) maps [#q, #k, #v, #o, #ids] mask #attn.causal<bottom_right> -> tensor<?x16xf32>
  return %r : tensor<?x16xf32>
}
