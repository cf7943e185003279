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

namespace mlir::attn {
/// Each builds what an operation computes, on tensors, at the builder's
/// insertion point, and returns the values of its results. The operation itself
/// stays. The scores of all pairs are materialised: plain, not fast.
SmallVector<Value> decomposeAttention(OpBuilder &builder, AttentionOp op);
SmallVector<Value> decomposeOnlineAttention(OpBuilder &builder,
                                            OnlineAttentionOp op);
SmallVector<Value> decomposeFeedForward(OpBuilder &builder, FeedForwardOp op);
SmallVector<Value> decomposeLinear(OpBuilder &builder, LinearAttentionOp op);
SmallVector<Value> decomposeLsh(OpBuilder &builder, LshAttentionOp op);
SmallVector<Value> decomposeMerge(OpBuilder &builder, MergeOp op);
SmallVector<Value> decomposeFinalize(OpBuilder &builder, FinalizeOp op);
SmallVector<Value> decomposeLowRankAttention(OpBuilder &builder,
                                             LowRankAttentionOp op);
SmallVector<Value> decomposeRotary(OpBuilder &builder, RotaryOp op);
SmallVector<Value> decomposeSinusoid(OpBuilder &builder, SinusoidOp op);
SmallVector<Value> decomposeAlibi(OpBuilder &builder, AlibiOp op);
SmallVector<Value> decomposeBucketBias(OpBuilder &builder, BucketBiasOp op);
SmallVector<Value> decomposeCompress(OpBuilder &builder, CompressOp op);
SmallVector<Value> decomposeUpdateMemory(OpBuilder &builder, UpdateMemoryOp op);

/// The same for the operations whose decomposition is also how they run: those
/// on positions and memories. Nothing for others.
std::optional<SmallVector<Value>> decomposeExpandable(OpBuilder &builder,
                                                      Operation *op);

/// What a sequence shorter than a chunk is told when the program runs.
std::string getLshLengthMessage(LshAttentionOp op);
} // namespace mlir::attn

#endif // ATTN_CONVERSION_ATTNTOLINALG_ATTNTOLINALG_H
