//===- AttnMachine.cpp - time of costs on a machine -----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The model of time behind the choice between forms.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

using namespace mlir;
using namespace mlir::attn;

LogicalResult MachineAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                  int64_t gflops, int64_t gbs, int64_t cacheKib,
                                  int64_t startUs) {
  constexpr int64_t most = int64_t(1) << 40;
  if (gflops < 1 || gbs < 1 || cacheKib < 0 || startUs < 0 ||
      std::max({gflops, gbs, cacheKib, startUs}) > most)
    return emitError() << "expected gflops and gbs in [1, 2^40], cache_kib and "
                          "start_us in [0, 2^40] (C1), got "
                       << gflops << ", " << gbs << ", " << cacheKib << " and "
                       << startUs;
  return success();
}

double MachineAttr::estimateSeconds(Cost cost) const {
  // Kernels hardly overlap memory with products: misses come in bursts between
  // the tiles. Writing takes a read of the line before.
  constexpr double ofReading = 0.7;
  double missed =
      std::max(0.0, cost.bytes - 1024 * static_cast<double>(getCacheKib()));
  return cost.work / (1e9 * static_cast<double>(getGflops())) +
         missed / (1e9 * ofReading * static_cast<double>(getGbs())) +
         1e-6 * static_cast<double>(getStartUs());
}
