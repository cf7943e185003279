// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Comparison of a run's results with the exact evaluation of its IR in f64.

#ifndef ATTN_LIB_RUN_REFERENCE_H
#define ATTN_LIB_RUN_REFERENCE_H

#include "Array.h"

namespace attn::run {

/// Evaluates `entry` of the IR file on `inputs` in f64: all elements of each
/// result, in row-major order.
llvm::Expected<std::vector<std::vector<double>>>
evaluateExactly(llvm::StringRef path, llvm::StringRef entry,
                llvm::ArrayRef<Array> inputs);

struct Difference {
  double maxAbsolute = 0; // largest |got - expected|
  double relative = 0;    // that over the largest |expected|
  /// Elements where just one of the two is a number, or infinite.
  int64_t mismatches = 0;
};

Difference compare(const DLTensor &got, llvm::ArrayRef<double> expected);

} // namespace attn::run

#endif // ATTN_LIB_RUN_REFERENCE_H
