//===- Passes.td - passes for what stands around attention ------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Linear layers, normalisations and element-wise operations on their way from linalg on tensors to vector loops.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_CPU_LINALG_PASSES
#define ATTN_TARGET_CPU_LINALG_PASSES

include "mlir/Pass/PassBase.td"

def AttnFlattenRowsPass : Pass<"attn-flatten-rows", "::mlir::func::FuncOp"> {
  let summary = "element-wise chains fused, and batch and sequence seen as one dimension of rows";
  let description = [{
    Unit dimensions go, element-wise producers are fused into their only consumer (casts into all), and an operation
    whose neighbour is a reshape that has leading dimensions as one gets them as one too, so that the reshapes meet
    and cancel.

    ```mlir
    #id = affine_map<(b, n, c) -> (b, n, c)>
    #bias = affine_map<(b, n, c) -> (c)>
    func.func @bias(%x: tensor<4096x384xf32>, %bias: tensor<384xf32>) -> tensor<4096x384xf32> {
      %y = tensor.expand_shape %x [[0, 1], [2]] output_shape [8, 512, 384]
          : tensor<4096x384xf32> into tensor<8x512x384xf32>
      %init = tensor.empty() : tensor<8x512x384xf32>
      %z = linalg.generic {indexing_maps = [#id, #bias, #id], iterator_types = ["parallel", "parallel", "parallel"]}
          ins(%y, %bias : tensor<8x512x384xf32>, tensor<384xf32>) outs(%init : tensor<8x512x384xf32>) {
      ^bb0(%a: f32, %b: f32, %o: f32):
        %s = arith.addf %a, %b : f32
        linalg.yield %s : f32
      } -> tensor<8x512x384xf32>
      %r = tensor.collapse_shape %z [[0, 1], [2]] : tensor<8x512x384xf32> into tensor<4096x384xf32>
      return %r : tensor<4096x384xf32>
    }
    ```
    becomes
    ```mlir
    ...
    %1 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel"]} ins(%arg0, %arg1 : tensor<4096x384xf32>, tensor<384xf32>) outs(%0 : tensor<4096x384xf32>) {
    ...
    ```
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect"];
  let statistics = [Statistic<"numFlattened", "num-flattened", "Number of operations whose rows became one dimension">];
}

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

def AttnFuseRowsPass : Pass<"attn-fuse-rows", "::mlir::func::FuncOp"> {
  let summary = "chains of row-wise operations become one parallel loop over tiles of rows";
  let description = [{
    Operations that compute a row of their results from the same row of their operands are grouped as far as
    dependences allow, and every group becomes an `scf.forall` over tiles of rows. Intermediate results are tiles,
    which stay in the cache; only what is used outside of the group is written to a whole tensor. The number
    of rows in a tile depends on shapes alone.

    ```mlir
    func.func @layer(%x: tensor<4096x384xf32>, %w: tensor<12x384x32xf32>, %v: tensor<12x384x32xf32>)
        -> tensor<4096x384xf32> {
      %init = tensor.empty() : tensor<4096x384xf32>
      %a = attn.packed_matmul ins(%x, %w : tensor<4096x384xf32>, tensor<12x384x32xf32>)
          outs(%init : tensor<4096x384xf32>) -> tensor<4096x384xf32>
      %b = attn.packed_matmul ins(%a, %v : tensor<4096x384xf32>, tensor<12x384x32xf32>)
          outs(%init : tensor<4096x384xf32>) -> tensor<4096x384xf32>
      return %b : tensor<4096x384xf32>
    }
    ```
    becomes
    ```mlir
    ...
    %extracted_slice = tensor.extract_slice %arg0[%3, 0] [64, 384] [1, 1] : tensor<4096x384xf32> to tensor<64x384xf32>
    %4 = tensor.empty() : tensor<64x384xf32>
    %5 = attn.packed_matmul ins(%extracted_slice, %arg1 : tensor<64x384xf32>, tensor<12x384x32xf32>) outs(%4 : tensor<64x384xf32>) -> tensor<64x384xf32>
    %extracted_slice_0 = tensor.extract_slice %arg4[%3, 0] [64, 384] [1, 1] : tensor<4096x384xf32> to tensor<64x384xf32>
    %6 = attn.packed_matmul ins(%5, %arg2 : tensor<64x384xf32>, tensor<12x384x32xf32>) outs(%extracted_slice_0 : tensor<64x384xf32>) -> tensor<64x384xf32>
    ...
    ```
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::scf::SCFDialect",
                           "::mlir::tensor::TensorDialect"];
  let options = [Option<"maxRows", "max-rows", "int64_t", "64", "Most rows of a tile">];
  let statistics = [
    Statistic<"numGroups", "num-groups", "Number of parallel loops">,
    Statistic<"numFused", "num-fused", "Number of operations in them">];
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

def ConvertLinalgToVectorPass : Pass<"convert-linalg-to-vector", "::mlir::func::FuncOp"> {
  let summary = "linalg and packed products on buffers become loops over vectors";
  let description = [{
    Every linalg operation on memrefs becomes a loop nest. The dimension that makes the most operands contiguous runs
    along the lanes, also where it is a reduction of a known kind; its last lanes are masked. Accumulators are carried
    as values. A payload without a vector form becomes scalar loops, with a remark. `attn.packed_matmul` becomes
    loops around register tiles, and `memref.copy` a loop nest like any other.

    ```mlir
    func.func @scale(%x: memref<4x32xf32>, %y: memref<4x32xf32>) {
      linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
                      iterator_types = ["parallel", "parallel"]}
          ins(%x : memref<4x32xf32>) outs(%y : memref<4x32xf32>) {
      ^bb0(%a: f32, %b: f32):
        %s = arith.addf %a, %a : f32
        linalg.yield %s : f32
      }
      return
    }
    ```
    becomes
    ```mlir
    ...
    %0 = vector.load %arg0[%arg2, %arg3] : memref<4x32xf32>, vector<16xf32>
    %1 = arith.addf %0, %0 fastmath<arcp,contract> : vector<16xf32>
    vector.store %1, %arg1[%arg2, %arg3] : memref<4x32xf32>, vector<16xf32>
    ...
    ```
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
  let options = [Option<"vectorBits", "vector-bits", "int64_t", "512", "Width of a vector register">];
  let statistics = [
    Statistic<"numVectorized", "num-vectorized", "Number of operations that became vector loops">,
    Statistic<"numScalar", "num-scalar", "Number of operations that became scalar loops">,
    Statistic<"numProducts", "num-products", "Number of packed products">];
}

#endif // ATTN_TARGET_CPU_LINALG_PASSES
