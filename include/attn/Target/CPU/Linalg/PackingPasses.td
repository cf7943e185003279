//===- PackingPasses.td - operands in panels --------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Products whose weights are kept as the micro-kernels read them.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_CPU_LINALG_PACKING_PASSES
#define ATTN_TARGET_CPU_LINALG_PACKING_PASSES

include "mlir/Pass/PassBase.td"

def AttnFoldPackedConstantsPass : Pass<"attn-fold-packed-constants", "::mlir::func::FuncOp"> {
  let summary = "constant matrices packed by the compiler";
  let description = [{
    `attn.pack panels` of a constant matrix becomes a constant of panels.

    ```mlir
    func.func @weights() -> tensor<1x2x16xf32> {
      %w = arith.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
      %dest = tensor.empty() : tensor<1x2x16xf32>
      %p = attn.pack panels ins(%w : tensor<2x2xf32>) outs(%dest : tensor<1x2x16xf32>)
          map affine_map<(g, row, depth) -> (row, depth)> -> tensor<1x2x16xf32>
      return %p : tensor<1x2x16xf32>
    }
    ```
    becomes
    ```mlir
    ...
    %cst = arith.constant dense_resource<attn_packed> : tensor<1x2x16xf32>
    ...
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
  let statistics = [Statistic<"numFolded", "num-folded", "Number of packed constants">];
}

def AttnPackContractionsPass : Pass<"attn-pack-contractions", "::mlir::func::FuncOp"> {
  let summary = "products with a matrix that all rows share become packed products";
  let description = [{
    A contraction whose right-hand side is one matrix for all rows becomes `attn.packed_matmul` with that matrix in
    panels. Transposes of the matrix and its broadcast over the batch, as exporters write them, are looked through.
    Operands of f16 and bf16 are converted; sums are in f32.

    ```mlir
    func.func @linear(%x: tensor<?x8xf32>, %w: tensor<16x8xf32>, %init: tensor<?x16xf32>) -> tensor<?x16xf32> {
      %zero = arith.constant 0.0 : f32
      %empty = tensor.empty() : tensor<8x16xf32>
      %t = linalg.transpose ins(%w : tensor<16x8xf32>) outs(%empty : tensor<8x16xf32>) permutation = [1, 0]
      %fill = linalg.fill ins(%zero : f32) outs(%init : tensor<?x16xf32>) -> tensor<?x16xf32>
      %y = linalg.matmul ins(%x, %t : tensor<?x8xf32>, tensor<8x16xf32>) outs(%fill : tensor<?x16xf32>)
          -> tensor<?x16xf32>
      return %y : tensor<?x16xf32>
    }
    ```
    becomes
    ```mlir
    ...
    %4 = attn.pack panels ins(%arg1 : tensor<16x8xf32>) outs(%3 : tensor<1x8x32xf32>) map #map -> tensor<1x8x32xf32>
    %5 = attn.packed_matmul ins(%arg0, %4 : tensor<?x8xf32>, tensor<1x8x32xf32>) outs(%2 : tensor<?x16xf32>) -> tensor<?x16xf32>
    ...
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::attn::AttnDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
  let options = [Option<"vectorBits", "vector-bits", "int64_t", "512", "Width of a vector register">];
  let statistics = [Statistic<"numPacked", "num-packed", "Number of contractions">];
}

def AttnPackFeedForwardPass : Pass<"attn-pack-feed-forward", "::mlir::func::FuncOp"> {
  let summary = "feed-forward layers get their matrices in panels";
  let description = [{
    `attn.feed_forward` becomes `attn.packed_feed_forward`, whose matrices are packed by `attn.pack`, for constants at
    compile time. Operands of f16 and bf16 are converted to f32, the type of its sums.

    ```mlir
    #up = affine_map<(m, k, h, n) -> (h, k)>
    #down = affine_map<(m, k, h, n) -> (h, n)>
    func.func @layer(%x: tensor<?x8xf32>, %w: tensor<64x8xf32>, %v: tensor<64x8xf32>, %init: tensor<?x8xf32>)
        -> tensor<?x8xf32> {
      %r = attn.feed_forward silu ins(%x : tensor<?x8xf32>) up(%w : tensor<64x8xf32>) down(%v : tensor<64x8xf32>)
          outs(%init : tensor<?x8xf32>) maps [#up, #down] -> tensor<?x8xf32>
      return %r : tensor<?x8xf32>
    }
    ```
    becomes
    ```mlir
    ...
    %1 = attn.pack panels ins(%arg1 : tensor<64x8xf32>) outs(%0 : tensor<2x8x32xf32>) map #map -> tensor<2x8x32xf32>
    %2 = tensor.empty() : tensor<1x64x32xf32>
    %3 = attn.pack panels ins(%arg2 : tensor<64x8xf32>) outs(%2 : tensor<1x64x32xf32>) map #map1 -> tensor<1x64x32xf32>
    %4 = attn.packed_feed_forward silu ins(%arg0 : tensor<?x8xf32>) up(%1 : tensor<2x8x32xf32>) down(%3 : tensor<1x64x32xf32>) outs(%arg3 : tensor<?x8xf32>) tile 64, 512 -> tensor<?x8xf32>
    ...
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::attn::AttnDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
  let options = [
    Option<"vectorBits", "vector-bits", "int64_t", "512", "Width of a vector register">,
    Option<"rows", "rows", "int64_t", "64", "Rows that have hidden values at once, unless the operation says">,
    Option<"hiddenTile", "hidden-tile", "int64_t", "512", "Hidden values of a row at once">];
  let statistics = [Statistic<"numPacked", "num-packed", "Number of layers">];
}

#endif // ATTN_TARGET_CPU_LINALG_PACKING_PASSES
