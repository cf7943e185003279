// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Running one entry of a compiled library on files or random data, with what a
// person wants to know of it: time, memory, checksums and the error. This is
// attn-run without its command line.

#ifndef ATTN_RUN_RUN_H
#define ATTN_RUN_RUN_H

#include "llvm/Support/Error.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace attn::run {

/// What the results are compared with.
enum class Comparison { None, Exact };

struct Options {
  std::string path;                // a compiled library, or IR to compile first
  std::string entry;               // may be empty when there is only one
  std::vector<std::string> inputs; // FILE.npy or FILE.safetensors:NAME
  std::vector<std::string> outputs; // FILE.npy
  std::vector<std::string> dims;    // SYMBOL=EXTENT
  std::optional<uint64_t> seed;     // fills the arguments without a file
  int64_t integerLimit = 2;         // random integers are below it
  int32_t threads = 0;              // 0: the runtime's default
  unsigned repeat = 1;
  unsigned warmup = 0;
  Comparison comparison = Comparison::None;
  std::optional<double> tolerance; // of the relative error; unset: report only
  bool json = false;
  std::string compiler; // the attn-compile to use for IR
  std::vector<std::string> compilerArgs;
  std::string target;             // for IR; empty: attn-compile's default
  std::string sm;                 // for IR; empty: attn-compile's default
  bool simulate = false;          // kernels, instead of launching them
  uint64_t simulationOrder = 0;   // of blocks, warps, lanes; 0: ascending
  std::string predict;            // a GPU, or a file that describes one
  uint64_t predictBlocks = 8;     // of a launch that are simulated; 0: all
  std::string ptxas;              // for registers; empty: looked for
  std::vector<std::string> forms; // for IR, as attn-compile takes them
};

/// Runs and prints the report to standard output; files are written last, and
/// only when all went well.
llvm::Error run(const Options &options);

/// What options.predict asks for, instead of a run.
llvm::Error predictRun(const Options &options);

} // namespace attn::run

#endif // ATTN_RUN_RUN_H
