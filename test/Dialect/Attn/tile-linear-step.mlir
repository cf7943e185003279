// RUN: attn-opt %s --attn-tile --canonicalize --cse | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One token of linear attention: a head is a task, and a state in place is read through its destination.

// CHECK-LABEL: func.func @in_place
// CHECK-SAME: %[[S:[a-z0-9]+]]: tensor<?x8x16x16xf32>
// CHECK: scf.forall (%[[B:.*]], %[[H:.*]]) in (%{{.*}}, 8) shared_outs({{.*}}, %[[OUT:.*]] = %[[S]]
// CHECK: %[[SHARED:.*]] = arith.divui %[[H]]
// CHECK: %[[OWN:.*]] = tensor.extract_slice %[[OUT]][%[[B]], %[[H]], 0, 0]
// CHECK: tensor.extract_slice %{{.*}}[%[[B]], %[[SHARED]], 0] [1, 1, 16] [1, 1, 1] : tensor<?x2x16xf32> to tensor<16xf32>
// CHECK: attn.linear_step elu_plus_one {{.*}} state(%[[OWN]], {{.*}} final(%[[OWN]],
func.func @in_place
// CHECK-SAME: %[[S:[a-z0-9]+]]: tensor<?x8x16x16xf32>
// CHECK: scf.forall (%[[B:.*]], %[[H:.*]]) in (%{{.*}}, 8) shared_outs({{.*}}, %[[OUT:.*]] = %[[S]]
// CHECK: tensor.extract_slice %{{.*}}[%[[B]], %[[H]], 0] [1, 1, 16] [1, 1, 1] : tensor<?x8x16xf32> to tensor<16xf32>
// CHECK: %[[SHARED:.*]] = {{.*}}%[[H]]
// CHECK: tensor.extract_slice %{{.*}}[%[[B]], %[[SHARED]], 0] [1, 1, 16] [1, 1, 1] : tensor<?x2x16xf32> to tensor<16xf32>
// CHECK: %[[OWN:.*]] = tensor.extract_slice %[[OUT]][%[[B]], %[[H]], 0, 0]
// CHECK: attn.linear_step elu_plus_one {{.*}} state(%[[OWN]], {{.*}} final(%[[OWN]],
func.func @in_place(%q: tensor<?x8x16xf32>, %k: tensor<?x2x16xf32>, %s: tensor<?x8x16x16xf32>, %z: tensor<?x8x16xf32>)
    -> (tensor<?x8x16xf32>, tensor<?x8x16x16xf32>, tensor<?x8x16xf32>) {
  %r:3 = attn.linear_step elu_plus_one ins(%q, %k, %k : tensor<?x8x16xf32>, tensor<?x2x16xf32>, tensor<?x2x16xf32>)
      state(%s, %z : tensor<?x8x16x16xf32>, tensor<?x8x16xf32>) outs(%q : tensor<?x8x16xf32>)
      final(%s, %z : tensor<?x8x16x16xf32>, tensor<?x8x16xf32>)
      -> tensor<?x8x16xf32>, tensor<?x8x16x16xf32>, tensor<?x8x16xf32>
  return %r#0, %r#1, %r#2 : tensor<?x8x16xf32>, tensor<?x8x16x16xf32>, tensor<?x8x16xf32>
}

// One head is what it is.
// CHECK-LABEL: func.func @one_head
// CHECK-NOT: scf.forall
// CHECK: attn.linear_step relu
func.func @one_head(%q: tensor<16xf32>, %s: tensor<16x16xf32>, %z: tensor<16xf32>) -> tensor<16xf32> {
  %r:3 = attn.linear_step relu ins(%q, %q, %q : tensor<16xf32>, tensor<16xf32>, tensor<16xf32>)
      state(%s, %z : tensor<16x16xf32>, tensor<16xf32>) outs(%q : tensor<16xf32>)
      final(%s, %z : tensor<16x16xf32>, tensor<16xf32>) -> tensor<16xf32>, tensor<16x16xf32>, tensor<16xf32>
  return %r#0 : tensor<16xf32>
}
