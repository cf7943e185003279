// RUN: attn-opt %s --raise-linalg-to-attn --canonicalize --split-input-file | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A mask of positions that selects the lowest finite value.

// CHECK-LABEL: func.func @positions_become_a_window
// CHECK-NOT: linalg
// CHECK: attn.attention {{.*}} mask #attn.window<before = 2, after = 0, top_left>
#map = affine_map<(d0) -> (d0)>
#map1 = affine_map<(d0, d1) -> (0, d1)>
#map2 = affine_map<(d0, d1) -> (d0, 0)>
#map3 = affine_map<(d0, d1) -> (d0, d1)>
#map4 = affine_map<(d0, d1, d2) -> (d1, d2)>
#map5 = affine_map<(d0, d1, d2) -> ()>
#map6 = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#map7 = affine_map<(d0, d1, d2) -> (d0, d1)>
#map8 = affine_map<(d0, d1, d2) -> (d0, d1, 0)>
func.func @positions_become_a_window(%arg0: tensor<2x6x8xf32>, %arg1: tensor<2x6x8xf32>, %arg2: tensor<2x6x8xf32>) -> tensor<2x6x8xf32> {
  %c3_i64 = arith.constant 3 : i64
  %c0_i64 = arith.constant 0 : i64
  %cst = arith.constant 0.000000e+00 : f32
  %true = arith.constant true
  %cst_0 = arith.constant 0xFF800000 : f32
  %cst_1 = arith.constant dense<-3.40282347E+38> : tensor<f32>
  %0 = tensor.empty() : tensor<6xi64>
  %1 = linalg.generic {indexing_maps = [#map], iterator_types = ["parallel"]} outs(%0 : tensor<6xi64>) {
  ^bb0(%out: i64):
    %28 = linalg.index 0 : index
    %29 = arith.index_cast %28 : index to i64
    linalg.yield %29 : i64
  } -> tensor<6xi64>
  %expanded = tensor.expand_shape %1 [[0, 1]] output_shape [6, 1] : tensor<6xi64> into tensor<6x1xi64>
  %expanded_2 = tensor.expand_shape %1 [[0, 1]] output_shape [1, 6] : tensor<6xi64> into tensor<1x6xi64>
  %2 = tensor.empty() : tensor<6x6xi1>
  %3 = linalg.generic {indexing_maps = [#map1, #map2, #map3], iterator_types = ["parallel", "parallel"]} ins(%expanded_2, %expanded : tensor<1x6xi64>, tensor<6x1xi64>) outs(%2 : tensor<6x6xi1>) {
  ^bb0(%in: i64, %in_4: i64, %out: i1):
    %28 = arith.cmpi sle, %in, %in_4 : i64
    linalg.yield %28 : i1
  } -> tensor<6x6xi1>
  %4 = tensor.empty() : tensor<6x6xi64>
  %5 = linalg.generic {indexing_maps = [#map2, #map1, #map3], iterator_types = ["parallel", "parallel"]} ins(%expanded, %expanded_2 : tensor<6x1xi64>, tensor<1x6xi64>) outs(%4 : tensor<6x6xi64>) {
  ^bb0(%in: i64, %in_4: i64, %out: i64):
    %28 = arith.subi %in, %in_4 : i64
    linalg.yield %28 : i64
  } -> tensor<6x6xi64>
  %6 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%5 : tensor<6x6xi64>) outs(%2 : tensor<6x6xi1>) {
  ^bb0(%in: i64, %out: i1):
    %28 = arith.cmpi slt, %in, %c3_i64 : i64
    linalg.yield %28 : i1
  } -> tensor<6x6xi1>
  %7 = linalg.generic {indexing_maps = [#map3, #map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%3, %6 : tensor<6x6xi1>, tensor<6x6xi1>) outs(%2 : tensor<6x6xi1>) {
  ^bb0(%in: i1, %in_4: i1, %out: i1):
    %28 = arith.andi %in, %in_4 : i1
    linalg.yield %28 : i1
  } -> tensor<6x6xi1>
  %8 = tensor.empty() : tensor<2x8x6xf32>
  %transposed = linalg.transpose ins(%arg1 : tensor<2x6x8xf32>) outs(%8 : tensor<2x8x6xf32>) permutation = [0, 2, 1]
  %9 = tensor.empty() : tensor<2x6x6xf32>
  %10 = linalg.fill ins(%cst : f32) outs(%9 : tensor<2x6x6xf32>) -> tensor<2x6x6xf32>
  %11 = linalg.batch_matmul ins(%arg0, %transposed : tensor<2x6x8xf32>, tensor<2x8x6xf32>) outs(%10 : tensor<2x6x6xf32>) -> tensor<2x6x6xf32>
  %12 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%7 : tensor<6x6xi1>) outs(%2 : tensor<6x6xi1>) {
  ^bb0(%in: i1, %out: i1):
    %28 = arith.xori %in, %true : i1
    linalg.yield %28 : i1
  } -> tensor<6x6xi1>
  %13 = linalg.generic {indexing_maps = [#map4, #map5, #map6, #map6], iterator_types = ["parallel", "parallel", "parallel"]} ins(%12, %cst_1, %11 : tensor<6x6xi1>, tensor<f32>, tensor<2x6x6xf32>) outs(%9 : tensor<2x6x6xf32>) {
  ^bb0(%in: i1, %in_4: f32, %in_5: f32, %out: f32):
    %28 = arith.select %in, %in_4, %in_5 : f32
    linalg.yield %28 : f32
  } -> tensor<2x6x6xf32>
  %14 = tensor.empty() : tensor<2x6xi64>
  %15 = linalg.fill ins(%c0_i64 : i64) outs(%14 : tensor<2x6xi64>) -> tensor<2x6xi64>
  %16 = tensor.empty() : tensor<2x6xf32>
  %17 = linalg.fill ins(%cst_0 : f32) outs(%16 : tensor<2x6xf32>) -> tensor<2x6xf32>
  %18:2 = linalg.generic {indexing_maps = [#map6, #map7, #map7], iterator_types = ["parallel", "parallel", "reduction"]} ins(%13 : tensor<2x6x6xf32>) outs(%17, %15 : tensor<2x6xf32>, tensor<2x6xi64>) {
  ^bb0(%in: f32, %out: f32, %out_4: i64):
    %28 = linalg.index 2 : index
    %29 = arith.index_cast %28 : index to i64
    %30 = arith.maximumf %in, %out : f32
    %31 = arith.cmpf ogt, %in, %out : f32
    %32 = arith.select %31, %29, %out_4 : i64
    linalg.yield %30, %32 : f32, i64
  } -> (tensor<2x6xf32>, tensor<2x6xi64>)
  %expanded_3 = tensor.expand_shape %18#0 [[0], [1, 2]] output_shape [2, 6, 1] : tensor<2x6xf32> into tensor<2x6x1xf32>
  %19 = linalg.generic {indexing_maps = [#map6, #map8, #map6], iterator_types = ["parallel", "parallel", "parallel"]} ins(%13, %expanded_3 : tensor<2x6x6xf32>, tensor<2x6x1xf32>) outs(%9 : tensor<2x6x6xf32>) {
  ^bb0(%in: f32, %in_4: f32, %out: f32):
    %28 = arith.subf %in, %in_4 : f32
    linalg.yield %28 : f32
  } -> tensor<2x6x6xf32>
  %20 = linalg.generic {indexing_maps = [#map6, #map6], iterator_types = ["parallel", "parallel", "parallel"]} ins(%19 : tensor<2x6x6xf32>) outs(%9 : tensor<2x6x6xf32>) {
  ^bb0(%in: f32, %out: f32):
    %28 = math.exp %in : f32
    linalg.yield %28 : f32
  } -> tensor<2x6x6xf32>
  %21 = tensor.empty() : tensor<2x6x1xf32>
  %22 = linalg.fill ins(%cst : f32) outs(%21 : tensor<2x6x1xf32>) -> tensor<2x6x1xf32>
  %23 = linalg.generic {indexing_maps = [#map6, #map8], iterator_types = ["parallel", "parallel", "reduction"]} ins(%20 : tensor<2x6x6xf32>) outs(%22 : tensor<2x6x1xf32>) {
  ^bb0(%in: f32, %out: f32):
    %28 = arith.addf %in, %out : f32
    linalg.yield %28 : f32
  } -> tensor<2x6x1xf32>
  %24 = linalg.generic {indexing_maps = [#map6, #map8, #map6], iterator_types = ["parallel", "parallel", "parallel"]} ins(%20, %23 : tensor<2x6x6xf32>, tensor<2x6x1xf32>) outs(%9 : tensor<2x6x6xf32>) {
  ^bb0(%in: f32, %in_4: f32, %out: f32):
    %28 = arith.divf %in, %in_4 : f32
    linalg.yield %28 : f32
  } -> tensor<2x6x6xf32>
  %25 = tensor.empty() : tensor<2x6x8xf32>
  %26 = linalg.fill ins(%cst : f32) outs(%25 : tensor<2x6x8xf32>) -> tensor<2x6x8xf32>
  %27 = linalg.batch_matmul ins(%24, %arg2 : tensor<2x6x6xf32>, tensor<2x6x8xf32>) outs(%26 : tensor<2x6x8xf32>) -> tensor<2x6x8xf32>
  return %27 : tensor<2x6x8xf32>
}
