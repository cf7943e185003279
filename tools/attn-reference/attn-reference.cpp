//===- attn-reference.cpp - what IR means, in f64 -------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Evaluates a function on arrays and writes its results: the oracle of the
// tests, on the command line.
//
//===----------------------------------------------------------------------===//

#include "attn/Reference/NpyFile.h"
#include "attn/Reference/Reference.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/InitAllDialects.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/WithColor.h"

using namespace mlir;
using namespace mlir::attn::reference;

static int fail(llvm::Error error) {
  llvm::WithColor::error(llvm::errs(), "attn-reference")
      << llvm::toString(std::move(error)) << "\n";
  return 1;
}

/// The only attn.attention of the function, on the function's arguments.
static FailureOr<std::vector<Array>> interpret(ModuleOp module, StringRef entry,
                                               ArrayRef<Array> inputs) {
  auto func = module.lookupSymbol<func::FuncOp>(entry);
  attn::AttentionOp op;
  if (func)
    func.walk([&](attn::AttentionOp one) { op = one; });
  if (!op || inputs.size() != func.getNumArguments())
    return module.emitError() << "expected an attention in @" << entry
                              << " and an input per argument";
  llvm::DenseMap<Value, Array> captures;
  for (auto [argument, input] : llvm::zip_equal(func.getArguments(), inputs))
    captures[argument] = input;
  std::vector<Array> operands;
  for (Value operand : op->getOperands()) {
    if (!captures.contains(operand))
      return op.emitOpError() << "expected arguments of the function";
    operands.push_back(captures[operand]);
  }
  return evaluateAttention(op, operands, captures);
}

int main(int argc, char **argv) {
  namespace cl = llvm::cl;
  llvm::InitLLVM init(argc, argv);
  cl::opt<std::string> path(cl::Positional, cl::Required, cl::desc("IR"));
  cl::opt<std::string> entry("entry", cl::init("main"),
                             cl::desc("the function to evaluate"));
  cl::list<std::string> inputs("input", cl::desc("float64 .npy per argument"));
  cl::list<std::string> outputs("output", cl::desc("float64 .npy per result"));
  cl::opt<bool> byLoops("by-loops",
                        cl::desc("evaluate the function's only attn.attention "
                                 "by loops instead of compiling"));
  cl::ParseCommandLineOptions(argc, argv, "reference evaluator\n");

  DialectRegistry registry;
  registerAllDialects(registry);
  registry.insert<attn::AttnDialect>();
  MLIRContext context(registry);
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(path, &context);
  if (!module)
    return 1;
  std::vector<Array> arrays;
  for (const std::string &file : inputs) {
    auto array = readNpy(file);
    if (!array)
      return fail(array.takeError());
    arrays.push_back(std::move(*array));
  }
  auto results = byLoops ? interpret(*module, entry, arrays)
                         : evaluateExact(*module, entry, arrays);
  if (failed(results))
    return 1;
  for (auto [file, array] : llvm::zip(outputs, *results))
    if (auto error = writeNpy(file, array))
      return fail(std::move(error));
  return 0;
}
