// RUN: attn-opt %s --attn-build-steps=capacity=64 --split-input-file --verify-diagnostics | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Steps beside the whole function: caches in the order [b, h, j, d], states of linear attention, and what has none.

#q = affine_map<(b, h, i, j, d, e) -> (b, i, h, d)>
#k = affine_map<(b, h, i, j, d, e) -> (b, j, h floordiv 2, d)>
#v = affine_map<(b, h, i, j, d, e) -> (b, j, h floordiv 2, e)>
#o = affine_map<(b, h, i, j, d, e) -> (b, i, h, e)>

// CHECK-DAG: #[[$CACHE:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1 floordiv 2, d3, d4)>
// CHECK-LABEL: func.func @softmax(
// CHECK-LABEL: func.func @softmax_step(
// CHECK-SAME: %[[LENGTH:[a-z0-9]*]]: index {attn.name = "length"}, %[[K:[a-z0-9]*]]: memref<2x2x64x16xf32> {attn.name = "key_cache0"}, %[[V:[a-z0-9]*]]: memref<2x2x64x16xf32> {attn.name = "value_cache0"})
// CHECK: cf.assert %{{.*}}, "expected a length of at least 0"
// CHECK: cf.assert %{{.*}}, "expected a step within the cache's capacity of 64 positions"
// CHECK: %[[OLD:.*]] = bufferization.to_tensor %[[K]] restrict writable
// CHECK: %[[NEW:.*]] = tensor.insert_slice %{{.*}} into %[[OLD]][0, 0, %[[LENGTH]], 0]
// CHECK: bufferization.materialize_in_destination %[[NEW]] in restrict writable %[[K]]
// CHECK: %[[SEEN:.*]] = tensor.extract_slice %[[NEW]][0, 0, 0, 0]
// CHECK: attn.attention ins(%{{.*}}, %[[SEEN]], %{{.*}}maps [#{{.*}}, #[[$CACHE]], {{.*}}mask #attn.causal<bottom_right>
// CHECK-LABEL: func.func @softmax_token(
// CHECK-SAME: %{{[a-z0-9]*}}: tensor<2x1x4x16xf32>, %{{[a-z0-9]*}}: tensor<2x1x2x16xf32>
// CHECK-SAME: -> tensor<2x1x4x16xf32>
// CHECK: attn.attention ins({{.*}} : tensor<2x1x4x16xf32>, tensor<2x2x?x16xf32>, tensor<2x2x?x16xf32>)
// CHECK-NOT: mask
// CHECK: return
func.func @softmax(%q: tensor<2x?x4x16xf32>, %k: tensor<2x?x2x16xf32>, %v: tensor<2x?x2x16xf32>,
                   %init: tensor<2x?x4x16xf32>) -> tensor<2x?x4x16xf32> {
  %r = attn.attention ins(%q, %k, %v : tensor<2x?x4x16xf32>, tensor<2x?x2x16xf32>, tensor<2x?x2x16xf32>)
      outs(%init : tensor<2x?x4x16xf32>) maps [#q, #k, #v, #o] mask #attn.causal<top_left> -> tensor<2x?x4x16xf32>
  return %r : tensor<2x?x4x16xf32>
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>

// CHECK-LABEL: func.func @linear_step(
// CHECK-SAME: %[[S:[a-z0-9]*]]: memref<4x16x8xf32> {attn.name = "sum_state0"}, %[[Z:[a-z0-9]*]]: memref<4x16xf32> {attn.name = "norm_state0"})
// CHECK: attn.linear_attention elu_plus_one {{.*}} initial({{.*}}) outs({{.*}}) final({{.*}})
// CHECK: bufferization.materialize_in_destination %{{.*}} in restrict writable %[[S]]
// CHECK: bufferization.materialize_in_destination %{{.*}} in restrict writable %[[Z]]
// CHECK-LABEL: func.func @linear_token(
// CHECK: %[[OLD:.*]] = bufferization.to_tensor %{{.*}} restrict writable : memref<4x16x8xf32>
// CHECK: attn.linear_step elu_plus_one ins({{.*}} : tensor<4x16xf32>, tensor<4x16xf32>, tensor<4x8xf32>)
// CHECK-SAME: state(%[[OLD]], {{.*}} final(%[[OLD]],
func.func @linear(%q: tensor<4x?x16xf32>, %v: tensor<4x?x8xf32>, %init: tensor<4x?x8xf32>) -> tensor<4x?x8xf32> {
  %r = attn.linear_attention elu_plus_one ins(%q, %q, %v : tensor<4x?x16xf32>, tensor<4x?x16xf32>, tensor<4x?x8xf32>)
      outs(%init : tensor<4x?x8xf32>) maps [#q, #k, #v, #o] causal top_left -> tensor<4x?x8xf32>
  return %r : tensor<4x?x8xf32>
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>

func.func @negative_not_causal(%q: tensor<4x?x16xf32>, %init: tensor<4x?x16xf32>) -> tensor<4x?x16xf32> {
  // expected-error @below {{expected causal attention, of all positions or of a window of them, without bias, key_valid, segments, documents and relative positions for a step}}
  %r = attn.attention ins(%q, %q, %q : tensor<4x?x16xf32>, tensor<4x?x16xf32>, tensor<4x?x16xf32>)
      outs(%init : tensor<4x?x16xf32>) maps [#q, #k, #v, #o] -> tensor<4x?x16xf32>
  return %r : tensor<4x?x16xf32>
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>

func.func @negative_static_length(%q: tensor<4x9x16xf32>) -> tensor<4x9x16xf32> {
  // expected-error @below {{expected a dynamic length for a step}}
  %r = attn.attention ins(%q, %q, %q : tensor<4x9x16xf32>, tensor<4x9x16xf32>, tensor<4x9x16xf32>)
      outs(%q : tensor<4x9x16xf32>) maps [#q, #k, #v, #o] mask #attn.causal<top_left> -> tensor<4x9x16xf32>
  return %r : tensor<4x9x16xf32>
}
