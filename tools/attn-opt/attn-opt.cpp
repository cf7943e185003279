//===- attn-opt.cpp - every pass and pipeline of the project --------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The opt-style tool: reads IR, runs the passes that are named, prints IR.
//
//===----------------------------------------------------------------------===//

#include "attn/Pipelines/InitAll.h"

#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::attn::registerEverything(registry);
  mlir::attn::registerEveryPass();
  return mlir::asMainReturnCode(mlir::MlirOptMain(
      argc, argv, "attention compiler optimiser\n", registry));
}
