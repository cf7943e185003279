// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A library with the arguments and results of its calls: what lives as long as
// a run.

#ifndef ATTN_LIB_RUN_SESSION_H
#define ATTN_LIB_RUN_SESSION_H

#include "Library.h"
#include "SimulatedDriver.h"

#include "attn/Run/Run.h"

#include "llvm/Support/FileUtilities.h"

namespace attn::run {

struct Session {
  /// Before the library, which is on its device.
  std::unique_ptr<SimulatedDriver> simulated;
  std::unique_ptr<llvm::FileRemover> remover;
  std::string path; ///< of the library, compiled if need be
  Library library;
  std::vector<Array> inputs;
  std::vector<DLTensor> inputTensors;
  std::vector<ManagedTensor> outputs;
  std::vector<const DLTensor *> inputPointers, outputPointers;

  llvm::Error allocateOutputs();
};

/// Compiles, loads and makes inputs.
llvm::Error prepare(const Options &options, Session &session);

} // namespace attn::run

#endif // ATTN_LIB_RUN_SESSION_H
