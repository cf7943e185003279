// RUN: attn-opt %s --raise-linalg-to-attn=remarks=true --split-input-file --verify-diagnostics | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What is no attention stays, with a remark that says why.

// CHECK-LABEL: func.func @negative_softmax_over_queries
// CHECK-NOT: attn.attention
#map = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#map1 = affine_map<(d0, d1, d2) -> (d0, d2)>
#map2 = affine_map<(d0, d1, d2) -> (d0, 0, d2)>
func.func @negative_softmax_over_queries(%arg0: tensor<2x6x8xf32>, %arg1: tensor<2x6x8xf32>, %arg2: tensor<2x6x8xf32>) -> tensor<2x6x8xf32> {
  %cst = arith.constant 0.000000e+00 : f32
  %c0_i64 = arith.constant 0 : i64
  %cst_0 = arith.constant 0xFF800000 : f32
  %0 = tensor.empty() : tensor<2x8x6xf32>
  %transposed = linalg.transpose ins(%arg1 : tensor<2x6x8xf32>) outs(%0 : tensor<2x8x6xf32>) permutation = [0, 2, 1]
  %1 = tensor.empty() : tensor<2x6x6xf32>
  %2 = linalg.fill ins(%cst : f32) outs(%1 : tensor<2x6x6xf32>) -> tensor<2x6x6xf32>
  %3 = linalg.batch_matmul ins(%arg0, %transposed : tensor<2x6x8xf32>, tensor<2x8x6xf32>) outs(%2 : tensor<2x6x6xf32>) -> tensor<2x6x6xf32>
  %4 = tensor.empty() : tensor<2x6xi64>
  %5 = linalg.fill ins(%c0_i64 : i64) outs(%4 : tensor<2x6xi64>) -> tensor<2x6xi64>
  %6 = tensor.empty() : tensor<2x6xf32>
  %7 = linalg.fill ins(%cst_0 : f32) outs(%6 : tensor<2x6xf32>) -> tensor<2x6xf32>
  %8:2 = linalg.generic {indexing_maps = [#map, #map1, #map1], iterator_types = ["parallel", "reduction", "parallel"]} ins(%3 : tensor<2x6x6xf32>) outs(%7, %5 : tensor<2x6xf32>, tensor<2x6xi64>) {
  ^bb0(%in: f32, %out: f32, %out_1: i64):
    %18 = linalg.index 1 : index
    %19 = arith.index_cast %18 : index to i64
    %20 = arith.maximumf %in, %out : f32
    %21 = arith.cmpf ogt, %in, %out : f32
    %22 = arith.select %21, %19, %out_1 : i64
    linalg.yield %20, %22 : f32, i64
  } -> (tensor<2x6xf32>, tensor<2x6xi64>)
  %expanded = tensor.expand_shape %8#0 [[0, 1], [2]] output_shape [2, 1, 6] : tensor<2x6xf32> into tensor<2x1x6xf32>
  %9 = linalg.generic {indexing_maps = [#map, #map2, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%3, %expanded : tensor<2x6x6xf32>, tensor<2x1x6xf32>) outs(%1 : tensor<2x6x6xf32>) {
  ^bb0(%in: f32, %in_1: f32, %out: f32):
    %18 = arith.subf %in, %in_1 : f32
    linalg.yield %18 : f32
  } -> tensor<2x6x6xf32>
  %10 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%9 : tensor<2x6x6xf32>) outs(%1 : tensor<2x6x6xf32>) {
  ^bb0(%in: f32, %out: f32):
    %18 = math.exp %in : f32
    linalg.yield %18 : f32
  } -> tensor<2x6x6xf32>
  %11 = tensor.empty() : tensor<2x1x6xf32>
  %12 = linalg.fill ins(%cst : f32) outs(%11 : tensor<2x1x6xf32>) -> tensor<2x1x6xf32>
  %13 = linalg.generic {indexing_maps = [#map, #map2], iterator_types = ["parallel", "reduction", "parallel"]} ins(%10 : tensor<2x6x6xf32>) outs(%12 : tensor<2x1x6xf32>) {
  ^bb0(%in: f32, %out: f32):
    %18 = arith.addf %in, %out : f32
    linalg.yield %18 : f32
  } -> tensor<2x1x6xf32>
  %14 = linalg.generic {indexing_maps = [#map, #map2, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%10, %13 : tensor<2x6x6xf32>, tensor<2x1x6xf32>) outs(%1 : tensor<2x6x6xf32>) {
  ^bb0(%in: f32, %in_1: f32, %out: f32):
    %18 = arith.divf %in, %in_1 : f32
    linalg.yield %18 : f32
  } -> tensor<2x6x6xf32>
  %15 = tensor.empty() : tensor<2x6x8xf32>
  %16 = linalg.fill ins(%cst : f32) outs(%15 : tensor<2x6x8xf32>) -> tensor<2x6x8xf32>
  // expected-remark @+1 {{not raised to attn.attention: expected the divisor to sum the numerator over the keys}}
  %17 = linalg.batch_matmul ins(%14, %arg2 : tensor<2x6x6xf32>, tensor<2x6x8xf32>) outs(%16 : tensor<2x6x8xf32>) -> tensor<2x6x8xf32>
  return %17 : tensor<2x6x8xf32>
}

// -----

// CHECK-LABEL: func.func @negative_weights_times_gate
// CHECK-NOT: attn.attention
#map = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#map1 = affine_map<(d0, d1, d2) -> (d0, d1)>
#map2 = affine_map<(d0, d1, d2) -> (d0, d1, 0)>
func.func @negative_weights_times_gate(%arg0: tensor<2x6x8xf32>, %arg1: tensor<2x6x8xf32>, %arg2: tensor<2x6x8xf32>, %arg3: tensor<2x6x6xf32>) -> tensor<2x6x8xf32> {
  %cst = arith.constant 0.000000e+00 : f32
  %c0_i64 = arith.constant 0 : i64
  %cst_0 = arith.constant 0xFF800000 : f32
  %0 = tensor.empty() : tensor<2x8x6xf32>
  %transposed = linalg.transpose ins(%arg1 : tensor<2x6x8xf32>) outs(%0 : tensor<2x8x6xf32>) permutation = [0, 2, 1]
  %1 = tensor.empty() : tensor<2x6x6xf32>
  %2 = linalg.fill ins(%cst : f32) outs(%1 : tensor<2x6x6xf32>) -> tensor<2x6x6xf32>
  %3 = linalg.batch_matmul ins(%arg0, %transposed : tensor<2x6x8xf32>, tensor<2x8x6xf32>) outs(%2 : tensor<2x6x6xf32>) -> tensor<2x6x6xf32>
  %4 = tensor.empty() : tensor<2x6xi64>
  %5 = linalg.fill ins(%c0_i64 : i64) outs(%4 : tensor<2x6xi64>) -> tensor<2x6xi64>
  %6 = tensor.empty() : tensor<2x6xf32>
  %7 = linalg.fill ins(%cst_0 : f32) outs(%6 : tensor<2x6xf32>) -> tensor<2x6xf32>
  %8:2 = linalg.generic {indexing_maps = [#map, #map1, #map1], iterator_types = ["parallel", "parallel", "reduction"]} ins(%3 : tensor<2x6x6xf32>) outs(%7, %5 : tensor<2x6xf32>, tensor<2x6xi64>) {
  ^bb0(%in: f32, %out: f32, %out_1: i64):
    %19 = linalg.index 2 : index
    %20 = arith.index_cast %19 : index to i64
    %21 = arith.maximumf %in, %out : f32
    %22 = arith.cmpf ogt, %in, %out : f32
    %23 = arith.select %22, %20, %out_1 : i64
    linalg.yield %21, %23 : f32, i64
  } -> (tensor<2x6xf32>, tensor<2x6xi64>)
  %expanded = tensor.expand_shape %8#0 [[0], [1, 2]] output_shape [2, 6, 1] : tensor<2x6xf32> into tensor<2x6x1xf32>
  %9 = linalg.generic {indexing_maps = [#map, #map2, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%3, %expanded : tensor<2x6x6xf32>, tensor<2x6x1xf32>) outs(%1 : tensor<2x6x6xf32>) {
  ^bb0(%in: f32, %in_1: f32, %out: f32):
    %19 = arith.subf %in, %in_1 : f32
    linalg.yield %19 : f32
  } -> tensor<2x6x6xf32>
  %10 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%9 : tensor<2x6x6xf32>) outs(%1 : tensor<2x6x6xf32>) {
  ^bb0(%in: f32, %out: f32):
    %19 = math.exp %in : f32
    linalg.yield %19 : f32
  } -> tensor<2x6x6xf32>
  %11 = tensor.empty() : tensor<2x6x1xf32>
  %12 = linalg.fill ins(%cst : f32) outs(%11 : tensor<2x6x1xf32>) -> tensor<2x6x1xf32>
  %13 = linalg.generic {indexing_maps = [#map, #map2], iterator_types = ["parallel", "parallel", "reduction"]} ins(%10 : tensor<2x6x6xf32>) outs(%12 : tensor<2x6x1xf32>) {
  ^bb0(%in: f32, %out: f32):
    %19 = arith.addf %in, %out : f32
    linalg.yield %19 : f32
  } -> tensor<2x6x1xf32>
  %14 = linalg.generic {indexing_maps = [#map, #map2, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%10, %13 : tensor<2x6x6xf32>, tensor<2x6x1xf32>) outs(%1 : tensor<2x6x6xf32>) {
  ^bb0(%in: f32, %in_1: f32, %out: f32):
    %19 = arith.divf %in, %in_1 : f32
    linalg.yield %19 : f32
  } -> tensor<2x6x6xf32>
  %15 = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%14, %arg3 : tensor<2x6x6xf32>, tensor<2x6x6xf32>) outs(%1 : tensor<2x6x6xf32>) {
  ^bb0(%in: f32, %in_1: f32, %out: f32):
    %19 = arith.mulf %in, %in_1 : f32
    linalg.yield %19 : f32
  } -> tensor<2x6x6xf32>
  %16 = tensor.empty() : tensor<2x6x8xf32>
  %17 = linalg.fill ins(%cst : f32) outs(%16 : tensor<2x6x8xf32>) -> tensor<2x6x8xf32>
  // expected-remark @+1 {{not raised to attn.attention: expected an exponential, got arith.mulf}}
  %18 = linalg.batch_matmul ins(%15, %arg2 : tensor<2x6x6xf32>, tensor<2x6x8xf32>) outs(%17 : tensor<2x6x8xf32>) -> tensor<2x6x8xf32>
  return %18 : tensor<2x6x8xf32>
}
