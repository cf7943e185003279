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

  Cost operator+(Cost other) const {
    return {flops + other.flops, bytes + other.bytes};
  }
};

/// Reading query, key and value once and writing the output once.
inline double operandBytes(const AttentionShape &shape) {
  return (shape.rows() + shape.keyRows()) *
         double(shape.headSize + shape.valueSize) * shape.elementBytes;
}

/// Softmax attention in which a query meets `keysPerQuery` keys and scores
/// never leave the cache.
inline Cost softmaxCost(const AttentionShape &shape, double keysPerQuery) {
  double pairs = shape.rows() * keysPerQuery;
  return {2 * pairs * double(shape.headSize + shape.valueSize),
          operandBytes(shape)};
}

/// Exact attention under the mask.
inline Cost exactCost(const AttentionShape &shape) {
  return softmaxCost(shape, std::min(shape.visible, double(shape.keys)));
}

} // namespace mlir::attn

#endif // ATTN_ANALYSIS_COST_H
