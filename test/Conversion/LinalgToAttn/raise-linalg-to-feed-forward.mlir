// RUN: attn-opt %s --raise-linalg-to-feed-forward=remarks=true --split-input-file --verify-diagnostics | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Two products around an activation, as torch-mlir writes them; and what is nearly that.

#id = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#last = affine_map<(d0, d1, d2) -> (d2)>

// A gated layer of three dimensions: weights are transposed and broadcast, the sigmoid stands alone.
// CHECK-DAG: #[[$UP:.*]] = affine_map<(d0, d1, d2, d3) -> (d2, d1)>
// CHECK-DAG: #[[$DOWN:.*]] = affine_map<(d0, d1, d2, d3) -> (d2, d3)>
// CHECK-LABEL: func.func @swiglu
// CHECK-SAME: %[[X:.*]]: tensor<2x5x4xf32>, %[[G:.*]]: tensor<6x4xf32>, %[[U:.*]]: tensor<6x4xf32>, %[[D:.*]]: tensor<6x4xf32>, %[[B:.*]]: tensor<6xf32>
// CHECK: %[[ROWS:.*]] = tensor.collapse_shape %[[X]] {{\[\[}}0, 1], [2]]
// CHECK: %[[R:.*]] = attn.feed_forward silu ins(%[[ROWS]] : {{.*}}) up(%[[U]] : {{.*}}) gate(%[[G]] : {{.*}}) gate_bias(%[[B]] : {{.*}}) down(%[[D]] : {{.*}}) outs({{.*}}) maps [#[[$UP]], #[[$UP]], #[[$DOWN]]]
// CHECK: tensor.expand_shape %[[R]]
// CHECK-NOT: linalg.generic
func.func @swiglu(%x: tensor<2x5x4xf32>, %g: tensor<6x4xf32>, %u: tensor<6x4xf32>, %d: tensor<6x4xf32>, %b: tensor<6xf32>)
    -> tensor<2x5x4xf32> {
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %e0 = tensor.empty() : tensor<2x4x6xf32>
  %e1 = tensor.empty() : tensor<2x5x6xf32>
  %e2 = tensor.empty() : tensor<2x5x4xf32>
  %e3 = tensor.empty() : tensor<4x6xf32>
  %e4 = tensor.empty() : tensor<2x6x4xf32>
  %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<2x5x6xf32>) -> tensor<2x5x6xf32>
  %f2 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<2x5x4xf32>) -> tensor<2x5x4xf32>
  %gt = linalg.transpose ins(%g : tensor<6x4xf32>) outs(%e3 : tensor<4x6xf32>) permutation = [1, 0]
  %gb = linalg.broadcast ins(%gt : tensor<4x6xf32>) outs(%e0 : tensor<2x4x6xf32>) dimensions = [0]
  %ut = linalg.transpose ins(%u : tensor<6x4xf32>) outs(%e3 : tensor<4x6xf32>) permutation = [1, 0]
  %ub = linalg.broadcast ins(%ut : tensor<4x6xf32>) outs(%e0 : tensor<2x4x6xf32>) dimensions = [0]
  %db = linalg.broadcast ins(%d : tensor<6x4xf32>) outs(%e4 : tensor<2x6x4xf32>) dimensions = [0]
  %s = linalg.batch_matmul ins(%x, %gb : tensor<2x5x4xf32>, tensor<2x4x6xf32>) outs(%f1 : tensor<2x5x6xf32>) -> tensor<2x5x6xf32>
  %sb = linalg.generic {indexing_maps = [#id, #last, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%s, %b : tensor<2x5x6xf32>, tensor<6xf32>) outs(%e1 : tensor<2x5x6xf32>) {
  ^bb0(%in: f32, %bias: f32, %out: f32):
    %0 = arith.addf %in, %bias : f32
    linalg.yield %0 : f32
  } -> tensor<2x5x6xf32>
  %sigmoid = linalg.map ins(%sb : tensor<2x5x6xf32>) outs(%e1 : tensor<2x5x6xf32>) (%in: f32, %out: f32) {
    %0 = arith.negf %in : f32
    %1 = math.exp %0 : f32
    %2 = arith.addf %1, %one : f32
    %3 = arith.divf %one, %2 : f32
    linalg.yield %3 : f32
  }
  %act = linalg.map { arith.mulf } ins(%sigmoid, %sb : tensor<2x5x6xf32>, tensor<2x5x6xf32>) outs(%e1 : tensor<2x5x6xf32>)
  %t = linalg.batch_matmul ins(%x, %ub : tensor<2x5x4xf32>, tensor<2x4x6xf32>) outs(%f1 : tensor<2x5x6xf32>) -> tensor<2x5x6xf32>
  %h = linalg.map { arith.mulf } ins(%act, %t : tensor<2x5x6xf32>, tensor<2x5x6xf32>) outs(%e1 : tensor<2x5x6xf32>)
  %y = linalg.batch_matmul ins(%h, %db : tensor<2x5x6xf32>, tensor<2x6x4xf32>) outs(%f2 : tensor<2x5x4xf32>) -> tensor<2x5x4xf32>
  return %y : tensor<2x5x4xf32>
}

