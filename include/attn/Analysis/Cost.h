//===- Cost.h - what a form of attention costs ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Costs as functions of extents alone, so that one formula serves the remarks,
// any length that is not known yet, and the search for a crossover.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_ANALYSIS_COST_H
#define ATTN_ANALYSIS_COST_H

#include <algorithm>
#include <cstdint>

namespace mlir::attn {

/// The extents that the cost of an attention depends on. `visible` is the mean
/// number of keys that the mask lets a query see.
struct AttentionShape {
  int64_t batch = 1, heads = 1, keyHeads = 1;
  int64_t queries = 0, keys = 0;
  int64_t headSize = 0, valueSize = 0;
  int64_t elementBytes = 4;
  double visible = 0;
  /// Keys are the queries, and a query sees those up to its own.
  bool keysAreQueries = false, isCausal = false;

  /// Query rows of all heads.
  double rows() const { return double(batch) * heads * queries; }
  /// Key rows of all key heads.
  double keyRows() const { return double(batch) * keyHeads * keys; }
};

/// Floating-point operations of the matrix products (a multiplication and an
/// addition each), and bytes that have to be moved to and from memory at least
/// once, intermediate ones that do not stay in a cache included.
struct Cost {
  double flops = 0, bytes = 0;
  /// The operations that a machine at its peak does in the time of the kernel,
  /// memory aside: more than `flops` by what tiles waste and what is no
  /// product.
  double work = 0;

  Cost operator+(Cost other) const {
    return {flops + other.flops, bytes + other.bytes, work + other.work};
  }
};

/// Products that run at `share` of the peak.
inline Cost productCost(double flops, double share) {
  return {flops, 0, flops / share};
}

/// Shares of the peak that kernels reach while operands are in a cache, as
/// benchmarks/results has them for all keys and long sequences.
namespace share {
inline constexpr double softmax = 0.86, projection = 0.86, hash = 0.85,
                        linear = 0.8, linearCausal = 0.74, gathered = 0.62;
} // namespace share

/// Reading query, key and value once and writing the output once.
inline double operandBytes(const AttentionShape &shape) {
  return (shape.rows() + shape.keyRows()) *
         double(shape.headSize + shape.valueSize) * shape.elementBytes;
}

/// Softmax attention in which a query meets `keysPerQuery` keys in `ranges`
/// ranges, and scores never leave the cache. Tiles read beyond the ends of
/// ranges, and rows of one register tile take the longest range of any.
inline Cost softmaxCost(const AttentionShape &shape, double keysPerQuery,
                        double ranges = 1) {
  constexpr double perRow = 32, perRange = 32;
  double read = keysPerQuery;
  if (keysPerQuery < double(shape.keys))
    read =
        std::min(double(shape.keys), keysPerQuery + perRow + ranges * perRange);
  double perKey = 2 * shape.rows() * double(shape.headSize + shape.valueSize);
  return {perKey * keysPerQuery, operandBytes(shape),
          perKey * read / share::softmax};
}

/// Exact attention under the mask.
inline Cost exactCost(const AttentionShape &shape) {
  return softmaxCost(shape, std::min(shape.visible, double(shape.keys)));
}

} // namespace mlir::attn

#endif // ATTN_ANALYSIS_COST_H
