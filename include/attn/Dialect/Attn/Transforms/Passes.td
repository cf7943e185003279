//===- Passes.td - passes on attn, for every target -------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rewrites of attn operations on tensors.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TRANSFORMS_PASSES
#define ATTN_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

def AttnAssignFormsPass : Pass<"attn-assign-forms", "::mlir::ModuleOp"> {
  let summary = "what was asked for is written on the operations";
  let description = [{
    Sets `attn.form` of every attention that a rule is for: `[PATTERN:]NAME[,KEY=VALUE]...`, several with semicolons
    between, or `@FILE` for a file of JSON or YAML that maps patterns to forms. A pattern is a label or a glob pattern of
    labels; a rule without one is for every attention. Of several rules the last has precedence. The text after the
    pattern is that of the attribute: `lsh,rounds=4` is `#attn.lsh_form<rounds = 4>`.

    Before:
    ```mlir
    // options: form=exact
    func.func @f(%q: tensor<100x64xf32>, %k: tensor<300x64xf32>, %init: tensor<100x64xf32>) -> tensor<100x64xf32> {
      %o = attn.attention ins(%q, %k, %k : tensor<100x64xf32>, tensor<300x64xf32>, tensor<300x64xf32>)
          outs(%init : tensor<100x64xf32>)
          maps [affine_map<(b, h, i, j, d, e) -> (i, d)>, affine_map<(b, h, i, j, d, e) -> (j, d)>,
                affine_map<(b, h, i, j, d, e) -> (j, e)>, affine_map<(b, h, i, j, d, e) -> (i, e)>]
          {attn.label = "attention0"} -> tensor<100x64xf32>
      return %o : tensor<100x64xf32>
    }
    ```
    After:
    ```mlir
    ...
    %o = ... {attn.form = #attn.exact_form, attn.label = "attention0"} -> tensor<100x64xf32>
    ...
    ```
  }];
  let options = [
    Option<"form", "form", "std::string", "", "rules, with semicolons between">,
    Option<"file", "file", "std::string", "", "a file of rules, which those of `form` override">
  ];
  let statistics = [Statistic<"numAssigned", "num-assigned", "attention operations that ask for a form">];
  let dependentDialects = ["::mlir::attn::AttnDialect"];
}

def AttnLabelOpsPass : Pass<"attn-label-ops", "::mlir::ModuleOp"> {
  let summary = "every attention gets a name";
  let description = [{
    Sets `attn.label` of every attention that has none: `attention0`, `attention1` and so on, in the order of the module's
    text. Labels that are there stay, and have to be distinct. Files of forms, remarks and measured errors use them.

    Before:
    ```mlir
    func.func @f(%q: tensor<100x64xf32>, %k: tensor<300x64xf32>, %init: tensor<100x64xf32>) -> tensor<100x64xf32> {
      %o = attn.attention ins(%q, %k, %k : tensor<100x64xf32>, tensor<300x64xf32>, tensor<300x64xf32>)
          outs(%init : tensor<100x64xf32>)
          maps [affine_map<(b, h, i, j, d, e) -> (i, d)>, affine_map<(b, h, i, j, d, e) -> (j, d)>,
                affine_map<(b, h, i, j, d, e) -> (j, e)>, affine_map<(b, h, i, j, d, e) -> (i, e)>]
          -> tensor<100x64xf32>
      return %o : tensor<100x64xf32>
    }
    ```
    After:
    ```mlir
    ...
    %o = ... {attn.label = "attention0"} -> tensor<100x64xf32>
    ...
    ```
  }];
  let statistics = [Statistic<"numLabelled", "num-labelled", "attention operations that got a label">];
}

def AttnSettleFormsPass : Pass<"attn-settle-forms", "::mlir::ModuleOp"> {
  let summary = "requests that no rewrite has granted end";
  let description = [{
    Runs after the rewrites. An attention that still has `attn.form` stays exact and loses the attribute: silently but for
    a remark where `exact` was asked for, with a warning else.

    Before:
    ```mlir
    func.func @f(%q: tensor<100x64xf32>, %k: tensor<300x64xf32>, %init: tensor<100x64xf32>) -> tensor<100x64xf32> {
      %o = attn.attention ins(%q, %k, %k : tensor<100x64xf32>, tensor<300x64xf32>, tensor<300x64xf32>)
          outs(%init : tensor<100x64xf32>)
          maps [affine_map<(b, h, i, j, d, e) -> (i, d)>, affine_map<(b, h, i, j, d, e) -> (j, d)>,
                affine_map<(b, h, i, j, d, e) -> (j, e)>, affine_map<(b, h, i, j, d, e) -> (i, e)>]
          {attn.form = #attn.exact_form, attn.label = "attention0"} -> tensor<100x64xf32>
      return %o : tensor<100x64xf32>
    }
    ```
    After:
    ```mlir
    ...
    %o = ... {attn.label = "attention0"} -> tensor<100x64xf32>
    ...
    ```
  }];
  let statistics = [Statistic<"numRefused", "num-refused", "attention operations that stay exact though not asked to">];
}

