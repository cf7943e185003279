//===- LinearFeatures.h - what features take --------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Constraints and defaults of feature maps that linear attention on sequences
// and on one token share. Constraints have the same numbers in both.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_DIALECT_ATTN_IR_LINEARFEATURES_H
#define ATTN_LIB_DIALECT_ATTN_IR_LINEARFEATURES_H

#include "attn/Dialect/Attn/IR/Attn.h"

#include <cmath>

namespace mlir::attn {

inline constexpr int64_t kMaxLinearHeadSize = 1024, kMaxFeatures = 4096;

/// Rows of the projection, twice for hyperbolic maps; the head size without.
int64_t countFeatures(FeatureMap map, Value projection, int64_t headSize);

/// C5 to C7: what the feature map takes. A projection may be per head where
/// `heads` is not 0.
LogicalResult verifyLinearFeatures(Operation *op, FeatureMap map,
                                   Value projection, Region &region,
                                   FloatType accumulator, int64_t heads,
                                   int64_t headSize);

/// The numbers that feature maps take, as they are written, and the defaults.
struct LinearNumbers {
  FeatureMap map;
  int64_t headSize;
  bool hasProjection;
  bool isOrdered; ///< causal, or with a state
  std::optional<APFloat> scale, featureEps, denominatorEps;

  double getScale() const;
  double getFeatureEps() const;
  double getDenominatorEps() const;
  /// C8 and C9
  LogicalResult verify(Operation *op) const;
};

/// C10 for one of the two states: sum, norm and the reference of softmax maps
/// with `outer` extents in front.
LogicalResult verifyLinearState(Operation *op, StringRef name, ValueRange state,
                                ArrayRef<int64_t> outer, int64_t features,
                                int64_t valueSize, bool isSoftmax,
                                Type accumulator);

} // namespace mlir::attn

#endif // ATTN_LIB_DIALECT_ATTN_IR_LINEARFEATURES_H
