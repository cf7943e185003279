//===- Passes.td - passes for what stands around attention ------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Linear layers, normalisations and element-wise operations on their way from linalg on tensors to vector loops.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_CPU_LINALG_PASSES
#define ATTN_TARGET_CPU_LINALG_PASSES

include "attn/Target/CPU/Linalg/PackingPasses.td"
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
