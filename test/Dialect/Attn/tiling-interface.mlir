// RUN: attn-opt %s --split-input-file --verify-diagnostics --transform-interpreter --canonicalize --cse | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn.attention under upstream's tilers: batches, heads and queries in any tile sizes, and then the keys of the step.

#q = affine_map<(b, h, i, j, d, e) -> (b, h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (b, h floordiv 2, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (b, h floordiv 2, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (b, h, i, e)>
#l = affine_map<(b, h, i, j, d, e) -> (b, h, i)>
// The two heads of a group are one tile; a causal tile ends where its last query does.
// CHECK-LABEL: @group_then_keys
// CHECK: %[[N:.*]] = tensor.dim %arg0
// CHECK: scf.forall (%[[B:.*]], %[[G:.*]], %[[I:.*]]) in (2, 4, %{{.*}}) shared_outs
// CHECK: %[[H:.*]] = affine.apply {{.*}}(%[[G]])
// CHECK: %[[M:.*]] = tensor.dim %arg1
// CHECK: tensor.extract_slice %arg1[%[[B]], %[[G]], 0, 0]
// CHECK: scf.for %[[J:.*]] = {{.*}} iter_args({{.*}}) -> (tensor<2x36x64xf32>, tensor<2x36xf32>, tensor<2x36xf32>)
// CHECK: attn.online_attention
// CHECK-SAME: at(%[[B]], %[[H]], %{{.*}}, %[[J]]) of(%[[N]], %[[M]])
// CHECK-SAME: mask #attn.causal<bottom_right>
// CHECK: scf.yield
// CHECK: attn.finalize
// CHECK: scf.forall.in_parallel
// CHECK-COUNT-2: tensor.parallel_insert_slice
func.func @group_then_keys(%q: tensor<2x8x?x64xf32>, %k: tensor<2x4x?x64xf32>, %o: tensor<2x8x?x64xf32>,
                           %l: tensor<2x8x?xf32>) -> (tensor<2x8x?x64xf32>, tensor<2x8x?xf32>) {
  %r:2 = attn.attention ins(%q, %k, %k : tensor<2x8x?x64xf32>, tensor<2x4x?x64xf32>, tensor<2x4x?x64xf32>)
      outs(%o, %l : tensor<2x8x?x64xf32>, tensor<2x8x?xf32>) maps [#q, #k, #v, #o, #l]
      mask #attn.causal<bottom_right> -> tensor<2x8x?x64xf32>, tensor<2x8x?xf32>
  return %r#0, %r#1 : tensor<2x8x?x64xf32>, tensor<2x8x?xf32>
}

module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%module: !transform.any_op {transform.readonly}) {
    %a = transform.structured.match ops{["attn.attention"]} in %module : (!transform.any_op) -> !transform.any_op
    %tile, %tiles = transform.structured.tile_using_forall %a tile_sizes [1, 2, 32]
        : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    %step = transform.structured.match ops{["attn.online_attention"]} in %tiles
        : (!transform.any_op) -> !transform.any_op
    %part, %parts = transform.structured.tile_using_for %step tile_sizes [0, 0, 128]
        : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (b, h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (b, h floordiv 2, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (b, h floordiv 2, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (b, h, i, e)>
// Three heads of groups of two: they stand alone, in a loop within the tile.
// CHECK-LABEL: @odd_heads
// CHECK: scf.forall (%[[T:.*]], %[[I:.*]]) in (3, 3)
// CHECK: scf.forall (%[[B:.*]], %[[H:.*]]) in (2, %{{.*}})
// CHECK: %[[HEAD:.*]] = affine.apply {{.*}}(%[[T]])[%[[H]]]
// CHECK: attn.online_attention
// CHECK-SAME: at(%[[B]], %[[HEAD]],
// CHECK-SAME: tensor<1x24x16xf32>
func.func @odd_heads(%q: tensor<2x8x40x16xf32>, %k: tensor<2x4x?x16xf32>, %o: tensor<2x8x40x16xf32>)
    -> tensor<2x8x40x16xf32> {
  %r = attn.attention ins(%q, %k, %k : tensor<2x8x40x16xf32>, tensor<2x4x?x16xf32>, tensor<2x4x?x16xf32>)
      outs(%o : tensor<2x8x40x16xf32>) maps [#q, #k, #v, #o] -> tensor<2x8x40x16xf32>
  return %r : tensor<2x8x40x16xf32>
}

module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%module: !transform.any_op {transform.readonly}) {
    %a = transform.structured.match ops{["attn.attention"]} in %module : (!transform.any_op) -> !transform.any_op
    %tile, %tiles = transform.structured.tile_using_forall %a tile_sizes [0, 3, 16]
        : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @negative_unbounded_rows(%q: tensor<8x?x16xf32>, %k: tensor<8x?x16xf32>, %o: tensor<8x?x16xf32>)
    -> tensor<8x?x16xf32> {
  // expected-error @below {{to tile operation}}
  // expected-error @below {{failed to generate tiling loops}}
  // expected-note @below {{when applied to this op}}
  %r = attn.attention ins(%q, %k, %k : tensor<8x?x16xf32>, tensor<8x?x16xf32>, tensor<8x?x16xf32>)
      outs(%o : tensor<8x?x16xf32>) maps [#q, #k, #v, #o] -> tensor<8x?x16xf32>
  return %r : tensor<8x?x16xf32>
}

module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%module: !transform.any_op {transform.readonly}) {
    %a = transform.structured.match ops{["attn.attention"]} in %module : (!transform.any_op) -> !transform.any_op
    // expected-error @below {{failed to apply}}
    %tile, %tiles = transform.structured.tile_using_forall %a tile_sizes [0, 1]
        : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}
