//===- FeedForwardMatch.h - a whole feed-forward layer ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the matchers find at one root operation: two products, and the function
// of scalars between them.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CONVERSION_LINALGTOATTN_FEEDFORWARDMATCH_H
#define ATTN_LIB_CONVERSION_LINALGTOATTN_FEEDFORWARDMATCH_H

#include "Layout.h"
#include "Matchers.h"

namespace mlir::attn::raise {

/// A value before the activation: a sum of products, and what is added to it.
struct Preactivation {
  NodeRef value = nullptr; ///< with the bias
  NodeRef sum = nullptr;   ///< without
  NodeRef bias = nullptr;  ///< null if there is none
};

/// Which activation a scalar expression of one value is, or with two values the
/// activation of one times the other. Then `values` is put in the order gate,
/// factor.
std::optional<Activation>
matchActivation(ExprContext &context, NodeRef node,
                SmallVectorImpl<Preactivation> &values);

/// A tensor and its two indices among the domain of attn.feed_forward.
struct WeightMatch {
  Value tensor;
  AffineMap map;
};

/// A matched layer; the tensors are those of the program.
struct FeedForwardMatch {
  Activation activation;
  Value input;
  WeightMatch up, gate, down;
  Value upBias, gateBias, downBias;
};

/// Matches the layer whose last operation makes `result`. `attempted` is set
/// once there are two products with a function between them, so that failures
/// are worth a remark.
FailureOr<FeedForwardMatch> matchFeedForward(ExprContext &context, Value result,
                                             bool &attempted,
                                             Mismatch &mismatch);

} // namespace mlir::attn::raise

#endif // ATTN_LIB_CONVERSION_LINALGTOATTN_FEEDFORWARDMATCH_H
