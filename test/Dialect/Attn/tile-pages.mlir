// RUN: attn-opt %s --attn-tile | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One query reads keys where their pages lie; many queries read a copy.

#q = affine_map<(b, h, i, j, d, e) -> (b, h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (b, h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (b, h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (b, h, i, e)>

// CHECK-DAG: #[[$ENTRY:.*]] = affine_map<()[s0] -> (s0 floordiv 128)>
// CHECK-DAG: #[[$ROW:.*]] = affine_map<()[s0] -> (s0 mod 128)>
// CHECK-LABEL: func.func @one(
// CHECK-SAME: %[[POOL:[a-z0-9]*]]: tensor<?x4x128x8xf32>, %[[TABLE:[a-z0-9]*]]: tensor<2x9xi32>
// CHECK-NOT: linalg.index
// CHECK: scf.for %[[KEY:[a-z0-9]*]] = %{{.*}} to %{{.*}} step %c128
// CHECK: %[[ENTRY:.*]] = affine.apply #[[$ENTRY]]()[%[[KEY]]]
// CHECK: %[[ROW:.*]] = affine.apply #[[$ROW]]()[%[[KEY]]]
// CHECK: %[[NUMBER:.*]] = tensor.extract %[[TABLE]][%{{.*}}, %[[ENTRY]]]
// CHECK: %[[PAGE:.*]] = arith.index_cast %[[NUMBER]]
// CHECK: tensor.extract_slice %[[POOL]][%[[PAGE]], %{{.*}}, %[[ROW]], 0]
// CHECK: attn.online_attention
// CHECK-LABEL: func.func @many(
// CHECK: linalg.index
// CHECK: scf.forall
func.func @one(%q: tensor<2x4x1x8xf32>, %pool: tensor<?x4x128x8xf32>, %table: tensor<2x9xi32>, %n: index)
    -> tensor<2x4x1x8xf32> {
  %rows = tensor.empty(%n) : tensor<2x4x?x8xf32>
  %k = attn.gather_pages ins(%pool, %table : tensor<?x4x128x8xf32>, tensor<2x9xi32>) outs(%rows : tensor<2x4x?x8xf32>)
      -> tensor<2x4x?x8xf32>
  %r = attn.attention ins(%q, %k, %k : tensor<2x4x1x8xf32>, tensor<2x4x?x8xf32>, tensor<2x4x?x8xf32>)
      outs(%q : tensor<2x4x1x8xf32>) maps [#q, #k, #v, #o] -> tensor<2x4x1x8xf32>
  return %r : tensor<2x4x1x8xf32>
}

func.func @many(%q: tensor<2x4x99x8xf32>, %pool: tensor<?x4x128x8xf32>, %table: tensor<2x9xi32>, %n: index)
    -> tensor<2x4x99x8xf32> {
  %rows = tensor.empty(%n) : tensor<2x4x?x8xf32>
  %k = attn.gather_pages ins(%pool, %table : tensor<?x4x128x8xf32>, tensor<2x9xi32>) outs(%rows : tensor<2x4x?x8xf32>)
      -> tensor<2x4x?x8xf32>
  %r = attn.attention ins(%q, %k, %k : tensor<2x4x99x8xf32>, tensor<2x4x?x8xf32>, tensor<2x4x?x8xf32>)
      outs(%q : tensor<2x4x99x8xf32>) maps [#q, #k, #v, #o] -> tensor<2x4x99x8xf32>
  return %r : tensor<2x4x99x8xf32>
}
