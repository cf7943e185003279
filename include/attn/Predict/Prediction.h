//===- Prediction.h - the time of a kernel from its counts ------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How long a launch would take on a GPU that is not here, by the busiest of its
// pipes. docs/Rationale/GpuModel.md has the model and what it leaves out.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_PREDICT_PREDICTION_H
#define ATTN_PREDICT_PREDICTION_H

#include "attn/Predict/GpuMachine.h"
#include "attn/Simulator/Counts.h"

#include "llvm/ADT/StringMap.h"

#include <array>

namespace attn::predict {

/// What the assembler says of a kernel.
struct KernelResources {
  unsigned registers = 0; ///< of a thread; 0: not known
  uint64_t spillBytes = 0;
};

/// Kernels by name, from what `ptxas -v` prints.
llvm::StringMap<KernelResources> parseAssemblerLog(llvm::StringRef log);

/// One launch, or several of the same shape: `counts` are those of one.
struct KernelLaunch {
  uint64_t blocks = 1;
  unsigned threads = 32;    ///< of a block
  uint64_t sharedBytes = 0; ///< of a block
  KernelResources resources;
  sim::Counts counts;
};

/// What can be busy.
enum class Pipe : uint8_t {
  Tensor,
  Fma,
  Alu,
  Special,
  Shared,
  Issue,
  L2,
  Memory
};
constexpr size_t kPipes = 8;
llvm::StringRef nameOf(Pipe pipe);

/// How many blocks share a multiprocessor, and what allows no more.
struct Occupancy {
  unsigned blocks = 0; ///< 0: not even one fits
  unsigned warps = 0;
  llvm::StringRef limit; ///< "registers", "shared memory", "warps", "blocks"
};

Occupancy occupancyOf(const GpuMachine &machine, const KernelLaunch &launch);

struct Prediction {
  Occupancy occupancy;
  /// Milliseconds that each pipe is busy when all multiprocessors share the
  /// work evenly.
  std::array<double, kPipes> busy{};
  /// The share of the multiprocessors' time that has work: the last blocks
  /// leave some of them idle.
  double evenness = 1;
  double ms = 0; ///< of one launch, the start included
  /// What decides: a pipe's name, "blocks" where too few of them leave more
  /// than half of the device idle, or "start".
  llvm::StringRef bound;
  double tensorShare = 0; ///< of the device's dense peak, by type
};

/// Fails where a block does not fit.
llvm::Expected<Prediction> predict(const GpuMachine &machine,
                                   const KernelLaunch &launch);

} // namespace attn::predict

#endif // ATTN_PREDICT_PREDICTION_H
