//===- MaskRewritePasses.td - forms that are masks ---------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each takes the attention operations whose `attn.form` is its own and gives them a mask more.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TRANSFORMS_MASK_REWRITE_PASSES
#define ATTN_TRANSFORMS_MASK_REWRITE_PASSES

include "mlir/Pass/PassBase.td"

def AttnRewriteToBigBirdPass : Pass<"attn-rewrite-to-big-bird", "func::FuncOp"> {
  let summary = "attention to neighbouring and random blocks";
  let description = [{
    Rewrites every attention that asks for `#attn.bigbird_form`: its mask becomes that of BigBird too. Refused where
    queries and keys are known to differ in number, since then a key has no place beside a query.

    Before:
    ```mlir
    func.func @f(%q: tensor<100x64xf32>, %init: tensor<100x64xf32>) -> tensor<100x64xf32> {
      %o = attn.attention ins(%q, %q, %q : tensor<100x64xf32>, tensor<100x64xf32>, tensor<100x64xf32>)
          outs(%init : tensor<100x64xf32>)
          maps [affine_map<(b, h, i, j, d, e) -> (i, d)>, affine_map<(b, h, i, j, d, e) -> (j, d)>,
                affine_map<(b, h, i, j, d, e) -> (j, e)>, affine_map<(b, h, i, j, d, e) -> (i, e)>]
          {attn.form = #attn.bigbird_form<block = 8>} -> tensor<100x64xf32>
      return %o : tensor<100x64xf32>
    }
    ```
    After:
    ```mlir
    ...
    %o = ... mask #attn.bigbird<block = 8, random = 3, seed = 0> {attn.rewritten = #attn.bigbird_form<block = 8>} -> ...
    ...
    ```
  }];
  let statistics = [
    Statistic<"numRewritten", "num-rewritten", "attention operations restricted to blocks">,
    Statistic<"numRefused", "num-refused", "attention operations that stay exact">
  ];
}

def AttnRewriteToLocalPass : Pass<"attn-rewrite-to-local", "func::FuncOp"> {
  let summary = "attention to keys of neighbouring chunks";
  let description = [{
    Rewrites every attention that asks for `#attn.local_form`: its mask becomes that of the chunks too. Refused where
    queries and keys are known to differ in number, since then a key has no place beside a query.

    Before:
    ```mlir
    func.func @f(%q: tensor<100x64xf32>, %init: tensor<100x64xf32>) -> tensor<100x64xf32> {
      %o = attn.attention ins(%q, %q, %q : tensor<100x64xf32>, tensor<100x64xf32>, tensor<100x64xf32>)
          outs(%init : tensor<100x64xf32>)
          maps [affine_map<(b, h, i, j, d, e) -> (i, d)>, affine_map<(b, h, i, j, d, e) -> (j, d)>,
                affine_map<(b, h, i, j, d, e) -> (j, e)>, affine_map<(b, h, i, j, d, e) -> (i, e)>]
          {attn.form = #attn.local_form<chunk = 8>} -> tensor<100x64xf32>
      return %o : tensor<100x64xf32>
    }
    ```
    After:
    ```mlir
    ...
    %o = ... mask #attn.local_chunks<chunk = 8, look_back = 1, look_ahead = 1, top_left> {attn.rewritten = #attn.local_form<chunk = 8>} -> ...
    ...
    ```
  }];
  let statistics = [
    Statistic<"numRewritten", "num-rewritten", "attention operations restricted to chunks">,
    Statistic<"numRefused", "num-refused", "attention operations that stay exact">
  ];
}

def AttnRewriteToWindowPass : Pass<"attn-rewrite-to-window", "func::FuncOp"> {
  let summary = "attention to keys around the query";
  let description = [{
    Rewrites every attention that asks for `#attn.window_form`: its mask becomes that of the window and of the global
    tokens too. Refused where
    queries and keys are known to differ in number, since then a key has no place beside a query.

    Before:
    ```mlir
    func.func @f(%q: tensor<100x64xf32>, %init: tensor<100x64xf32>) -> tensor<100x64xf32> {
      %o = attn.attention ins(%q, %q, %q : tensor<100x64xf32>, tensor<100x64xf32>, tensor<100x64xf32>)
          outs(%init : tensor<100x64xf32>)
          maps [affine_map<(b, h, i, j, d, e) -> (i, d)>, affine_map<(b, h, i, j, d, e) -> (j, d)>,
                affine_map<(b, h, i, j, d, e) -> (j, e)>, affine_map<(b, h, i, j, d, e) -> (i, e)>]
          {attn.form = #attn.window_form<before = 8>} -> tensor<100x64xf32>
      return %o : tensor<100x64xf32>
    }
    ```
    After:
    ```mlir
    ...
    %o = ... mask #attn.window<before = 8, after = 256, top_left> {attn.rewritten = #attn.window_form<before = 8>} -> ...
    ...
    ```
  }];
  let statistics = [
    Statistic<"numRewritten", "num-rewritten", "attention operations with a window more">,
    Statistic<"numRefused", "num-refused", "attention operations that stay exact">
  ];
}

#endif // ATTN_TRANSFORMS_MASK_REWRITE_PASSES
