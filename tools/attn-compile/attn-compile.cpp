//===- attn-compile.cpp - a model's IR to a library -----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The command line of the compiler; lib/Pipelines/Driver.cpp does the work.
//
//===----------------------------------------------------------------------===//

#include "Flags.h"

#include "attn/Pipelines/InitAll.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/InitLLVM.h"

using namespace mlir::attn;

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  Flags flags;
  cl::HideUnrelatedOptions(flags.category);
  cl::ParseCommandLineOptions(argc, argv, "attention compiler\n");
  if (flags.sm.getNumOccurrences())
    flags.options.sm = flags.sm;
  flags.options.progress = llvm::errs().is_displayed();

  mlir::DialectRegistry registry;
  registerEverything(registry);
  mlir::MLIRContext context(registry);
  context.printOpOnDiagnostic(false);
  return mlir::failed(compile(context, flags.options));
}
