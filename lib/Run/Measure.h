// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Time and memory of repeated calls.

#ifndef ATTN_LIB_RUN_MEASURE_H
#define ATTN_LIB_RUN_MEASURE_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"

#include <optional>

namespace attn::run {

struct Measurement {
  double minimum = 0, median = 0; // milliseconds
  /// What the process grew by at its highest, in MB of 10^6 bytes; unset where
  /// the system does not tell.
  std::optional<double> peakMegabytes;
};

/// Calls `function` for warm-up and then for measurement; the first error ends
/// it. Memory is watched from before the first call.
llvm::Expected<Measurement> measure(unsigned warmup, unsigned repeat,
                                    llvm::function_ref<llvm::Error()> function);

} // namespace attn::run

#endif // ATTN_LIB_RUN_MEASURE_H