def AttnTilePass : Pass<"attn-tile", "func::FuncOp"> {
  let summary = "attention as loops over tiles";
  let description = [{
    Every `attn.attention` becomes an `scf.forall` over (batch, key head, tile of queries), and in it a loop over tiles of
    keys that carries the state of a streaming softmax. The range of the loop over keys comes from the mask, so tiles that
    no query of the tile may see are never visited. Query heads that share a key head are one group of the same tile.
    The tile sizes are all that a target contributes. With a bounded window, a key tile covers all that a query tile
    sees, if it fits `window-keys`: then the softmax is done in one step. Where the queries of a group are at most
    `few-rows`, tasks are ranges of `key-split` keys, whose states `attn.merge` puts together. Keys that come in segments
    are walked one segment after the other, with the state carried on.

    Before:
    ```mlir
    func.func @f(%q: tensor<2x100x64xf32>, %k: tensor<2x300x64xf32>, %init: tensor<2x100x64xf32>) -> tensor<2x100x64xf32> {
      %o = attn.attention ins(%q, %k, %k : tensor<2x100x64xf32>, tensor<2x300x64xf32>, tensor<2x300x64xf32>)
          outs(%init : tensor<2x100x64xf32>)
          maps [affine_map<(b, h, i, j, d, e) -> (h, i, d)>, affine_map<(b, h, i, j, d, e) -> (h, j, d)>,
                affine_map<(b, h, i, j, d, e) -> (h, j, e)>, affine_map<(b, h, i, j, d, e) -> (h, i, e)>]
          -> tensor<2x100x64xf32>
      return %o : tensor<2x100x64xf32>
    }
    ```
    After, in outline:
    ```mlir
    ...
    %o = scf.forall (%b, %h, %tile) in (1, 2, %tiles) shared_outs(%out = %init) -> (tensor<2x100x64xf32>) {
    ...
    %state:3 = scf.for %key = %c0 to %c300 step %c256 iter_args(...) -> (...) {
    ...
    %next:3 = attn.online_attention ins(...) state(...) at(%b, %h, %row, %key) of(%n, %m) maps [...] scale 1.250000e-01 -> ...
    scf.yield %next#0, %next#1, %next#2 : tensor<1x108x64xf32>, tensor<1x108xf32>, tensor<1x108xf32>
    }
    ...
    %rows = attn.finalize ins(%state#0, %state#1, %state#2 : ...) outs(...) maps [...] -> tensor<1x?x64xf32>
    ...
    ```
  }];
  let options = [
    Option<"queryTile", "query-tile", "int64_t", "768", "rows of a query tile, all heads of the group together">,
    Option<"keyTile", "key-tile", "int64_t", "256", "keys of a key tile">,
    Option<"windowKeys", "window-keys", "int64_t", "2048", "most keys of a tile that covers a whole window">,
    Option<"rowAlign", "row-align", "int64_t", "12", "what the rows of a state are a multiple of">,
    Option<"columnAlign", "column-align", "int64_t", "16", "what the columns of a state are a multiple of">,
    Option<"minTiles", "min-tiles", "int64_t", "16", "tasks to aim at when heads and batch give fewer">,
    Option<"fewRows", "few-rows", "int64_t", "8", "rows of a group up to which keys are split among tasks">,
    Option<"keySplit", "key-split", "int64_t", "2048", "keys of a task when keys are split">
  ];
  let statistics = [
    Statistic<"numTiled", "num-tiled", "attention operations that became loops">,
    Statistic<"numOverKeys", "num-over-keys", "of these, split over keys because their queries are few">
  ];
  let dependentDialects = ["affine::AffineDialect", "arith::ArithDialect", "::mlir::cf::ControlFlowDialect",
                           "linalg::LinalgDialect", "scf::SCFDialect", "tensor::TensorDialect"];
}

#endif // ATTN_TRANSFORMS_PASSES
