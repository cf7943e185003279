// RUN: attn-opt %s --attn-build-steps="capacity=64 page-size=16" --split-input-file --verify-diagnostics | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Caches in pages, written page by page and read through their table, and rings, whose parts are segments of the keys.

#q = affine_map<(b, h, i, j, d, e) -> (b, i, h, d)>
#k = affine_map<(b, h, i, j, d, e) -> (b, j, h, d)>
#v = affine_map<(b, h, i, j, d, e) -> (b, j, h, e)>
#o = affine_map<(b, h, i, j, d, e) -> (b, i, h, e)>

// CHECK-LABEL: func.func @paged_step(
// CHECK-SAME: %[[TABLE:[a-z0-9]*]]: tensor<2x4xi32> {attn.name = "pages"}, %[[K:[a-z0-9]*]]: memref<?x4x16x8xf32> {attn.name = "key_pages0"}, %{{[a-z0-9]*}}: memref<?x4x16x8xf32> {attn.name = "value_pages0"})
// CHECK: %[[POOL:.*]] = bufferization.to_tensor %[[K]] restrict writable
// CHECK: cf.assert %{{.*}}, "expected a step within the cache's capacity of 64 positions"
// CHECK: %[[USED:.*]] = tensor.extract_slice %[[TABLE]][0, 0]
// CHECK: %[[NONE:.*]] = linalg.fill
// CHECK: %[[SEEN:.*]] = linalg.generic {{.*}} ins(%[[USED]] : tensor<2x?xi32>) outs(%[[NONE]]
// CHECK: cf.assert %{{.*}}, "expected pages of the pool, got one out of range"
// CHECK: %[[NEW:.*]] = scf.forall (%[[B:.*]], %{{.*}}) in (2, %{{.*}}) shared_outs(%[[OUT:.*]] = %[[POOL]])
// CHECK: %[[ENTRY:.*]] = tensor.extract %[[SEEN]][%[[B]],
// CHECK: %[[PAGE:.*]] = arith.index_cast %[[ENTRY]]
// CHECK: %[[IS_PAGE:.*]] = arith.cmpi ult, %[[PAGE]]
// CHECK: %[[PLACE:.*]] = arith.select %[[IS_PAGE]], %[[PAGE]], %c0
// CHECK: tensor.parallel_insert_slice %{{.*}} into %[[OUT]][%[[PLACE]], 0,
// CHECK: bufferization.materialize_in_destination %[[NEW]] in restrict writable %[[K]]
// CHECK: attn.gather_pages ins(%[[NEW]], %[[SEEN]]
// CHECK-LABEL: func.func @paged_token(
// CHECK: attn.gather_pages
func.func @paged(%q: tensor<2x?x4x8xf32>, %init: tensor<2x?x4x8xf32>) -> tensor<2x?x4x8xf32> {
  %r = attn.attention ins(%q, %q, %q : tensor<2x?x4x8xf32>, tensor<2x?x4x8xf32>, tensor<2x?x4x8xf32>)
      outs(%init : tensor<2x?x4x8xf32>) maps [#q, #k, #v, #o] mask #attn.causal<top_left> -> tensor<2x?x4x8xf32>
  return %r : tensor<2x?x4x8xf32>
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>

// CHECK-LABEL: func.func @ring_step(
// CHECK-SAME: %[[K:[a-z0-9]*]]: memref<4x12x8xf32> {attn.name = "key_ring0"}, %{{[a-z0-9]*}}: memref<4x12x8xf32> {attn.name = "value_ring0"})
// CHECK: %[[RING:.*]] = bufferization.to_tensor %[[K]] restrict writable
// CHECK: %[[EARLY:.*]] = tensor.extract_slice %[[RING]][0, %{{.*}}, 0]
// CHECK: %[[LATE:.*]] = tensor.extract_slice %[[RING]][0, %{{.*}}, 0]
// CHECK: attn.attention ins(%{{.*}}, %[[EARLY]], %{{.*}}segments(%[[LATE]], {{.*}}mask #attn.window<before = 11, after = 0, bottom_right>
// CHECK: tensor.insert_slice %{{.*}} into %[[RING]]
// CHECK-LABEL: func.func @ring_token(
// CHECK: arith.remui
// CHECK: tensor.insert_slice
// CHECK: attn.attention
// CHECK-NOT: mask
// CHECK: return
func.func @ring(%q: tensor<4x?x8xf32>, %init: tensor<4x?x8xf32>) -> tensor<4x?x8xf32> {
  %r = attn.attention ins(%q, %q, %q : tensor<4x?x8xf32>, tensor<4x?x8xf32>, tensor<4x?x8xf32>)
      outs(%init : tensor<4x?x8xf32>) maps [#q, #k, #v, #o]
      mask #attn.all_of<[#attn.causal<top_left>, #attn.window<before = 11, after = 5, top_left>]> -> tensor<4x?x8xf32>
  return %r : tensor<4x?x8xf32>
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>

func.func @negative_score_mod(%q: tensor<4x?x8xf32>, %init: tensor<4x?x8xf32>) -> tensor<4x?x8xf32> {
  // expected-error @below {{expected no score mod where positions are in a ring}}
  %r = attn.attention ins(%q, %q, %q : tensor<4x?x8xf32>, tensor<4x?x8xf32>, tensor<4x?x8xf32>)
      outs(%init : tensor<4x?x8xf32>) maps [#q, #k, #v, #o] mask #attn.window<before = 11, after = 0, top_left>
      score_mod {
      ^bb0(%score: f32, %b: index, %h: index, %i: index, %j: index):
        %new = arith.negf %score : f32
        attn.yield %new : f32
      } -> tensor<4x?x8xf32>
  return %r : tensor<4x?x8xf32>
}
