//===- FormPasses.td - passes around the rewrites ----------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Labels, requests for forms, what becomes of them, and how their errors are measured.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TRANSFORMS_FORM_PASSES
#define ATTN_TRANSFORMS_FORM_PASSES

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

def AttnTapFormsPass : Pass<"attn-tap-forms", "func::FuncOp"> {
  let summary = "exact twins beside attention that is about to be rewritten";
  let description = [{
    For measuring what a form costs in accuracy, and no part of a compilation. Every attention that asks for a form gets an
    exact twin on the same operands, labelled `LABEL.exact`, and the function returns in addition, one attention after the
    other: its results, its twin's, and the operands that both read.

    Before:
    ```mlir
    func.func @f(%q: tensor<100x64xf32>, %k: tensor<300x64xf32>, %init: tensor<100x64xf32>) -> tensor<100x64xf32> {
      %o = attn.attention ins(%q, %k, %k : tensor<100x64xf32>, tensor<300x64xf32>, tensor<300x64xf32>)
          outs(%init : tensor<100x64xf32>)
          maps [affine_map<(b, h, i, j, d, e) -> (i, d)>, affine_map<(b, h, i, j, d, e) -> (j, d)>,
                affine_map<(b, h, i, j, d, e) -> (j, e)>, affine_map<(b, h, i, j, d, e) -> (i, e)>]
          {attn.form = #attn.window_form, attn.label = "attention0"} -> tensor<100x64xf32>
      return %o : tensor<100x64xf32>
    }
    ```
    After:
    ```mlir
    ...
    %o = ... {attn.form = #attn.window_form, attn.label = "attention0"} -> tensor<100x64xf32>
    %twin = ... {attn.label = "attention0.exact"} -> tensor<100x64xf32>
    return %o, %o, %twin, %q, %k, %k : tensor<100x64xf32>, ...
    ...
    ```
  }];
  let statistics = [Statistic<"numTapped", "num-tapped", "attention operations with a twin">];
}

#endif // ATTN_TRANSFORMS_FORM_PASSES
