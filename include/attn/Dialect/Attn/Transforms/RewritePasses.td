//===- RewritePasses.td - a pass for every form ------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each takes the attention operations whose `attn.form` is its own.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TRANSFORMS_REWRITE_PASSES
#define ATTN_TRANSFORMS_REWRITE_PASSES

include "attn/Dialect/Attn/Transforms/KernelizedPasses.td"
include "mlir/Pass/PassBase.td"

def AttnRewriteToLowRankPass : Pass<"attn-rewrite-to-low-rank", "::mlir::ModuleOp"> {
  let summary = "attention over projected keys, where `#attn.low_rank_form` asks for it";
  let description = [{
    Gives every `attn.attention` that asks for it projections and makes it `attn.low_rank_attention`; for max pooling,
    pools its keys and values and attends to them. Refuses, with a remark that says why: a causal mask without
    `causal_blocks`, other masks, biases and score mods, which have no meaning for slots, a softcap, more slots than
    keys, and dynamic lengths without `length`. A bias of 0 and the lowest number that only depends on the key says which
    keys are valid.

    Before:
    ```mlir
    func.func @f(%q: tensor<300x64xf32>, %k: tensor<300x64xf32>, %init: tensor<300x64xf32>) -> tensor<300x64xf32> {
      %o = attn.attention ins(%q, %k, %k : tensor<300x64xf32>, tensor<300x64xf32>, tensor<300x64xf32>)
          outs(%init : tensor<300x64xf32>)
          maps [affine_map<(b, h, i, j, d, e) -> (i, d)>, affine_map<(b, h, i, j, d, e) -> (j, d)>,
                affine_map<(b, h, i, j, d, e) -> (j, e)>, affine_map<(b, h, i, j, d, e) -> (i, e)>]
          {attn.form = #attn.low_rank_form<k = 32, seed = 7>} -> tensor<300x64xf32>
      return %o : tensor<300x64xf32>
    }
    ```
    After, in outline:
    ```mlir
    ...
    %0 = attn.gaussian_projection seed 7 : tensor<32x300xf32>
    %1 = attn.gaussian_projection seed 7 purpose 1 : tensor<32x300xf32>
    %2 = attn.low_rank_attention ins(%arg0, %arg1, %arg1 : ...) projections(%0, %1 : ...) ... -> tensor<300x64xf32>
    ...
    ```
  }];
  let statistics = [Statistic<"numRewritten", "num-rewritten", "attention operations that became low-rank">,
                    Statistic<"numRefused", "num-refused", "requests that were refused">];
  let dependentDialects = ["affine::AffineDialect", "arith::ArithDialect", "linalg::LinalgDialect",
                           "tensor::TensorDialect"];
}

def AttnRewriteToLshPass : Pass<"attn-rewrite-to-lsh", "func::FuncOp"> {
  let summary = "attention within buckets of a locality-sensitive hash";
  let description = [{
    Rewrites every attention that asks for `#attn.lsh_form`: to `attn.lsh_attention` where keys are the queries or the form
    says `shared_qk`, else to `attn.asymmetric_lsh_attention`. Rotations and directions are drawn from the form's seed, the
    number of the operation among those that ask, and the head. A bias of 0 and the lowest number that only depends on the
    key says which keys are valid; where there are as many queries, queries at invalid positions give 0. Refused where a
    mask is not causal, where another bias, a softcap, segments or relative positions refer to keys, where heads share
    keys, and where a length that the buckets depend on is not known.

    Before:
    ```mlir
    func.func @f(%x: tensor<2x64x16xf32>, %init: tensor<2x64x16xf32>) -> tensor<2x64x16xf32> {
      %o = attn.attention ins(%x, %x, %x : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<2x64x16xf32>)
          outs(%init : tensor<2x64x16xf32>)
          maps [affine_map<(b, h, i, j, d, e) -> (h, i, d)>, affine_map<(b, h, i, j, d, e) -> (h, j, d)>,
                affine_map<(b, h, i, j, d, e) -> (h, j, e)>, affine_map<(b, h, i, j, d, e) -> (h, i, e)>]
          mask #attn.causal<top_left> {attn.form = #attn.lsh_form<rounds = 2, chunk = 16>} -> tensor<2x64x16xf32>
      return %o : tensor<2x64x16xf32>
    }
    ```
    After, in outline:
    ```mlir
    ...
    %o = attn.lsh_attention ins(%x, %x : ...) rotations(%cst : ...) outs(...) maps ... rounds 2 chunk 16 buckets [8] causal {...} -> ...
    ...
    ```
  }];
  let statistics = [
    Statistic<"numRewritten", "num-rewritten", "attention operations that hash">,
    Statistic<"numRefused", "num-refused", "attention operations that stay exact">
  ];
  let dependentDialects = ["arith::ArithDialect", "linalg::LinalgDialect", "tensor::TensorDialect"];
}

#endif // ATTN_TRANSFORMS_REWRITE_PASSES
