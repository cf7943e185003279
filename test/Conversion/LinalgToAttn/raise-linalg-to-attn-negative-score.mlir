// RUN: attn-opt %s --raise-linalg-to-attn=remarks=true --split-input-file --verify-diagnostics | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Scores that attn.attention cannot say stay, with a remark that says why.

// CHECK-LABEL: func.func @negative_bias_inside_softcap
// CHECK-NOT: attn.attention
#map = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#map1 = affine_map<(d0, d1, d2) -> (d1, d2)>
#map2 = affine_map<(d0, d1, d2) -> (d0, d1)>
#map3 = affine_map<(d0, d1, d2) -> (d0, d1, 0)>
func.func @negative_bias_inside_softcap(%arg0: tensor<2x6x8xf32>, %arg1: tensor<2x6x8xf32>, %arg2: tensor<2x6x8xf32>, %arg3: tensor<6x6xf32>) -> tensor<2x6x8xf32> {
  %cst = arith.constant 0.000000e+00 : f32
  %c0_i64 = arith.constant 0 : i64
  %cst_0 = arith.constant 0xFF800000 : f32
  %0 = tensor.empty() : tensor<2x8x6xf32>
  %transposed = linalg.transpose ins(%arg1 : tensor<2x6x8xf32>) outs(%0 : tensor<2x8x6xf32>) permutation = [0, 2, 1]
  %1 = tensor.empty() : tensor<2x6x6xf32>
  %2 = linalg.fill ins(%cst : f32) outs(%1 : tensor<2x6x6xf32>) -> tensor<2x6x6xf32>
  %3 = linalg.batch_matmul ins(%arg0, %transposed : tensor<2x6x8xf32>, tensor<2x8x6xf32>) outs(%2 : tensor<2x6x6xf32>) -> tensor<2x6x6xf32>
  %4 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%3, %arg3 : tensor<2x6x6xf32>, tensor<6x6xf32>) outs(%1 : tensor<2x6x6xf32>) {
  ^bb0(%in: f32, %in_1: f32, %out: f32):
    %20 = arith.addf %in, %in_1 : f32
    linalg.yield %20 : f32
  } -> tensor<2x6x6xf32>
  %5 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%4 : tensor<2x6x6xf32>) outs(%1 : tensor<2x6x6xf32>) {
  ^bb0(%in: f32, %out: f32):
    %20 = math.tanh %in : f32
    linalg.yield %20 : f32
  } -> tensor<2x6x6xf32>
  %6 = tensor.empty() : tensor<2x6xi64>
  %7 = linalg.fill ins(%c0_i64 : i64) outs(%6 : tensor<2x6xi64>) -> tensor<2x6xi64>
  %8 = tensor.empty() : tensor<2x6xf32>
  %9 = linalg.fill ins(%cst_0 : f32) outs(%8 : tensor<2x6xf32>) -> tensor<2x6xf32>
  %10:2 = linalg.generic {indexing_maps = [#map, #map2, #map2], iterator_types = ["parallel", "parallel", "reduction"]} ins(%5 : tensor<2x6x6xf32>) outs(%9, %7 : tensor<2x6xf32>, tensor<2x6xi64>) {
  ^bb0(%in: f32, %out: f32, %out_1: i64):
    %20 = linalg.index 2 : index
    %21 = arith.index_cast %20 : index to i64
    %22 = arith.maximumf %in, %out : f32
    %23 = arith.cmpf ogt, %in, %out : f32
    %24 = arith.select %23, %21, %out_1 : i64
    linalg.yield %22, %24 : f32, i64
  } -> (tensor<2x6xf32>, tensor<2x6xi64>)
  %expanded = tensor.expand_shape %10#0 [[0], [1, 2]] output_shape [2, 6, 1] : tensor<2x6xf32> into tensor<2x6x1xf32>
  %11 = linalg.generic {indexing_maps = [#map, #map3, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%5, %expanded : tensor<2x6x6xf32>, tensor<2x6x1xf32>) outs(%1 : tensor<2x6x6xf32>) {
  ^bb0(%in: f32, %in_1: f32, %out: f32):
    %20 = arith.subf %in, %in_1 : f32
    linalg.yield %20 : f32
  } -> tensor<2x6x6xf32>
  %12 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%11 : tensor<2x6x6xf32>) outs(%1 : tensor<2x6x6xf32>) {
  ^bb0(%in: f32, %out: f32):
    %20 = math.exp %in : f32
    linalg.yield %20 : f32
  } -> tensor<2x6x6xf32>
  %13 = tensor.empty() : tensor<2x6x1xf32>
  %14 = linalg.fill ins(%cst : f32) outs(%13 : tensor<2x6x1xf32>) -> tensor<2x6x1xf32>
  %15 = linalg.generic {indexing_maps = [#map, #map3], iterator_types = ["parallel", "parallel", "reduction"]} ins(%12 : tensor<2x6x6xf32>) outs(%14 : tensor<2x6x1xf32>) {
  ^bb0(%in: f32, %out: f32):
    %20 = arith.addf %in, %out : f32
    linalg.yield %20 : f32
  } -> tensor<2x6x1xf32>
  %16 = linalg.generic {indexing_maps = [#map, #map3, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%12, %15 : tensor<2x6x6xf32>, tensor<2x6x1xf32>) outs(%1 : tensor<2x6x6xf32>) {
  ^bb0(%in: f32, %in_1: f32, %out: f32):
    %20 = arith.divf %in, %in_1 : f32
    linalg.yield %20 : f32
  } -> tensor<2x6x6xf32>
  %17 = tensor.empty() : tensor<2x6x8xf32>
  %18 = linalg.fill ins(%cst : f32) outs(%17 : tensor<2x6x8xf32>) -> tensor<2x6x8xf32>
  // expected-remark @+1 {{not raised to attn.attention: expected no term added before the softcap}}
  %19 = linalg.batch_matmul ins(%16, %arg2 : tensor<2x6x6xf32>, tensor<2x6x8xf32>) outs(%18 : tensor<2x6x8xf32>) -> tensor<2x6x8xf32>
  return %19 : tensor<2x6x8xf32>
}

// -----

// CHECK-LABEL: func.func @negative_factor_depends_on_pair
// CHECK-NOT: attn.attention
#map = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#map1 = affine_map<(d0, d1, d2) -> (d1, d2)>
#map2 = affine_map<(d0, d1, d2) -> (d0, d1)>
#map3 = affine_map<(d0, d1, d2) -> (d0, d1, 0)>
func.func @negative_factor_depends_on_pair(%arg0: tensor<2x6x8xf32>, %arg1: tensor<2x6x8xf32>, %arg2: tensor<2x6x8xf32>, %arg3: tensor<6x6xf32>) -> tensor<2x6x8xf32> {
  %cst = arith.constant 0.000000e+00 : f32
  %c0_i64 = arith.constant 0 : i64
  %cst_0 = arith.constant 0xFF800000 : f32
  %0 = tensor.empty() : tensor<2x8x6xf32>
  %transposed = linalg.transpose ins(%arg1 : tensor<2x6x8xf32>) outs(%0 : tensor<2x8x6xf32>) permutation = [0, 2, 1]
  %1 = tensor.empty() : tensor<2x6x6xf32>
  %2 = linalg.fill ins(%cst : f32) outs(%1 : tensor<2x6x6xf32>) -> tensor<2x6x6xf32>
  %3 = linalg.batch_matmul ins(%arg0, %transposed : tensor<2x6x8xf32>, tensor<2x8x6xf32>) outs(%2 : tensor<2x6x6xf32>) -> tensor<2x6x6xf32>
  %4 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%3, %arg3 : tensor<2x6x6xf32>, tensor<6x6xf32>) outs(%1 : tensor<2x6x6xf32>) {
  ^bb0(%in: f32, %in_1: f32, %out: f32):
    %19 = arith.mulf %in, %in_1 : f32
    linalg.yield %19 : f32
  } -> tensor<2x6x6xf32>
  %5 = tensor.empty() : tensor<2x6xi64>
  %6 = linalg.fill ins(%c0_i64 : i64) outs(%5 : tensor<2x6xi64>) -> tensor<2x6xi64>
  %7 = tensor.empty() : tensor<2x6xf32>
  %8 = linalg.fill ins(%cst_0 : f32) outs(%7 : tensor<2x6xf32>) -> tensor<2x6xf32>
  %9:2 = linalg.generic {indexing_maps = [#map, #map2, #map2], iterator_types = ["parallel", "parallel", "reduction"]} ins(%4 : tensor<2x6x6xf32>) outs(%8, %6 : tensor<2x6xf32>, tensor<2x6xi64>) {
  ^bb0(%in: f32, %out: f32, %out_1: i64):
    %19 = linalg.index 2 : index
    %20 = arith.index_cast %19 : index to i64
    %21 = arith.maximumf %in, %out : f32
    %22 = arith.cmpf ogt, %in, %out : f32
    %23 = arith.select %22, %20, %out_1 : i64
    linalg.yield %21, %23 : f32, i64
  } -> (tensor<2x6xf32>, tensor<2x6xi64>)
  %expanded = tensor.expand_shape %9#0 [[0], [1, 2]] output_shape [2, 6, 1] : tensor<2x6xf32> into tensor<2x6x1xf32>
  %10 = linalg.generic {indexing_maps = [#map, #map3, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%4, %expanded : tensor<2x6x6xf32>, tensor<2x6x1xf32>) outs(%1 : tensor<2x6x6xf32>) {
  ^bb0(%in: f32, %in_1: f32, %out: f32):
    %19 = arith.subf %in, %in_1 : f32
    linalg.yield %19 : f32
  } -> tensor<2x6x6xf32>
  %11 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%10 : tensor<2x6x6xf32>) outs(%1 : tensor<2x6x6xf32>) {
  ^bb0(%in: f32, %out: f32):
    %19 = math.exp %in : f32
    linalg.yield %19 : f32
  } -> tensor<2x6x6xf32>
  %12 = tensor.empty() : tensor<2x6x1xf32>
  %13 = linalg.fill ins(%cst : f32) outs(%12 : tensor<2x6x1xf32>) -> tensor<2x6x1xf32>
  %14 = linalg.generic {indexing_maps = [#map, #map3], iterator_types = ["parallel", "parallel", "reduction"]} ins(%11 : tensor<2x6x6xf32>) outs(%13 : tensor<2x6x1xf32>) {
  ^bb0(%in: f32, %out: f32):
    %19 = arith.addf %in, %out : f32
    linalg.yield %19 : f32
  } -> tensor<2x6x1xf32>
  %15 = linalg.generic {indexing_maps = [#map, #map3, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%11, %14 : tensor<2x6x6xf32>, tensor<2x6x1xf32>) outs(%1 : tensor<2x6x6xf32>) {
  ^bb0(%in: f32, %in_1: f32, %out: f32):
    %19 = arith.divf %in, %in_1 : f32
    linalg.yield %19 : f32
  } -> tensor<2x6x6xf32>
  %16 = tensor.empty() : tensor<2x6x8xf32>
  %17 = linalg.fill ins(%cst : f32) outs(%16 : tensor<2x6x8xf32>) -> tensor<2x6x8xf32>
  // expected-remark @+1 {{not raised to attn.attention: expected a constant factor of the score, got a function argument}}
  %18 = linalg.batch_matmul ins(%15, %arg2 : tensor<2x6x6xf32>, tensor<2x6x8xf32>) outs(%17 : tensor<2x6x8xf32>) -> tensor<2x6x8xf32>
  return %18 : tensor<2x6x8xf32>
}