// -----

#id = affine_map<(d0, d1) -> (d0, d1)>
#last = affine_map<(d0, d1) -> (d1)>

// ReLU by a comparison, both biases, rows of an unknown number. The residual is not part of it.
// CHECK-LABEL: func.func @relu
// CHECK: attn.feed_forward relu ins(%arg0 : tensor<?x4xf32>) up(%arg1 : {{.*}}) up_bias(%arg3 : {{.*}}) down(%arg2 : {{.*}}) down_bias(%arg4 : tensor<4xf32>)
// CHECK: linalg.generic
// CHECK-NEXT: ^bb0
// CHECK-NEXT: arith.addf
func.func @relu(%x: tensor<?x4xf32>, %w: tensor<4x6xf32>, %v: tensor<6x4xf32>, %a: tensor<6xf32>, %b: tensor<4xf32>,
                %i6: tensor<?x6xf32>, %i4: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %zero = arith.constant 0.0 : f32
  %f6 = linalg.fill ins(%zero : f32) outs(%i6 : tensor<?x6xf32>) -> tensor<?x6xf32>
  %f4 = linalg.fill ins(%zero : f32) outs(%i4 : tensor<?x4xf32>) -> tensor<?x4xf32>
  %u = linalg.matmul ins(%x, %w : tensor<?x4xf32>, tensor<4x6xf32>) outs(%f6 : tensor<?x6xf32>) -> tensor<?x6xf32>
  %h = linalg.generic {indexing_maps = [#id, #last, #id], iterator_types = ["parallel", "parallel"]}
      ins(%u, %a : tensor<?x6xf32>, tensor<6xf32>) outs(%i6 : tensor<?x6xf32>) {
  ^bb0(%in: f32, %bias: f32, %out: f32):
    %0 = arith.addf %in, %bias : f32
    %1 = arith.cmpf ugt, %0, %zero : f32
    %2 = arith.select %1, %0, %zero : f32
    linalg.yield %2 : f32
  } -> tensor<?x6xf32>
  %d = linalg.matmul ins(%h, %v : tensor<?x6xf32>, tensor<6x4xf32>) outs(%f4 : tensor<?x4xf32>) -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #last, #id], iterator_types = ["parallel", "parallel"]}
      ins(%d, %b : tensor<?x4xf32>, tensor<4xf32>) outs(%i4 : tensor<?x4xf32>) {
  ^bb0(%in: f32, %bias: f32, %out: f32):
    %0 = arith.addf %in, %bias : f32
    linalg.yield %0 : f32
  } -> tensor<?x4xf32>
  %r = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%y, %x : tensor<?x4xf32>, tensor<?x4xf32>) outs(%i4 : tensor<?x4xf32>) {
  ^bb0(%in: f32, %old: f32, %out: f32):
    %0 = arith.addf %in, %old : f32
    linalg.yield %0 : f32
  } -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// -----

// The logistic function of 1.702 x: near the exact GELU, and not it.
// CHECK-LABEL: func.func @negative_quick_gelu
// CHECK-NOT: attn.feed_forward
func.func @negative_quick_gelu(%x: tensor<8x4xf32>, %w: tensor<4x6xf32>, %v: tensor<6x4xf32>) -> tensor<8x4xf32> {
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %factor = arith.constant -1.702 : f32
  %e0 = tensor.empty() : tensor<8x6xf32>
  %e1 = tensor.empty() : tensor<8x4xf32>
  %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<8x6xf32>) -> tensor<8x6xf32>
  %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<8x4xf32>) -> tensor<8x4xf32>
  %u = linalg.matmul ins(%x, %w : tensor<8x4xf32>, tensor<4x6xf32>) outs(%f0 : tensor<8x6xf32>) -> tensor<8x6xf32>
  %h = linalg.map ins(%u : tensor<8x6xf32>) outs(%e0 : tensor<8x6xf32>) (%in: f32, %out: f32) {
    %0 = arith.mulf %in, %factor : f32
    %1 = math.exp %0 : f32
    %2 = arith.addf %1, %one : f32
    %3 = arith.divf %in, %2 : f32
    linalg.yield %3 : f32
  }
  // expected-remark @below {{not raised to attn.feed_forward: expected gelu, relu or silu between two products, or one of them times a third, got arith.divf}}
  %y = linalg.matmul ins(%h, %v : tensor<8x6xf32>, tensor<6x4xf32>) outs(%f1 : tensor<8x4xf32>) -> tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}
