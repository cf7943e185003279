// RUN: attn-opt %s | attn-opt | FileCheck %s
// RUN: attn-opt %s --convert-attn-to-linalg | FileCheck %s --check-prefix=LINALG
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rows in pages: with and without batch and heads, and what they mean.

// CHECK-LABEL: func.func @all(
// CHECK: attn.gather_pages ins(%{{.*}}, %{{.*}} : tensor<?x8x16x4xf32>, tensor<2x3xi32>) outs(%{{.*}} : tensor<2x8x?x4xf32>) -> tensor<2x8x?x4xf32>
// LINALG-LABEL: func.func @all(
// LINALG-SAME: %[[POOL:[a-z0-9]*]]: tensor<?x8x16x4xf32>, %[[TABLE:[a-z0-9]*]]: tensor<2x3xi32>
// LINALG: linalg.generic
// LINALG: %[[B:.*]] = linalg.index 0
// LINALG: %[[H:.*]] = linalg.index 1
// LINALG: %[[J:.*]] = linalg.index 2
// LINALG: %[[D:.*]] = linalg.index 3
// LINALG: %[[ENTRY:.*]] = arith.divui %[[J]], %[[SIZE:.*]] : index
// LINALG: %[[ROW:.*]] = arith.remui %[[J]], %[[SIZE]] : index
// LINALG: %[[NUMBER:.*]] = tensor.extract %[[TABLE]][%[[B]], %[[ENTRY]]]
// LINALG: %[[PAGE:.*]] = arith.index_cast %[[NUMBER]] : i32 to index
// LINALG: tensor.extract %[[POOL]][%[[PAGE]], %[[H]], %[[ROW]], %[[D]]]
func.func @all(%pool: tensor<?x8x16x4xf32>, %table: tensor<2x3xi32>, %init: tensor<2x8x?x4xf32>) -> tensor<2x8x?x4xf32> {
  %r = attn.gather_pages ins(%pool, %table : tensor<?x8x16x4xf32>, tensor<2x3xi32>)
      outs(%init : tensor<2x8x?x4xf32>) -> tensor<2x8x?x4xf32>
  return %r : tensor<2x8x?x4xf32>
}

// CHECK-LABEL: func.func @bare(
// CHECK: attn.gather_pages
func.func @bare(%pool: tensor<5x16x4xbf16>, %table: tensor<?xi64>, %init: tensor<?x4xbf16>) -> tensor<?x4xbf16> {
  %r = attn.gather_pages ins(%pool, %table : tensor<5x16x4xbf16>, tensor<?xi64>) outs(%init : tensor<?x4xbf16>)
      -> tensor<?x4xbf16>
  return %r : tensor<?x4xbf16>
}
