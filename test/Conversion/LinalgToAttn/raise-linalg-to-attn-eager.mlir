// RUN: attn-opt %s --raise-linalg-to-attn --canonicalize --split-input-file | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The eager spelling: heads split from a projection, scale after the product, padding as an additive mask.

// CHECK-DAG: #[[$QUERY_MAP:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d2, d1, d4)>
// CHECK-DAG: #[[$KEY_MAP:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d3, d1, d4)>
// CHECK-DAG: #[[$VALUE_MAP:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d3, d1, d5)>
// CHECK-DAG: #[[$BIAS_MAP:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d3)>
// CHECK-DAG: #[[$OUTPUT_MAP:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d2, d1, d5)>
// CHECK-LABEL: func.func @eager_heads_split_from_projection
// CHECK-SAME: %[[Q:[a-z0-9]*]]: tensor<2x6x32xf32>, %[[K:[a-z0-9]*]]: tensor<2x6x32xf32>, %[[V:[a-z0-9]*]]: tensor<2x6x32xf32>, %[[M:[a-z0-9]*]]: tensor<2x1x1x6xf32>
// CHECK-NOT: linalg
// CHECK: %[[QUERY:.*]] = tensor.expand_shape %[[Q]]
// CHECK: %[[KEY:.*]] = tensor.expand_shape %[[K]]
// CHECK: %[[VALUE:.*]] = tensor.expand_shape %[[V]]
// CHECK: %[[BIAS:.*]] = tensor.collapse_shape %[[M]]
// CHECK: %[[OUT:.*]] = attn.attention ins(%[[QUERY]], %[[KEY]], %[[VALUE]] : {{.*}}) bias(%[[BIAS]] : tensor<2x6xf32>)
// CHECK-SAME: maps [#[[$QUERY_MAP]], #[[$KEY_MAP]], #[[$VALUE_MAP]], #[[$BIAS_MAP]], #[[$OUTPUT_MAP]]] scale 5.000000e-01
// CHECK-NOT: linalg
// CHECK: tensor.collapse_shape %[[OUT]]
#map = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#map1 = affine_map<(d0, d1, d2, d3) -> (d0, 0, 0, d3)>
#map2 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>
#map3 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, 0)>
func.func @eager_heads_split_from_projection(%arg0: tensor<2x6x32xf32>, %arg1: tensor<2x6x32xf32>, %arg2: tensor<2x6x32xf32>, %arg3: tensor<2x1x1x6xf32>) -> tensor<2x6x32xf32> {
  %cst = arith.constant 0.000000e+00 : f32
  %c0_i64 = arith.constant 0 : i64
  %cst_0 = arith.constant 0xFF800000 : f32
  %cst_1 = arith.constant 5.000000e-01 : f32
  %expanded = tensor.expand_shape %arg0 [[0], [1], [2, 3]] output_shape [2, 6, 4, 8] : tensor<2x6x32xf32> into tensor<2x6x4x8xf32>
  %0 = tensor.empty() : tensor<2x4x6x8xf32>
  %transposed = linalg.transpose ins(%expanded : tensor<2x6x4x8xf32>) outs(%0 : tensor<2x4x6x8xf32>) permutation = [0, 2, 1, 3]
  %expanded_2 = tensor.expand_shape %arg1 [[0], [1], [2, 3]] output_shape [2, 6, 4, 8] : tensor<2x6x32xf32> into tensor<2x6x4x8xf32>
  %expanded_3 = tensor.expand_shape %arg2 [[0], [1], [2, 3]] output_shape [2, 6, 4, 8] : tensor<2x6x32xf32> into tensor<2x6x4x8xf32>
  %transposed_4 = linalg.transpose ins(%expanded_3 : tensor<2x6x4x8xf32>) outs(%0 : tensor<2x4x6x8xf32>) permutation = [0, 2, 1, 3]
  %1 = tensor.empty() : tensor<2x4x8x6xf32>
  %transposed_5 = linalg.transpose ins(%expanded_2 : tensor<2x6x4x8xf32>) outs(%1 : tensor<2x4x8x6xf32>) permutation = [0, 2, 3, 1]
  %collapsed = tensor.collapse_shape %transposed [[0, 1], [2], [3]] : tensor<2x4x6x8xf32> into tensor<8x6x8xf32>
  %collapsed_6 = tensor.collapse_shape %transposed_5 [[0, 1], [2], [3]] : tensor<2x4x8x6xf32> into tensor<8x8x6xf32>
  %2 = tensor.empty() : tensor<8x6x6xf32>
  %3 = linalg.fill ins(%cst : f32) outs(%2 : tensor<8x6x6xf32>) -> tensor<8x6x6xf32>
  %4 = linalg.batch_matmul ins(%collapsed, %collapsed_6 : tensor<8x6x8xf32>, tensor<8x8x6xf32>) outs(%3 : tensor<8x6x6xf32>) -> tensor<8x6x6xf32>
  %expanded_7 = tensor.expand_shape %4 [[0, 1], [2], [3]] output_shape [2, 4, 6, 6] : tensor<8x6x6xf32> into tensor<2x4x6x6xf32>
  %5 = tensor.empty() : tensor<2x4x6x6xf32>
  %6 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%expanded_7 : tensor<2x4x6x6xf32>) outs(%5 : tensor<2x4x6x6xf32>) {
  ^bb0(%in: f32, %out: f32):
    %23 = arith.mulf %in, %cst_1 : f32
    linalg.yield %23 : f32
  } -> tensor<2x4x6x6xf32>
  %7 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%6, %arg3 : tensor<2x4x6x6xf32>, tensor<2x1x1x6xf32>) outs(%5 : tensor<2x4x6x6xf32>) {
  ^bb0(%in: f32, %in_14: f32, %out: f32):
    %23 = arith.addf %in, %in_14 : f32
    linalg.yield %23 : f32
  } -> tensor<2x4x6x6xf32>
  %8 = tensor.empty() : tensor<2x4x6xi64>
  %9 = linalg.fill ins(%c0_i64 : i64) outs(%8 : tensor<2x4x6xi64>) -> tensor<2x4x6xi64>
  %10 = tensor.empty() : tensor<2x4x6xf32>
  %11 = linalg.fill ins(%cst_0 : f32) outs(%10 : tensor<2x4x6xf32>) -> tensor<2x4x6xf32>
  %12:2 = linalg.generic {indexing_maps = [#map, #map2, #map2], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%7 : tensor<2x4x6x6xf32>) outs(%11, %9 : tensor<2x4x6xf32>, tensor<2x4x6xi64>) {
  ^bb0(%in: f32, %out: f32, %out_14: i64):
    %23 = linalg.index 3 : index
    %24 = arith.index_cast %23 : index to i64
    %25 = arith.maximumf %in, %out : f32
    %26 = arith.cmpf ogt, %in, %out : f32
    %27 = arith.select %26, %24, %out_14 : i64
    linalg.yield %25, %27 : f32, i64
  } -> (tensor<2x4x6xf32>, tensor<2x4x6xi64>)
  %expanded_8 = tensor.expand_shape %12#0 [[0], [1], [2, 3]] output_shape [2, 4, 6, 1] : tensor<2x4x6xf32> into tensor<2x4x6x1xf32>
  %13 = linalg.generic {indexing_maps = [#map, #map3, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%7, %expanded_8 : tensor<2x4x6x6xf32>, tensor<2x4x6x1xf32>) outs(%5 : tensor<2x4x6x6xf32>) {
  ^bb0(%in: f32, %in_14: f32, %out: f32):
    %23 = arith.subf %in, %in_14 : f32
    linalg.yield %23 : f32
  } -> tensor<2x4x6x6xf32>
  %14 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%13 : tensor<2x4x6x6xf32>) outs(%5 : tensor<2x4x6x6xf32>) {
  ^bb0(%in: f32, %out: f32):
    %23 = math.exp %in : f32
    linalg.yield %23 : f32
  } -> tensor<2x4x6x6xf32>
  %15 = tensor.empty() : tensor<2x4x6x1xf32>
  %16 = linalg.fill ins(%cst : f32) outs(%15 : tensor<2x4x6x1xf32>) -> tensor<2x4x6x1xf32>
  %17 = linalg.generic {indexing_maps = [#map, #map3], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%14 : tensor<2x4x6x6xf32>) outs(%16 : tensor<2x4x6x1xf32>) {
  ^bb0(%in: f32, %out: f32):
    %23 = arith.addf %in, %out : f32
    linalg.yield %23 : f32
  } -> tensor<2x4x6x1xf32>
  %18 = linalg.generic {indexing_maps = [#map, #map3, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%14, %17 : tensor<2x4x6x6xf32>, tensor<2x4x6x1xf32>) outs(%5 : tensor<2x4x6x6xf32>) {
  ^bb0(%in: f32, %in_14: f32, %out: f32):
    %23 = arith.divf %in, %in_14 : f32
    linalg.yield %23 : f32
  } -> tensor<2x4x6x6xf32>
  %collapsed_9 = tensor.collapse_shape %18 [[0, 1], [2], [3]] : tensor<2x4x6x6xf32> into tensor<8x6x6xf32>
  %collapsed_10 = tensor.collapse_shape %transposed_4 [[0, 1], [2], [3]] : tensor<2x4x6x8xf32> into tensor<8x6x8xf32>
  %19 = tensor.empty() : tensor<8x6x8xf32>
  %20 = linalg.fill ins(%cst : f32) outs(%19 : tensor<8x6x8xf32>) -> tensor<8x6x8xf32>
  %21 = linalg.batch_matmul ins(%collapsed_9, %collapsed_10 : tensor<8x6x6xf32>, tensor<8x6x8xf32>) outs(%20 : tensor<8x6x8xf32>) -> tensor<8x6x8xf32>
  %expanded_11 = tensor.expand_shape %21 [[0, 1], [2], [3]] output_shape [2, 4, 6, 8] : tensor<8x6x8xf32> into tensor<2x4x6x8xf32>
  %22 = tensor.empty() : tensor<2x6x4x8xf32>
  %transposed_12 = linalg.transpose ins(%expanded_11 : tensor<2x4x6x8xf32>) outs(%22 : tensor<2x6x4x8xf32>) permutation = [0, 2, 1, 3]
  %collapsed_13 = tensor.collapse_shape %transposed_12 [[0], [1], [2, 3]] : tensor<2x6x4x8xf32> into tensor<2x6x32xf32>
  return %collapsed_13 : tensor<2x6x32xf32>
}
