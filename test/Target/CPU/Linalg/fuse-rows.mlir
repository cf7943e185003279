// RUN: attn-opt %s --attn-fuse-rows --canonicalize --split-input-file | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Chains of row-wise operations become one parallel loop over tiles of rows.

#id = affine_map<(n, c) -> (n, c)>
#row = affine_map<(n, c) -> (n)>

// The hidden tensor exists only as tiles; dynamic rows get tiles whose scratch is of static size.
// CHECK-LABEL: func.func @two_products
// CHECK: scf.forall
// CHECK: tensor.extract_slice %arg0
// CHECK: %[[SCRATCH:.*]] = tensor.empty() : tensor<64x96xf32>
// CHECK: %[[PART:.*]] = tensor.extract_slice %[[SCRATCH]]
// CHECK: %[[HIDDEN:.*]] = attn.packed_matmul {{.*}} outs(%[[PART]] : tensor<?x96xf32>)
// CHECK: %[[OUT:.*]] = attn.packed_matmul ins(%[[HIDDEN]]
// CHECK: tensor.parallel_insert_slice %[[OUT]]
func.func @two_products(%x: tensor<?x32xf32>, %w: tensor<3x32x32xf32>, %v: tensor<1x96x32xf32>, %n: index)
    -> tensor<?x32xf32> {
  %hidden = tensor.empty(%n) : tensor<?x96xf32>
  %a = attn.packed_matmul ins(%x, %w : tensor<?x32xf32>, tensor<3x32x32xf32>) outs(%hidden : tensor<?x96xf32>)
      -> tensor<?x96xf32>
  %init = tensor.empty(%n) : tensor<?x32xf32>
  %b = attn.packed_matmul ins(%a, %v : tensor<?x96xf32>, tensor<1x96x32xf32>) outs(%init : tensor<?x32xf32>)
      -> tensor<?x32xf32>
  return %b : tensor<?x32xf32>
}

// -----

#id = affine_map<(n, c) -> (n, c)>
#row = affine_map<(n, c) -> (n)>

// A reduction over columns is row-wise; its fill goes along. What two users need is written once.
// CHECK-LABEL: func.func @normalised_rows
// CHECK: scf.forall (%{{.*}}) in (16)
// CHECK: linalg.fill {{.*}} -> tensor<64xf32>
// CHECK: linalg.generic {{.*}}"reduction"]} {{.*}} outs(%{{.*}} : tensor<64xf32>)
// CHECK: linalg.generic {{.*}}"parallel"]} {{.*}} outs(%{{.*}} : tensor<64x384xf32>)
// CHECK-NOT: scf.forall (
func.func @normalised_rows(%x: tensor<1024x384xf32>) -> tensor<1024x384xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1024xf32>
  %fill = linalg.fill ins(%zero : f32) outs(%e : tensor<1024xf32>) -> tensor<1024xf32>
  %sum = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<1024x384xf32>) outs(%fill : tensor<1024xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = arith.addf %a, %o : f32
    linalg.yield %s : f32
  } -> tensor<1024xf32>
  %init = tensor.empty() : tensor<1024x384xf32>
  %y = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %sum : tensor<1024x384xf32>, tensor<1024xf32>) outs(%init : tensor<1024x384xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %s = arith.divf %a, %b : f32
    linalg.yield %s : f32
  } -> tensor<1024x384xf32>
  return %y : tensor<1024x384xf32>
}

// -----

#id = affine_map<(n, c) -> (n, c)>

// Too little work for a parallel loop.
// CHECK-LABEL: func.func @negative_small
// CHECK-NOT: scf.forall
func.func @negative_small(%x: tensor<8x16xf32>) -> tensor<8x16xf32> {
  %init = tensor.empty() : tensor<8x16xf32>
  %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<8x16xf32>) outs(%init : tensor<8x16xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = arith.mulf %a, %a : f32
    linalg.yield %s : f32
  } -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}

// -----

// Rows of scratch that would be 8192 bytes apart get a cache line more.
// CHECK-LABEL: func.func @padded_scratch
// CHECK: tensor.empty() : tensor<64x2064xf32>
func.func @padded_scratch(%x: tensor<128x32xf32>, %w: tensor<64x32x32xf32>, %v: tensor<1x2048x32xf32>)
    -> tensor<128x32xf32> {
  %hidden = tensor.empty() : tensor<128x2048xf32>
  %a = attn.packed_matmul ins(%x, %w : tensor<128x32xf32>, tensor<64x32x32xf32>) outs(%hidden : tensor<128x2048xf32>)
      -> tensor<128x2048xf32>
  %init = tensor.empty() : tensor<128x32xf32>
  %b = attn.packed_matmul ins(%a, %v : tensor<128x2048xf32>, tensor<1x2048x32xf32>) outs(%init : tensor<128x32xf32>)
      -> tensor<128x32xf32>
  return %b : tensor<128x32xf32>
}
