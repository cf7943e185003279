// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// attn-run: runs one entry of a compiled library, or of IR that it compiles
// first, and reports time, memory, checksums and the error.

#include "CommandLine.h"

#include "attn/Runtime/Attn.h"

#include "llvm/Config/llvm-config.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/WithColor.h"

using namespace llvm;
using attn::run::CommandLine;
using attn::run::Options;

/// What the values alone do not show: options that were given for nothing.
static Error checkGiven(const CommandLine &line) {
  if (!line.options.predict.empty())
    return Error::success();
  if (line.predict.getNumOccurrences())
    return createStringError(
        "--predict: expected a machine, got an empty name");
  if (line.predictBlocks.getNumOccurrences())
    return createStringError("expected --predict with --predict-blocks");
  return Error::success();
}

int main(int argc, char **argv) {
  InitLLVM init(argc, argv);
  // libLLVM brings options of its own, --threads among them.
  cl::ResetCommandLineParser();
  cl::SetVersionPrinter([](raw_ostream &os) {
    os << "attn-run " << attn_runtime_version() << ", LLVM "
       << LLVM_VERSION_STRING << "\n";
  });
  CommandLine line;
  cl::ParseCommandLineOptions(
      argc, argv, "runs an entry of a compiled attention library\n");
  Options &options = line.options;
  if (line.seed.getNumOccurrences())
    options.seed = line.seed;
  if (line.tolerance.getNumOccurrences())
    options.tolerance = line.tolerance;
  options.integerLimit = line.integerLimit;
  options.simulationOrder = line.simulationOrder;
  bool forGpus = options.simulate || !options.predict.empty();
  if (forGpus && options.target.empty())
    options.target = "nvptx";
  if (options.compiler.empty()) {
    std::string self = sys::fs::getMainExecutable(argv[0], (void *)&main);
    options.compiler = (sys::path::parent_path(self) + "/attn-compile").str();
  }
  Error error = checkGiven(line);
  if (!error)
    error = attn::run::run(options);
  if (!error)
    return 0;
  WithColor::error(errs(), "attn-run") << toString(std::move(error)) << "\n";
  return 1;
}
