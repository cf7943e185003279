//===- LshPasses.td - how hashed attention is tiled --------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Both forms of LSH attention become sorts and the same kernel of sorted chunks.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TRANSFORMS_LSH_PASSES
#define ATTN_TRANSFORMS_LSH_PASSES

include "mlir/Pass/PassBase.td"

def AttnTileAsymmetricLshPass : Pass<"attn-tile-asymmetric-lsh", "func::FuncOp"> {
  let summary = "LSH attention with keys of their own as hashes, sorts and gathered chunks";
  let description = [{
    Every `attn.asymmetric_lsh_attention` becomes the linear algebra of its hashes, an `attn.rank_sort` of queries and one
    of keys, and `attn.lsh_chunks`. Operands whose vectors are not contiguous, not of `column-align` elements or narrower
    than the type of sums (which `narrow` allows) are copied first. Lengths that the types leave open are checked when the program runs.

    Before:
    ```mlir
    func.func @f(%q: tensor<2x64x16xf32>, %k: tensor<2x64x16xf32>, %a: tensor<2x4x18xf32>, %init: tensor<2x64x16xf32>)
        -> tensor<2x64x16xf32> {
      %o = attn.asymmetric_lsh_attention ins(%q, %k, %k : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<2x64x16xf32>)
          directions(%a : tensor<2x4x18xf32>) outs(%init : tensor<2x64x16xf32>)
          maps [affine_map<(b, h, i, j, d, e) -> (h, i, d)>, affine_map<(b, h, i, j, d, e) -> (h, j, d)>,
                affine_map<(b, h, i, j, d, e) -> (h, j, e)>, affine_map<(b, h, i, j, d, e) -> (h, i, e)>]
          rounds 4 chunk 16 -> tensor<2x64x16xf32>
      return %o : tensor<2x64x16xf32>
    }
    ```
    After, in outline:
    ```mlir
    ...
    %queries:3 = attn.rank_sort ins(%qh : tensor<1x2x4x64xf32>) outs(...) code(...) chunk 16 -> ...
    ...
    %keys:3 = attn.rank_sort ins(%kh : tensor<1x2x4x64xf32>) outs(...) code(...) chunk 16 -> ...
    ...
    %chunks:2 = attn.lsh_chunks ins(%q, %k, %unit, %queries#0 : ...) code(%queries#2 : ...) keys(%k, %keys#0 : ...) key_code(%keys#2 : ...) outs(...) ...
    ...
    ```
  }];
  let options = [
    Option<"columnAlign", "column-align", "int64_t", "16", "what the length of vectors must be a multiple of">,
    Option<"narrow", "narrow", "bool", "false", "vectors narrower than the type of sums are read as they are">,
    Option<"wideCodes", "wide-codes", "bool", "false", "codes are of 32 bits, however few they need">
  ];
  let statistics = [
    Statistic<"numTiled", "num-tiled", "operations that became hashes, sorts and chunks">
  ];
  let dependentDialects = ["affine::AffineDialect", "arith::ArithDialect", "::mlir::cf::ControlFlowDialect",
                           "linalg::LinalgDialect", "::mlir::math::MathDialect", "tensor::TensorDialect"];
}

def AttnTileLshPass : Pass<"attn-tile-lsh", "func::FuncOp"> {
  let summary = "LSH attention as hash, sort and gathered chunks";
  let description = [{
    Every `attn.lsh_attention` becomes `attn.hash`, `attn.bucket_sort` and `attn.lsh_chunks`. Operands whose vectors are
    not contiguous, not of `column-align` elements or narrower than the type of sums (which `narrow` allows) are copied
    first. Lengths that the
    types leave open are checked when the program runs. What the kernels do not cover (a rolled axis of chunks, invalid
    tokens that attend, a log-sum-exp with the own position) becomes the dense form of `convert-attn-to-linalg`, with a
    remark.

    Before:
    ```mlir
    func.func @f(%x: tensor<2x64x16xf32>, %g: tensor<2x16x4x4xf32>, %init: tensor<2x64x16xf32>) -> tensor<2x64x16xf32> {
      %o = attn.lsh_attention ins(%x, %x : tensor<2x64x16xf32>, tensor<2x64x16xf32>)
          rotations(%g : tensor<2x16x4x4xf32>) outs(%init : tensor<2x64x16xf32>)
          maps [affine_map<(b, h, i, d, e) -> (h, i, d)>, affine_map<(b, h, i, d, e) -> (h, i, e)>,
                affine_map<(b, h, i, d, e) -> (h, i, e)>]
          rounds 4 chunk 16 buckets [8] causal -> tensor<2x64x16xf32>
      return %o : tensor<2x64x16xf32>
    }
    ```
    After, in outline:
    ```mlir
    ...
    %hash:2 = attn.hash ins(%x : tensor<2x64x16xf32>) rotations(...) outs(...) map ... buckets [8] epsilon ...
    ...
    %sort:3 = attn.bucket_sort ins(%hash#1 : tensor<1x2x4x64xi32>) outs(...) first(...) code(...) num_buckets 8 ...
    ...
    %chunks:2 = attn.lsh_chunks ins(%x, %x, %hash#0, %sort#0 : ...) first(%sort#1 : ...) code(%sort#2 : ...) outs(...) ...
    ...
    ```
  }];
  let options = [
    Option<"columnAlign", "column-align", "int64_t", "16", "what the length of vectors must be a multiple of">,
    Option<"narrow", "narrow", "bool", "false", "vectors narrower than the type of sums are read as they are">,
    Option<"wideCodes", "wide-codes", "bool", "false", "codes are of 32 bits, however few they need">
  ];
  let statistics = [
    Statistic<"numTiled", "num-tiled", "operations that became hash, sort and chunks">,
    Statistic<"numDense", "num-dense", "operations that are computed in their dense form">
  ];
  let dependentDialects = ["affine::AffineDialect", "arith::ArithDialect", "cf::ControlFlowDialect",
                           "linalg::LinalgDialect", "math::MathDialect", "scf::SCFDialect", "tensor::TensorDialect"];
}

#endif // ATTN_TRANSFORMS_LSH_PASSES
