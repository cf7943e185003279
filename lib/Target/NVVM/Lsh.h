//===- Lsh.h - the kernels of sorted attention ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// attn.hash, attn.bucket_sort, attn.rank_sort and attn.lsh_chunks, which work
// on whole sequences: each becomes launches of its own.
// docs/Rationale/Lsh.md says why they are shaped as they are.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_NVVM_LSH_H
#define ATTN_LIB_TARGET_NVVM_LSH_H

#include "Kernel.h"

namespace mlir::attn::nvvm {

/// Whether an operation is one of sorted attention.
bool isSortedOp(Operation *op);
/// What the kernels cannot do, as an error.
LogicalResult verifySortedOp(Operation *op);
/// Builds the launches; the operation stays.
void emitSortedOp(OpBuilder &b, Operation *op, F32Products products);

void emitHash(OpBuilder &b, HashOp op, F32Products products);
void emitBucketSort(OpBuilder &b, BucketSortOp op);
void emitRankSort(OpBuilder &b, RankSortOp op);
void emitLshChunks(OpBuilder &b, LshChunksOp op, F32Products products);

/// Shared memory that every supported architecture has for a block.
inline constexpr int64_t kSharedLimit = 99 * 1024;

/// The tokens of one head as rows: [N, columns]. `map` is over
/// (b, h, i, d, e).
Value viewTokens(FragmentBuilder &f, Value memref, AffineMap map, Value batch,
                 Value head);
/// What is left of a memref behind its first indices.
Value viewInner(FragmentBuilder &f, Value memref, ValueRange leading);

/// Loaded integers as indices.
Value loadIndex(FragmentBuilder &f, Value memref, ValueRange at);

} // namespace mlir::attn::nvvm

#endif // ATTN_LIB_TARGET_NVVM_LSH_H
