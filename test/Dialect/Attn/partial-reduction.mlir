// RUN: attn-opt %s --split-input-file --transform-interpreter --canonicalize --cse | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn.online_attention as a partial reduction over keys: states of disjoint key sets, taken together by attn.merge.

#q = affine_map<(g, i, j, d, e) -> (g, i, d)>
#k = affine_map<(g, i, j, d, e) -> (j, d)>
#v = affine_map<(g, i, j, d, e) -> (j, e)>
#valid = affine_map<(g, i, j, d, e) -> (j)>
// Each split has a state of its own; the first begins with the state that the whole began with.
// CHECK-LABEL: @parallel
// CHECK-SAME: %[[ACC:.*]]: tensor<1x12x16xf32>, %[[MAX:.*]]: tensor<1x12xf32>, %[[SUM:.*]]: tensor<1x12xf32>,
// CHECK: %[[FILLED:.*]] = linalg.fill {{.*}} -> tensor<4x1x12x16xf32>
// CHECK: %[[START:.*]] = tensor.insert_slice %[[ACC]] into %[[FILLED]][0, 0, 0, 0]
// CHECK: %[[PARTS:.*]]:3 = scf.forall (%[[S:.*]]) in (4) shared_outs(%[[OUT:.*]] = %[[START]],
// CHECK: %[[J:.*]] = affine.apply {{.*}}(%[[S]])
// CHECK: tensor.extract_slice %[[OUT]][%[[S]], 0, 0, 0] [1, 1, 12, 16]
// CHECK: tensor.extract_slice %{{.*}}[%[[J]], 0] [256, 16]
// CHECK: %[[VALID:.*]] = tensor.extract_slice %{{.*}}[%[[J]]] [256] [1] : tensor<1024xi1>
// CHECK: %[[FIRST:.*]] = affine.apply {{.*}}(%[[S]])[%{{.*}}]
// CHECK: attn.online_attention
// CHECK-SAME: key_valid(%[[VALID]] : tensor<256xi1>)
// CHECK-SAME: at(%{{.*}}, %{{.*}}, %{{.*}}, %[[FIRST]])
// CHECK: attn.merge ins(%[[PARTS]]#0, %[[PARTS]]#1, %[[PARTS]]#2
// CHECK-SAME: state(%[[ACC]], %[[MAX]], %[[SUM]]
func.func @parallel(%acc: tensor<1x12x16xf32>, %max: tensor<1x12xf32>, %sum: tensor<1x12xf32>,
                    %q: tensor<1x12x16xf32>, %k: tensor<1024x16xf32>, %valid: tensor<1024xi1>, %b: index,
                    %first: index, %n: index) -> (tensor<1x12x16xf32>, tensor<1x12xf32>, tensor<1x12xf32>) {
  %r:3 = attn.online_attention
      ins(%q, %k, %k : tensor<1x12x16xf32>, tensor<1024x16xf32>, tensor<1024x16xf32>)
      key_valid(%valid : tensor<1024xi1>)
      state(%acc, %max, %sum : tensor<1x12x16xf32>, tensor<1x12xf32>, tensor<1x12xf32>)
      at(%b, %b, %b, %first) of(%n, %n) maps [#q, #k, #v, #valid] scale 0.25
      -> tensor<1x12x16xf32>, tensor<1x12xf32>, tensor<1x12xf32>
  return %r#0, %r#1, %r#2 : tensor<1x12x16xf32>, tensor<1x12xf32>, tensor<1x12xf32>
}

module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%module: !transform.any_op {transform.readonly}) {
    %a = transform.structured.match ops{["attn.online_attention"]} in %module : (!transform.any_op) -> !transform.any_op
    %init:3, %part, %merge, %loop = transform.structured.tile_reduction_using_forall %a by num_threads = [0, 0, 4]
        : (!transform.any_op) -> (!transform.any_op, !transform.any_op, !transform.any_op, !transform.any_op,
                                  !transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

#q = affine_map<(g, i, j, d, e) -> (g, i, d)>
#k = affine_map<(g, i, j, d, e) -> (j, d)>
#v = affine_map<(g, i, j, d, e) -> (j, e)>
#bias = affine_map<(g, i, j, d, e) -> (i, j)>
// In order: the first state is carried, the others stay empty.
// CHECK-LABEL: @in_order
// CHECK: scf.for %[[J:.*]] = %{{.*}} iter_args(%[[ACC:.*]] = %{{.*}}, %{{.*}} = %{{.*}}, %{{.*}} = %{{.*}})
// CHECK: tensor.extract_slice %[[ACC]][0, 0, 0, 0] [1, 1, 12, 16]
// CHECK: %[[BIAS:.*]] = tensor.extract_slice %{{.*}}[0, %[[J]]]
// CHECK: %[[STEP:.*]]:3 = attn.online_attention
// CHECK-SAME: bias(%[[BIAS]] : tensor<12x?xf32>)
// CHECK: tensor.insert_slice %[[STEP]]#0 into %[[ACC]][0, 0, 0, 0] [1, 1, 12, 16]
// CHECK: attn.merge
func.func @in_order(%acc: tensor<1x12x16xf32>, %max: tensor<1x12xf32>, %sum: tensor<1x12xf32>,
                    %q: tensor<1x12x16xf32>, %k: tensor<?x16xf32>, %bias: tensor<12x?xf32>, %z: index,
                    %n: index) -> (tensor<1x12x16xf32>, tensor<1x12xf32>, tensor<1x12xf32>) {
  %r:3 = attn.online_attention
      ins(%q, %k, %k : tensor<1x12x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
      bias(%bias : tensor<12x?xf32>)
      state(%acc, %max, %sum : tensor<1x12x16xf32>, tensor<1x12xf32>, tensor<1x12xf32>)
      at(%z, %z, %z, %z) of(%n, %n) maps [#q, #k, #v, #bias] scale 0.25
      -> tensor<1x12x16xf32>, tensor<1x12xf32>, tensor<1x12xf32>
  return %r#0, %r#1, %r#2 : tensor<1x12x16xf32>, tensor<1x12xf32>, tensor<1x12xf32>
}

module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%module: !transform.any_op {transform.readonly}) {
    %a = transform.structured.match ops{["attn.online_attention"]} in %module : (!transform.any_op) -> !transform.any_op
    %init:3, %part, %merge, %loop = transform.structured.tile_reduction_using_for %a by tile_sizes = [0, 0, 4]
        : (!transform.any_op) -> (!transform.any_op, !transform.any_op, !transform.any_op, !transform.any_op,
                                  !transform.any_op, !transform.any_op)
    transform.yield
  }
}
