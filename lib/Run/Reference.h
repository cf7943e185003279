// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Comparison of a run's results with the exact evaluation of its IR in f64.

#ifndef ATTN_LIB_RUN_REFERENCE_H
#define ATTN_LIB_RUN_REFERENCE_H

#include "Array.h"

namespace attn::run {

struct Difference {
  double maxAbsolute = 0; // largest |got - expected|
  double relative = 0;    // that over the largest |expected|
  double norm = 0;        // |got - expected| over |expected|, both Euclidean
  /// Elements where just one of the two is a number, or infinite.
  int64_t mismatches = 0;
};

/// Compares elements in order; with `isSampled` those that are expected to be
/// NaN do not count.
Difference compare(const DLTensor &got, llvm::ArrayRef<double> expected,
                   bool isSampled = false);

} // namespace attn::run

#endif // ATTN_LIB_RUN_REFERENCE_H
