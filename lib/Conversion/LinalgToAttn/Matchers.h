//===- Matchers.h - the parts of an attention ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Matchers for softmax, score and mask on the symbolic view of a program. A
// matcher that fails says which operation broke the match.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CONVERSION_LINALGTOATTN_MATCHERS_H
#define ATTN_LIB_CONVERSION_LINALGTOATTN_MATCHERS_H

#include "TensorExpr.h"

#include "attn/Dialect/Attn/IR/Attn.h"

#include <string>

namespace mlir::attn::raise {

/// Why something is no attention: a sentence and the operation it is about, if
/// there is one.
struct Mismatch {
  std::string reason;
  Value culprit;
};

/// Looks through casts between floating-point types.
NodeRef stripCasts(ExprContext &context, NodeRef node);

/// The operation that a node comes from, for messages.
std::string describe(NodeRef node);

/// Weights that are a softmax of `score` over the variable `key`. If not
/// `normalized`, the division by `sum` is yet to come.
struct SoftmaxMatch {
  NodeRef score = nullptr;
  NodeRef sum = nullptr;
  bool normalized = true;
};
FailureOr<SoftmaxMatch> matchSoftmax(ExprContext &context, NodeRef weights,
                                     unsigned key, Mismatch &mismatch);

/// A predicate of which keys may be seen; `lowest` is what masked scores are
/// replaced with.
struct MaskTerm {
  NodeRef allowed;
  double lowest;
};
/// A term added to the score, times a factor.
struct BiasTerm {
  NodeRef value;
  double factor;
};

/// score = softcap(scale * contraction) + biases, masked. `lhs` and `rhs` are
/// the factors under the contraction, lhs being the one that does not depend on
/// the key.
struct ScoreMatch {
  NodeRef contraction = nullptr;
  NodeRef query = nullptr;
  NodeRef key = nullptr;
  double scale = 1;
  std::optional<double> softcap;
  SmallVector<BiasTerm> biases;
  SmallVector<MaskTerm> masks;
};
FailureOr<ScoreMatch> matchScore(ExprContext &context, NodeRef score,
                                 unsigned key, Mismatch &mismatch);

/// Roles of the loop variables of a matched attention. Unit loops have no
/// variable.
struct Roles {
  SmallVector<unsigned> batch;
  std::optional<unsigned> query, valueSize, headSize;
  unsigned key = 0;
  /// Extents of queries and keys, dynamic or static.
  int64_t numQueries = 1, numKeys = 1;
};

/// What masks and biases amount to: an attribute, a predicate of batch and key,
/// and additive terms.
struct MaskResult {
  MaskAttrInterface mask;
  SmallVector<NodeRef> keyValid;
  SmallVector<BiasTerm> biases;
};
MaskResult analyzeMasks(ExprContext &context, const ScoreMatch &score,
                        const Roles &roles);

} // namespace mlir::attn::raise

#endif // ATTN_LIB_CONVERSION_LINALGTOATTN_MATCHERS_H
