//===- RandomFeatures.cpp - orthogonal random directions ------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Gram and Schmidt's method on the columns of a Gaussian matrix. Its triangular
// factor has a positive diagonal, so the basis is uniform; Householder's
// method leaves the signs to its own rule, which biases every estimate along a
// fixed direction.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/RandomFeatures.h"

#include <algorithm>
#include <cmath>

using namespace mlir::attn;

namespace {
/// What draws are for, apart from those of other forms.
constexpr uint32_t kDirections = 3, kLengths = 4;

using Vector = std::vector<double>;

double dot(const Vector &x, const Vector &y) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i)
    sum += x[i] * y[i];
  return sum;
}

/// Columns of a Gaussian matrix made orthonormal; `first` numbers its rows.
std::vector<Vector> drawBasis(const RandomKey &key, uint32_t first,
                              int64_t size) {
  std::vector<Vector> columns(size, Vector(size));
  for (int64_t c = 0; c < size; ++c) {
    Vector &own = columns[c];
    for (int64_t i = 0; i < size; ++i)
      own[i] = gaussianAt(key, first + static_cast<uint32_t>(i),
                          static_cast<uint32_t>(c));
    // Twice: what rounding leaves of other columns the first time, the second
    // time takes.
    for (int round = 0; round < 2; ++round)
      for (int64_t before = 0; before < c; ++before) {
        double along = dot(own, columns[before]);
        for (int64_t i = 0; i < size; ++i)
          own[i] -= along * columns[before][i];
      }
    double length = std::sqrt(dot(own, own));
    for (double &x : own)
      x /= length;
  }
  return columns;
}
} // namespace

std::vector<double> mlir::attn::orthogonalFeatures(RandomKey key, uint32_t draw,
                                                   int64_t rows, int64_t size,
                                                   bool regularized) {
  std::vector<double> result;
  result.reserve(rows * size);
  // At most 4096 rows, rounded up to a block of at most 1024, and so apart from
  // those of other draws.
  uint32_t origin = draw << 16;
  for (int64_t first = 0; first < rows; first += size) {
    key.purpose = kDirections;
    std::vector<Vector> basis =
        drawBasis(key, origin + static_cast<uint32_t>(first), size);
    key.purpose = kLengths;
    for (int64_t row = first; row < std::min(rows, first + size); ++row) {
      double square = regularized ? static_cast<double>(size) : 0;
      for (int64_t i = 0; !regularized && i < size; ++i) {
        double x = gaussianAt(key, origin + static_cast<uint32_t>(row),
                              static_cast<uint32_t>(i));
        square += x * x;
      }
      for (double x : basis[row - first])
        result.push_back(x * std::sqrt(square));
    }
  }
  return result;
}
