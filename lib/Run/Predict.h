// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The time that a library would take on a GPU that is not here: some blocks of
// every launch are simulated, and their counts become time.

#ifndef ATTN_LIB_RUN_PREDICT_H
#define ATTN_LIB_RUN_PREDICT_H

#include "attn/Predict/Prediction.h"
#include "attn/Run/Run.h"

#include "llvm/Support/raw_ostream.h"

namespace attn::run {

/// Launches of one kernel that are alike.
struct PredictedKernel {
  std::string name;
  uint64_t launches = 0;
  uint64_t executed = 0; ///< blocks of each that were simulated
  predict::KernelLaunch launch;
  predict::Prediction prediction;
};

struct PredictionReport {
  std::string entry;
  predict::GpuMachine machine;
  std::vector<PredictedKernel> kernels;
  std::string note; ///< what is not known

  double totalMs() const;
};

void printText(llvm::raw_ostream &os, const PredictionReport &report);
void printJson(llvm::raw_ostream &os, const PredictionReport &report);

} // namespace attn::run

#endif // ATTN_LIB_RUN_PREDICT_H
