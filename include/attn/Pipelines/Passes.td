//===- Passes.td - passes at the borders of phases --------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Contracts that a dump of any phase keeps, and what is written down about a program before it is lowered.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_PIPELINES_PASSES
#define ATTN_PIPELINES_PASSES

include "mlir/Pass/PassBase.td"

def AttnBuildShapeFunctionsPass : Pass<"attn-build-shape-functions", "::mlir::ModuleOp"> {
  let summary = "functions that compute the extents of results from those of arguments";
  let description = [{
    A caller gives the memory of results and must know their extents before the call. For every public function on
    tensors this adds `attn_shape_of_NAME`, which takes every extent of every argument and gives every extent of
    every result. A result whose shape depends on data is an error.

    ```mlir
    func.func @main(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
      %0 = math.exp %x : tensor<?x4xf32>
      return %0 : tensor<?x4xf32>
    }
    ```
    becomes
    ```mlir
    ...
    return %arg0, %c4 : index, index
    ...
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::tensor::TensorDialect"];
  let statistics = [Statistic<"numBuilt", "num-built", "Number of shape functions">];
}

def AttnRecordSignaturePass : Pass<"attn-record-signature", "::mlir::func::FuncOp"> {
  let summary = "what a caller must know of a function is written down";
  let description = [{
    Writes names, types and extents of arguments and results of a public function on tensors into an attribute, before
    lowering changes them. Dynamic extents that structured operations require to agree get the same name.

    ```mlir
    func.func @main(%x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<?xf32> {
      %0 = arith.addf %x, %y : tensor<?xf32>
      return %0 : tensor<?xf32>
    }
    ```
    becomes
    ```mlir
    func.func @main(%x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<?xf32> attributes {attn.signature = {
        args = [{dtype = "float32", name = "arg0", shape = ["N0"]}, {dtype = "float32", name = "arg1", shape = ["N0"]} ],
        results = [{dtype = "float32", name = "result0", shape = ["N0"]} ]}} {
      %0 = arith.addf %x, %y : tensor<?xf32>
      return %0 : tensor<?xf32>
    }
    ```
  }];
  let statistics = [Statistic<"numSymbols", "num-symbols", "Number of named extents">];
}

def AttnVerifyImportedPass : Pass<"attn-verify-imported", "::mlir::ModuleOp"> {
  let summary = "the border after import";
  let description = [{
    After `import` a program has structured operations and scalars on tensors, as a front end writes them.
    Anything else is an error that names the operation and the phase that should have replaced it. The IR stays as it is.

    ```mlir
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = math.exp %x : tensor<4xf32>
      return %0 : tensor<4xf32>
    }
    ```
    stays
    ```mlir
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = math.exp %x : tensor<4xf32>
      return %0 : tensor<4xf32>
    }
    ```
  }];
  let statistics = [Statistic<"numChecked", "num-checked", "Number of operations checked">];
}

def AttnVerifyRaisedPass : Pass<"attn-verify-raised", "::mlir::ModuleOp"> {
  let summary = "the border after raise";
  let description = [{
    After `raise` a program has operations on whole tensors, `attn` operations among them.
    Anything else is an error that names the operation and the phase that should have replaced it. The IR stays as it is.

    ```mlir
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = math.exp %x : tensor<4xf32>
      return %0 : tensor<4xf32>
    }
    ```
    stays
    ```mlir
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = math.exp %x : tensor<4xf32>
      return %0 : tensor<4xf32>
    }
    ```
  }];
  let statistics = [Statistic<"numChecked", "num-checked", "Number of operations checked">];
}

def AttnVerifyRewrittenPass : Pass<"attn-verify-rewritten", "::mlir::ModuleOp"> {
  let summary = "the border after rewrite";
  let description = [{
    After `rewrite` a program has operations on whole tensors, in the forms that will be computed; no request for a form
    (`attn.form`) is left, so that nothing can be approximated later.
    Anything else is an error that names the operation and the phase that should have replaced it. The IR stays as it is.

    ```mlir
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = math.exp %x : tensor<4xf32>
      return %0 : tensor<4xf32>
    }
    ```
    stays
    ```mlir
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = math.exp %x : tensor<4xf32>
      return %0 : tensor<4xf32>
    }
    ```
  }];
  let statistics = [Statistic<"numChecked", "num-checked", "Number of operations checked">];
}

def AttnVerifyTargetPass : Pass<"attn-verify-target", "::mlir::ModuleOp"> {
  let summary = "the border after target";
  let description = [{
    After `target` a program is in the LLVM dialect alone.
    Anything else is an error that names the operation and the phase that should have replaced it. The IR stays as it is.

    ```mlir
    llvm.func @f(%x: i64) -> i64 {
      llvm.return %x : i64
    }
    ```
    stays
    ```mlir
    llvm.func @f(%x: i64) -> i64 {
      llvm.return %x : i64
    }
    ```
  }];
  let statistics = [Statistic<"numChecked", "num-checked", "Number of operations checked">];
}

def AttnVerifyTiledPass : Pass<"attn-verify-tiled", "::mlir::ModuleOp"> {
  let summary = "the border after tile";
  let description = [{
    After `tile` attention is loops over tiles on tensors, the same for every target.
    Anything else is an error that names the operation and the phase that should have replaced it. The IR stays as it is.

    ```mlir
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = math.exp %x : tensor<4xf32>
      return %0 : tensor<4xf32>
    }
    ```
    stays
    ```mlir
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = math.exp %x : tensor<4xf32>
      return %0 : tensor<4xf32>
    }
    ```
  }];
  let statistics = [Statistic<"numChecked", "num-checked", "Number of operations checked">];
}

#endif // ATTN_PIPELINES_PASSES
