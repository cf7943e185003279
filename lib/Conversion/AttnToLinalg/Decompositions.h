//===- Decompositions.h - one function an operation -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The files beside this one each build the decompositions of a few operations;
// Decompositions.cpp hands them to the operations.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CONVERSION_ATTNTOLINALG_DECOMPOSITIONS_H
#define ATTN_LIB_CONVERSION_ATTNTOLINALG_DECOMPOSITIONS_H

#include "attn/Conversion/AttnToLinalg/AttnToLinalg.h"

namespace mlir::attn {
/// Each builds what an operation computes at the builder's insertion point and
/// returns the values of its results.
SmallVector<Value> decomposeAttention(OpBuilder &builder, AttentionOp op);
SmallVector<Value> decomposeOnlineAttention(OpBuilder &builder,
                                            OnlineAttentionOp op);
SmallVector<Value> decomposeOnlinePacked(OpBuilder &builder, OnlinePackedOp op);
SmallVector<Value> decomposePack(OpBuilder &builder, PackOp op);
SmallVector<Value> decomposeFeedForward(OpBuilder &builder, FeedForwardOp op);
SmallVector<Value> decomposeAsymmetricLsh(OpBuilder &builder,
                                          AsymmetricLshAttentionOp op);
SmallVector<Value> decomposeLinear(OpBuilder &builder, LinearAttentionOp op);
SmallVector<Value> decomposeLinearStep(OpBuilder &builder, LinearStepOp op);
SmallVector<Value> decomposeMerge(OpBuilder &builder, MergeOp op);
SmallVector<Value> decomposeFinalize(OpBuilder &builder, FinalizeOp op);
SmallVector<Value> decomposeGatherPages(OpBuilder &builder, GatherPagesOp op);
SmallVector<Value> decomposeLowRankAttention(OpBuilder &builder,
                                             LowRankAttentionOp op);
SmallVector<Value> decomposeRotary(OpBuilder &builder, RotaryOp op);
SmallVector<Value> decomposeSinusoid(OpBuilder &builder, SinusoidOp op);
SmallVector<Value> decomposeAlibi(OpBuilder &builder, AlibiOp op);
SmallVector<Value> decomposeBucketBias(OpBuilder &builder, BucketBiasOp op);
SmallVector<Value> decomposeCompress(OpBuilder &builder, CompressOp op);
SmallVector<Value> decomposeUpdateMemory(OpBuilder &builder, UpdateMemoryOp op);
} // namespace mlir::attn

#endif // ATTN_LIB_CONVERSION_ATTNTOLINALG_DECOMPOSITIONS_H
