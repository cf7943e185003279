//===- KernelizedPasses.td - softmax to features ----------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rewrites of softmax attention to attention by feature maps.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TRANSFORMS_KERNELIZED_PASSES
#define ATTN_TRANSFORMS_KERNELIZED_PASSES

include "mlir/Pass/PassBase.td"

def AttnRewriteToFavorPass : Pass<"attn-rewrite-to-favor", "::mlir::ModuleOp"> {
  let summary = "attention by random features";
  let description = [{
    Rewrites every attention that asks for `#attn.favor_form` to `attn.linear_attention` with features that estimate the
    softmax. Directions become a constant. Refused is what features cannot say: biases, score mods, softcaps, relative
    scores, masks other than causal ones, several segments of keys, keys that were mixed along positions as low-rank
    attention does, log-sum-exps, and scales that are not positive. A bias that is 0 everywhere is dropped, and one that
    only hides padding becomes key validity.

    Before:
    ```mlir
    func.func @f(%q: tensor<100x64xf32>, %init: tensor<100x64xf32>) -> tensor<100x64xf32> {
      %o = attn.attention ins(%q, %q, %q : tensor<100x64xf32>, tensor<100x64xf32>, tensor<100x64xf32>)
          outs(%init : tensor<100x64xf32>)
          maps [affine_map<(b, h, i, j, d, e) -> (i, d)>, affine_map<(b, h, i, j, d, e) -> (j, d)>,
                affine_map<(b, h, i, j, d, e) -> (j, e)>, affine_map<(b, h, i, j, d, e) -> (i, e)>]
          {attn.form = #attn.favor_form<features = 128>} -> tensor<100x64xf32>
      return %o : tensor<100x64xf32>
    }
    ```
    After, in outline:
    ```mlir
    ...
    %o = attn.linear_attention softmax_positive ins(...) projection(%cst : tensor<128x64xf32>) outs(...) maps ... scale 1.250000e-01 {attn.rewritten = #attn.favor_form<features = 128>} -> ...
    ...
    ```
  }];
  let statistics = [
    Statistic<"numRewritten", "num-rewritten", "attention operations by random features">,
    Statistic<"numRefused", "num-refused", "attention operations that stay exact">
  ];
  let dependentDialects = ["arith::ArithDialect", "linalg::LinalgDialect", "tensor::TensorDialect"];
}

def AttnRewriteToLinearPass : Pass<"attn-rewrite-to-linear", "::mlir::ModuleOp"> {
  let summary = "attention by a feature map in place of the softmax";
  let description = [{
    Rewrites every attention that asks for `#attn.linear_form` to `attn.linear_attention`. Refused is what
    attn-rewrite-to-favor refuses but for the scale, which has no part in the result.

    Before:
    ```mlir
    func.func @f(%q: tensor<100x64xf32>, %init: tensor<100x64xf32>) -> tensor<100x64xf32> {
      %o = attn.attention ins(%q, %q, %q : tensor<100x64xf32>, tensor<100x64xf32>, tensor<100x64xf32>)
          outs(%init : tensor<100x64xf32>)
          maps [affine_map<(b, h, i, j, d, e) -> (i, d)>, affine_map<(b, h, i, j, d, e) -> (j, d)>,
                affine_map<(b, h, i, j, d, e) -> (j, e)>, affine_map<(b, h, i, j, d, e) -> (i, e)>]
          mask #attn.causal<top_left> {attn.form = #attn.linear_form} -> tensor<100x64xf32>
      return %o : tensor<100x64xf32>
    }
    ```
    After, in outline:
    ```mlir
    ...
    %o = attn.linear_attention elu_plus_one ins(...) outs(...) maps ... causal top_left {attn.rewritten = #attn.linear_form} -> ...
    ...
    ```
  }];
  let statistics = [
    Statistic<"numRewritten", "num-rewritten", "attention operations by a feature map">,
    Statistic<"numRefused", "num-refused", "attention operations that stay exact">
  ];
  let dependentDialects = ["arith::ArithDialect", "linalg::LinalgDialect", "tensor::TensorDialect"];
}

#endif // ATTN_TRANSFORMS_KERNELIZED_PASSES
