//===- DilationPasses.td - dilated windows as slices ------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is done to masks on whole tensors before they are tiled; a part of Passes.td.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TRANSFORMS_DILATION_PASSES
#define ATTN_TRANSFORMS_DILATION_PASSES

include "mlir/Pass/PassBase.td"

def AttnSplitDilationPass : Pass<"attn-split-dilation", "::mlir::func::FuncOp"> {
  let summary = "dilated windows become plain ones on strided slices";
  let description = [{
    With a dilation, queries and keys meet only where their positions have the same remainder. The positions become two
    dimensions, of which the second is the remainder and, as b or h, a loop of its own; no key in between is visited.
    Where heads have dilations of their own, those of one dilation are sliced out.

    It needs static lengths that the dilations divide, as many queries as keys, at least `least-skipped` keys between those
    of a window, and a mask that is the window, or it and a causal one. Bias, documents, segments, relative positions and score mods, and heads that share keys, leave the mask
    as it is, which is then compared score by score.

    ```mlir
    #q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
    #k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
    #v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
    #o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
    func.func @f(%q: tensor<2x64x16xf32>, %init: tensor<2x64x16xf32>) -> tensor<2x64x16xf32> {
      %o = attn.attention ins(%q, %q, %q : tensor<2x64x16xf32>, tensor<2x64x16xf32>, tensor<2x64x16xf32>)
          outs(%init : tensor<2x64x16xf32>) maps [#q, #k, #v, #o]
          mask #attn.window<before = 32, after = 32, dilation = 4, top_left> -> tensor<2x64x16xf32>
      return %o : tensor<2x64x16xf32>
    }
    ```
    becomes
    ```mlir
    ...
    %expanded = tensor.expand_shape %arg0 [[0], [1, 2], [3]] output_shape [2, 16, 4, 16] : tensor<2x64x16xf32> into tensor<2x16x4x16xf32>
    ...
    %0 = attn.attention ins(...) outs(...) maps [...] mask #attn.window<before = 32, after = 32, top_left> -> tensor<2x16x4x16xf32>
    ...
    ```
  }];
  let options = [Option<"leastSkipped", "least-skipped", "int64_t", "128",
                        "keys between those of a window from which on slices are faster">];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
  let statistics = [Statistic<"numSplit", "num-split", "Number of attentions that became slices">];
}

#endif // ATTN_TRANSFORMS_DILATION_PASSES
