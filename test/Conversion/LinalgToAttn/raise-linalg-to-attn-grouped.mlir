// RUN: attn-opt %s --raise-linalg-to-attn --canonicalize --split-input-file | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Key heads repeated for groups of query heads.

// CHECK-DAG: #[[$KEY_MAP:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1 floordiv 2, d3, d4)>
// CHECK-DAG: #[[$VALUE_MAP:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1 floordiv 2, d3, d5)>
// CHECK-LABEL: func.func @grouped_heads
// CHECK-SAME: %[[Q:[a-z0-9]*]]: tensor<1x4x6x8xf32>, %[[K:[a-z0-9]*]]: tensor<1x2x6x8xf32>, %[[V:[a-z0-9]*]]: tensor<1x2x6x8xf32>
// CHECK-NOT: linalg
// CHECK: %[[OUT:.*]] = attn.attention ins(%[[Q]], %[[K]], %[[V]] : {{.*}}) outs({{.*}}) maps [#{{.*}}, #[[$KEY_MAP]], #[[$VALUE_MAP]], #{{.*}}]
// CHECK-SAME: scale 5.000000e-01
// CHECK: return %[[OUT]]
#map = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d3, d4)>
#map1 = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d3, d4)>
#map2 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#map3 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>
#map4 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, 0)>
func.func @grouped_heads(%arg0: tensor<1x4x6x8xf32>, %arg1: tensor<1x2x6x8xf32>, %arg2: tensor<1x2x6x8xf32>) -> tensor<1x4x6x8xf32> {
  %c0_i64 = arith.constant 0 : i64
  %cst = arith.constant 0.000000e+00 : f32
  %cst_0 = arith.constant 0xFF800000 : f32
  %cst_1 = arith.constant 5.000000e-01 : f32
  %0 = tensor.empty() : tensor<1x2x2x6x8xf32>
  %1 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel"]} ins(%arg1 : tensor<1x2x6x8xf32>) outs(%0 : tensor<1x2x2x6x8xf32>) {
  ^bb0(%in: f32, %out: f32):
    linalg.yield %in : f32
  } -> tensor<1x2x2x6x8xf32>
  %collapsed = tensor.collapse_shape %1 [[0], [1, 2], [3], [4]] : tensor<1x2x2x6x8xf32> into tensor<1x4x6x8xf32>
  %2 = tensor.empty() : tensor<1x4x8x6xf32>
  %transposed = linalg.transpose ins(%collapsed : tensor<1x4x6x8xf32>) outs(%2 : tensor<1x4x8x6xf32>) permutation = [0, 1, 3, 2]
  %collapsed_2 = tensor.collapse_shape %arg0 [[0, 1], [2], [3]] : tensor<1x4x6x8xf32> into tensor<4x6x8xf32>
  %collapsed_3 = tensor.collapse_shape %transposed [[0, 1], [2], [3]] : tensor<1x4x8x6xf32> into tensor<4x8x6xf32>
  %3 = tensor.empty() : tensor<4x6x6xf32>
  %4 = linalg.fill ins(%cst : f32) outs(%3 : tensor<4x6x6xf32>) -> tensor<4x6x6xf32>
  %5 = linalg.batch_matmul ins(%collapsed_2, %collapsed_3 : tensor<4x6x8xf32>, tensor<4x8x6xf32>) outs(%4 : tensor<4x6x6xf32>) -> tensor<4x6x6xf32>
  %expanded = tensor.expand_shape %5 [[0, 1], [2], [3]] output_shape [1, 4, 6, 6] : tensor<4x6x6xf32> into tensor<1x4x6x6xf32>
  %6 = tensor.empty() : tensor<1x4x6x6xf32>
  %7 = linalg.generic {indexing_maps = [#map2, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%expanded : tensor<1x4x6x6xf32>) outs(%6 : tensor<1x4x6x6xf32>) {
  ^bb0(%in: f32, %out: f32):
    %23 = arith.mulf %in, %cst_1 : f32
    linalg.yield %23 : f32
  } -> tensor<1x4x6x6xf32>
  %8 = tensor.empty() : tensor<1x4x6xi64>
  %9 = linalg.fill ins(%c0_i64 : i64) outs(%8 : tensor<1x4x6xi64>) -> tensor<1x4x6xi64>
  %10 = tensor.empty() : tensor<1x4x6xf32>
  %11 = linalg.fill ins(%cst_0 : f32) outs(%10 : tensor<1x4x6xf32>) -> tensor<1x4x6xf32>
  %12:2 = linalg.generic {indexing_maps = [#map2, #map3, #map3], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%7 : tensor<1x4x6x6xf32>) outs(%11, %9 : tensor<1x4x6xf32>, tensor<1x4x6xi64>) {
  ^bb0(%in: f32, %out: f32, %out_8: i64):
    %23 = linalg.index 3 : index
    %24 = arith.index_cast %23 : index to i64
    %25 = arith.maximumf %in, %out : f32
    %26 = arith.cmpf ogt, %in, %out : f32
    %27 = arith.select %26, %24, %out_8 : i64
    linalg.yield %25, %27 : f32, i64
  } -> (tensor<1x4x6xf32>, tensor<1x4x6xi64>)
  %expanded_4 = tensor.expand_shape %12#0 [[0], [1], [2, 3]] output_shape [1, 4, 6, 1] : tensor<1x4x6xf32> into tensor<1x4x6x1xf32>
  %13 = linalg.generic {indexing_maps = [#map2, #map4, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%7, %expanded_4 : tensor<1x4x6x6xf32>, tensor<1x4x6x1xf32>) outs(%6 : tensor<1x4x6x6xf32>) {
  ^bb0(%in: f32, %in_8: f32, %out: f32):
    %23 = arith.subf %in, %in_8 : f32
    linalg.yield %23 : f32
  } -> tensor<1x4x6x6xf32>
  %14 = linalg.generic {indexing_maps = [#map2, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%13 : tensor<1x4x6x6xf32>) outs(%6 : tensor<1x4x6x6xf32>) {
  ^bb0(%in: f32, %out: f32):
    %23 = math.exp %in : f32
    linalg.yield %23 : f32
  } -> tensor<1x4x6x6xf32>
  %15 = tensor.empty() : tensor<1x4x6x1xf32>
  %16 = linalg.fill ins(%cst : f32) outs(%15 : tensor<1x4x6x1xf32>) -> tensor<1x4x6x1xf32>
  %17 = linalg.generic {indexing_maps = [#map2, #map4], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%14 : tensor<1x4x6x6xf32>) outs(%16 : tensor<1x4x6x1xf32>) {
  ^bb0(%in: f32, %out: f32):
    %23 = arith.addf %in, %out : f32
    linalg.yield %23 : f32
  } -> tensor<1x4x6x1xf32>
  %18 = linalg.generic {indexing_maps = [#map2, #map4, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%14, %17 : tensor<1x4x6x6xf32>, tensor<1x4x6x1xf32>) outs(%6 : tensor<1x4x6x6xf32>) {
  ^bb0(%in: f32, %in_8: f32, %out: f32):
    %23 = arith.divf %in, %in_8 : f32
    linalg.yield %23 : f32
  } -> tensor<1x4x6x6xf32>
  %19 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel"]} ins(%arg2 : tensor<1x2x6x8xf32>) outs(%0 : tensor<1x2x2x6x8xf32>) {
  ^bb0(%in: f32, %out: f32):
    linalg.yield %in : f32
  } -> tensor<1x2x2x6x8xf32>
  %collapsed_5 = tensor.collapse_shape %18 [[0, 1], [2], [3]] : tensor<1x4x6x6xf32> into tensor<4x6x6xf32>
  %collapsed_6 = tensor.collapse_shape %19 [[0, 1, 2], [3], [4]] : tensor<1x2x2x6x8xf32> into tensor<4x6x8xf32>
  %20 = tensor.empty() : tensor<4x6x8xf32>
  %21 = linalg.fill ins(%cst : f32) outs(%20 : tensor<4x6x8xf32>) -> tensor<4x6x8xf32>
  %22 = linalg.batch_matmul ins(%collapsed_5, %collapsed_6 : tensor<4x6x6xf32>, tensor<4x6x8xf32>) outs(%21 : tensor<4x6x8xf32>) -> tensor<4x6x8xf32>
  %expanded_7 = tensor.expand_shape %22 [[0, 1], [2], [3]] output_shape [1, 4, 6, 8] : tensor<4x6x8xf32> into tensor<1x4x6x8xf32>
  return %expanded_7 : tensor<1x4x6x8xf32>
}
