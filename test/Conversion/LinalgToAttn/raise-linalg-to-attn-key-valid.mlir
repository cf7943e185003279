// RUN: attn-opt %s --raise-linalg-to-attn --canonicalize --split-input-file | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A mask of keys that selects -inf.

// CHECK-LABEL: func.func @keys_become_key_valid
// CHECK-SAME: %[[M:[a-z0-9]*]]: tensor<2x1x6xi1>)
// CHECK-NOT: linalg
// CHECK: %[[VALID:.*]] = tensor.collapse_shape %[[M]]
// CHECK: attn.attention {{.*}} key_valid(%[[VALID]] : tensor<2x6xi1>) {{.*}} scale 5.000000e-01
#map = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#map1 = affine_map<(d0, d1, d2) -> (d0, 0, d2)>
#map2 = affine_map<(d0, d1, d2) -> ()>
#map3 = affine_map<(d0, d1, d2) -> (d0, d1)>
#map4 = affine_map<(d0, d1, d2) -> (d0, d1, 0)>
func.func @keys_become_key_valid(%arg0: tensor<2x6x8xf32>, %arg1: tensor<2x6x8xf32>, %arg2: tensor<2x6x8xf32>, %arg3: tensor<2x1x6xi1>) -> tensor<2x6x8xf32> {
  %cst = arith.constant 0.000000e+00 : f32
  %true = arith.constant true
  %c0_i64 = arith.constant 0 : i64
  %cst_0 = arith.constant 0xFF800000 : f32
  %cst_1 = arith.constant dense<0xFF800000> : tensor<f32>
  %cst_2 = arith.constant 2.000000e+00 : f32
  %0 = tensor.empty() : tensor<2x8x6xf32>
  %transposed = linalg.transpose ins(%arg1 : tensor<2x6x8xf32>) outs(%0 : tensor<2x8x6xf32>) permutation = [0, 2, 1]
  %1 = tensor.empty() : tensor<2x6x6xf32>
  %2 = linalg.fill ins(%cst : f32) outs(%1 : tensor<2x6x6xf32>) -> tensor<2x6x6xf32>
  %3 = linalg.batch_matmul ins(%arg0, %transposed : tensor<2x6x8xf32>, tensor<2x8x6xf32>) outs(%2 : tensor<2x6x6xf32>) -> tensor<2x6x6xf32>
  %4 = tensor.empty() : tensor<2x1x6xi1>
  %5 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%arg3 : tensor<2x1x6xi1>) outs(%4 : tensor<2x1x6xi1>) {
  ^bb0(%in: i1, %out: i1):
    %22 = arith.xori %in, %true : i1
    linalg.yield %22 : i1
  } -> tensor<2x1x6xi1>
  %6 = linalg.generic {indexing_maps = [#map1, #map2, #map, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%5, %cst_1, %3 : tensor<2x1x6xi1>, tensor<f32>, tensor<2x6x6xf32>) outs(%1 : tensor<2x6x6xf32>) {
  ^bb0(%in: i1, %in_3: f32, %in_4: f32, %out: f32):
    %22 = arith.select %in, %in_3, %in_4 : f32
    linalg.yield %22 : f32
  } -> tensor<2x6x6xf32>
  %7 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%6 : tensor<2x6x6xf32>) outs(%1 : tensor<2x6x6xf32>) {
  ^bb0(%in: f32, %out: f32):
    %22 = arith.divf %in, %cst_2 : f32
    linalg.yield %22 : f32
  } -> tensor<2x6x6xf32>
  %8 = tensor.empty() : tensor<2x6xi64>
  %9 = linalg.fill ins(%c0_i64 : i64) outs(%8 : tensor<2x6xi64>) -> tensor<2x6xi64>
  %10 = tensor.empty() : tensor<2x6xf32>
  %11 = linalg.fill ins(%cst_0 : f32) outs(%10 : tensor<2x6xf32>) -> tensor<2x6xf32>
  %12:2 = linalg.generic {indexing_maps = [#map, #map3, #map3], iterator_types = ["parallel", "parallel", "reduction"]} ins(%7 : tensor<2x6x6xf32>) outs(%11, %9 : tensor<2x6xf32>, tensor<2x6xi64>) {
  ^bb0(%in: f32, %out: f32, %out_3: i64):
    %22 = linalg.index 2 : index
    %23 = arith.index_cast %22 : index to i64
    %24 = arith.maximumf %in, %out : f32
    %25 = arith.cmpf ogt, %in, %out : f32
    %26 = arith.select %25, %23, %out_3 : i64
    linalg.yield %24, %26 : f32, i64
  } -> (tensor<2x6xf32>, tensor<2x6xi64>)
  %expanded = tensor.expand_shape %12#0 [[0], [1, 2]] output_shape [2, 6, 1] : tensor<2x6xf32> into tensor<2x6x1xf32>
  %13 = linalg.generic {indexing_maps = [#map, #map4, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%7, %expanded : tensor<2x6x6xf32>, tensor<2x6x1xf32>) outs(%1 : tensor<2x6x6xf32>) {
  ^bb0(%in: f32, %in_3: f32, %out: f32):
    %22 = arith.subf %in, %in_3 : f32
    linalg.yield %22 : f32
  } -> tensor<2x6x6xf32>
  %14 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%13 : tensor<2x6x6xf32>) outs(%1 : tensor<2x6x6xf32>) {
  ^bb0(%in: f32, %out: f32):
    %22 = math.exp %in : f32
    linalg.yield %22 : f32
  } -> tensor<2x6x6xf32>
  %15 = tensor.empty() : tensor<2x6x1xf32>
  %16 = linalg.fill ins(%cst : f32) outs(%15 : tensor<2x6x1xf32>) -> tensor<2x6x1xf32>
  %17 = linalg.generic {indexing_maps = [#map, #map4], iterator_types = ["parallel", "parallel", "reduction"]} ins(%14 : tensor<2x6x6xf32>) outs(%16 : tensor<2x6x1xf32>) {
  ^bb0(%in: f32, %out: f32):
    %22 = arith.addf %in, %out : f32
    linalg.yield %22 : f32
  } -> tensor<2x6x1xf32>
  %18 = linalg.generic {indexing_maps = [#map, #map4, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%14, %17 : tensor<2x6x6xf32>, tensor<2x6x1xf32>) outs(%1 : tensor<2x6x6xf32>) {
  ^bb0(%in: f32, %in_3: f32, %out: f32):
    %22 = arith.divf %in, %in_3 : f32
    linalg.yield %22 : f32
  } -> tensor<2x6x6xf32>
  %19 = tensor.empty() : tensor<2x6x8xf32>
  %20 = linalg.fill ins(%cst : f32) outs(%19 : tensor<2x6x8xf32>) -> tensor<2x6x8xf32>
  %21 = linalg.batch_matmul ins(%18, %arg2 : tensor<2x6x6xf32>, tensor<2x6x8xf32>) outs(%20 : tensor<2x6x8xf32>) -> tensor<2x6x8xf32>
  return %21 : tensor<2x6x8xf32>
}
