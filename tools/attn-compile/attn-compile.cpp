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
  llvm::cl::HideUnrelatedOptions(flags.category);
  llvm::cl::ParseCommandLineOptions(argc, argv, "attention compiler\n");

  CompileOptions options;
  options.input = flags.input;
  options.output = flags.output;
  options.target = flags.target;
  options.cpu = flags.cpu;
  options.sm = flags.sm;
  options.ptxas = flags.ptxas;
  options.embedIR = flags.embedIR;
  options.emit = flags.emit;
  options.forms = flags.forms;
  options.machine = flags.machine;
  options.steps = flags.steps;
  options.pageSize = flags.pageSize;
  options.from = flags.from;
  options.to = flags.to;
  options.dumpFolder = flags.dump;
  options.remarks = flags.remarks;
  options.timePhases = flags.time;
  options.progress = llvm::errs().is_displayed();

  mlir::DialectRegistry registry;
  registerEverything(registry);
  mlir::MLIRContext context(registry);
  context.printOpOnDiagnostic(false);
  return mlir::failed(compile(context, options));
}
