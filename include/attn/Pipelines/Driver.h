//===- Driver.h - one compilation from a file to a file ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What attn-compile does, for any tool that compiles.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_PIPELINES_DRIVER_H
#define ATTN_PIPELINES_DRIVER_H

#include "attn/Emit/Emit.h"
#include "attn/Pipelines/Phases.h"

#include <optional>

namespace mlir::attn {

struct CompileOptions {
  std::string input, output;
  std::string target = "cpu";
  std::string cpu = "native";
  /// Architectures of GPUs, as `80,90a`, which they are unless given.
  std::optional<std::string> sm;
  /// The assembler for kernels; empty to look for it.
  std::string ptxas;
  /// Whether a library carries its kernels as LLVM IR, for simulation.
  bool embedIR = false;
  EmitKind emit = EmitKind::SharedLibrary;
  /// Forms that attention is rewritten to, as attn-assign-forms takes them.
  std::vector<std::string> forms;
  /// Limits of the machine for estimates, as attn-rank-forms takes them.
  std::string machine;
  /// Positions that the caches of steps have room for; 0 for no steps.
  int64_t steps = 0;
  /// Positions of a page of these caches; 0 for caches in one piece.
  int64_t pageSize = 0;
  /// The first phase to run, and the last.
  Phase from = Phase::Import, to = Phase::Emit;
  /// A folder for the IR after every phase; empty for none.
  std::string dumpFolder;
  /// Print what the compiler chose, and what it missed.
  bool remarks = false;
  /// Print the time of every phase at the end.
  bool timePhases = false;
  /// Print a line a phase while it runs.
  bool progress = false;
};

/// Reads, compiles and writes. Errors are diagnostics of `context`; on failure
/// there is no output.
LogicalResult compile(MLIRContext &context, const CompileOptions &options);

} // namespace mlir::attn

#endif // ATTN_PIPELINES_DRIVER_H
