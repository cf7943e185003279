// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Comparison with the exact evaluation in f64. A NaN hides from a largest
// difference, so elements that are no numbers are counted on their own.

#include "Reference.h"

#include <cmath>

namespace attn::run {

Difference compare(const DLTensor &got, llvm::ArrayRef<double> expected,
                   bool isSampled) {
  Difference difference;
  double largest = 0, squares = 0, errorSquares = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (isSampled && std::isnan(expected[i]))
      continue;
    double value = readElement(got.dtype, got.data, int64_t(i));
    if (value == expected[i] || (std::isnan(value) && std::isnan(expected[i])))
      value = expected[i];
    else if (!std::isfinite(value) || !std::isfinite(expected[i])) {
      ++difference.mismatches;
      continue;
    }
    if (!std::isfinite(expected[i]))
      continue;
    largest = std::max(largest, std::fabs(expected[i]));
    double error = std::fabs(value - expected[i]);
    difference.maxAbsolute = std::max(difference.maxAbsolute, error);
    squares += expected[i] * expected[i];
    errorSquares += error * error;
  }
  difference.relative =
      largest > 0 ? difference.maxAbsolute / largest : difference.maxAbsolute;
  difference.norm =
      std::sqrt(squares > 0 ? errorSquares / squares : errorSquares);
  return difference;
}

} // namespace attn::run
