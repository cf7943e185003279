//===- GpuMachine.h - what a GPU can do in a second -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Descriptions of GPUs, which are data: lib/Predict/Machines has those that are
// known, with the source of every figure, and a file of the same form describes
// another.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_PREDICT_GPUMACHINE_H
#define ATTN_PREDICT_GPUMACHINE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace attn::predict {

/// Floating-point operations a cycle of one multiprocessor's tensor cores,
/// sparse ones excluded; bf16 is like f16.
struct TensorRates {
  double f16 = 0, tf32 = 0, f64 = 0;
};

/// Results a cycle of one multiprocessor.
struct LaneRates {
  double fma = 0;     ///< f32: add, mul, fma
  double alu = 0;     ///< integers, logic, comparisons, minima
  double convert = 0; ///< between types of numbers
  double special = 0; ///< ex2, lg2, rcp, rsqrt …
};

/// What one multiprocessor has room for.
struct Limits {
  double registers = 0, sharedKiB = 0, warps = 0, blocks = 0;
};

struct GpuMachine {
  std::string name, device, sm;
  double multiprocessors = 0, clockMHz = 0;
  double startUs = 0; ///< from one launch to the next, beside their work
  TensorRates tensor;
  /// What of the tensor cores' rate mma.sync and wgmma reach at best; 0: there
  /// is no such instruction.
  double mmaShare = 0, wgmmaShare = 0;
  LaneRates lanes;
  double issue = 0;       ///< warp instructions a cycle and multiprocessor
  double sharedBytes = 0; ///< a cycle and multiprocessor
  double l2GBs = 0, memoryGBs = 0;
  Limits limits;

  /// Cycles of all multiprocessors together in a millisecond.
  double cyclesPerMs() const { return multiprocessors * clockMHz * 1e3; }
  /// Dense f16 products of the whole device.
  double peakTflops() const { return cyclesPerMs() * tensor.f16 / 1e9; }
};

/// Reads a description; an error says which line of `name` is wrong.
llvm::Expected<GpuMachine> parseGpuMachine(llvm::StringRef text,
                                           llvm::StringRef name);

/// The names of the machines that are known, in alphabetical order.
std::vector<std::string> gpuMachineNames();

/// A known machine, or the one that a file NAME.yaml describes.
llvm::Expected<GpuMachine> findGpuMachine(llvm::StringRef name);

} // namespace attn::predict

#endif // ATTN_PREDICT_GPUMACHINE_H
