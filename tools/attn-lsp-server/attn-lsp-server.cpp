//===- attn-lsp-server.cpp - MLIR's language server with our dialects -----===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// For editors: completion, definitions and diagnostics in .mlir files.
//
//===----------------------------------------------------------------------===//

#include "attn/Pipelines/InitAll.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::attn::registerEverything(registry);
  return mlir::failed(mlir::MlirLspServerMain(argc, argv, registry));
}
