//===- AttentionMatch.h - a whole attention --------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the matchers find at one root operation, and the builder that turns it
// into attn.attention.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CONVERSION_LINALGTOATTN_ATTENTIONMATCH_H
#define ATTN_LIB_CONVERSION_LINALGTOATTN_ATTENTIONMATCH_H

#include "Layout.h"
#include "Matchers.h"

namespace mlir::attn::raise {

/// A matched attention; variables are those of its context.
struct AttentionMatch {
  Value result;
  SmallVector<AffineExpr> resultIndices;
  SmallVector<unsigned> resultVars;
  ScoreMatch score;
  NodeRef value = nullptr;
  Roles roles;
};

/// How the dimensions of the result are split into variables: extents of the
/// parts, outermost first.
using Splits = SmallVector<SmallVector<int64_t>>;

/// Matches the attention whose last operation makes `result`. `attempted` is
/// set once a softmax was recognised, so that failures are worth a remark.
FailureOr<AttentionMatch> matchAttention(ExprContext &context, Value result,
                                         const Splits &splits, bool &attempted,
                                         Mismatch &mismatch);

/// Splits that the indices of a match ask for; the same as `splits` if they ask
/// for none.
Splits refineSplits(ExprContext &context, const AttentionMatch &match,
                    const Splits &splits);

/// Builds attn.attention for a match, replaces the program's value by it and
/// returns it; null with a reason if no layout fits.
AttentionOp buildAttention(ExprContext &context, const AttentionMatch &match,
                           Mismatch &mismatch);

} // namespace mlir::attn::raise

#endif // ATTN_LIB_CONVERSION_LINALGTOATTN_ATTENTIONMATCH_H
