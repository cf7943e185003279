//===- AttnToLinalg.h - attention as plain linalg ---------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The decomposition of attn operations that is their meaning. The f64 evaluator
// and every lowering are held to it.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_CONVERSION_ATTNTOLINALG_ATTNTOLINALG_H
#define ATTN_CONVERSION_ATTNTOLINALG_ATTNTOLINALG_H

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/PatternMatch.h"

namespace mlir {
class DialectRegistry;
}

namespace mlir::attn {
/// Gives the operations of attn that have a decomposition
/// linalg::AggregatedOpInterface. It builds what an operation computes, on
/// tensors, and leaves the operation itself. The scores of all pairs are
/// materialised: plain, not fast.
void registerDecompositionExternalModels(DialectRegistry &registry);

/// Whether convert-attn-to-linalg takes the operation: it has a decomposition
/// and is on tensors.
bool isDecomposable(Operation *op);

/// Puts its decomposition in an operation's place; fails where there is none.
LogicalResult replaceByDecomposition(RewriterBase &rewriter,
                                     linalg::AggregatedOpInterface op);

/// The decomposition of attn.lsh_attention, for the cases that are tiled as
/// such.
SmallVector<Value> decomposeLsh(OpBuilder &builder, LshAttentionOp op);

/// What attn.asymmetric_lsh_attention sorts by, and the lengths of its tokens,
/// in the type of its sums.
struct LshHashes {
  Value query, key;               ///< [B, H, R, n] and [B, H, R, m]
  Value querySquares, keySquares; ///< squared lengths: [B, H, n], [B, H, m]
  Value largestKey;               ///< the largest of the latter: [B, H]
};
LshHashes buildAsymmetricHashes(OpBuilder &builder,
                                AsymmetricLshAttentionOp op);

/// Checks the lengths that the types leave open when the program runs.
void checkAsymmetricLengths(OpBuilder &builder, AsymmetricLshAttentionOp op);

/// What a sequence shorter than a chunk is told when the program runs.
std::string getLshLengthMessage(LshAttentionOp op);
} // namespace mlir::attn

#endif // ATTN_CONVERSION_ATTNTOLINALG_ATTNTOLINALG_H
