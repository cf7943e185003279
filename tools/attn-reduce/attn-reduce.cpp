//===- attn-reduce.cpp - MLIR's test case reducer with our dialects -------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// For bug reports: makes an input small that a script finds interesting.
//
//===----------------------------------------------------------------------===//

#include "attn/Pipelines/InitAll.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Tools/mlir-reduce/MlirReduceMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::attn::registerEverything(registry);
  mlir::attn::registerEveryPass();
  mlir::MLIRContext context(registry);
  return mlir::failed(mlir::mlirReduceMain(argc, argv, context));
}
