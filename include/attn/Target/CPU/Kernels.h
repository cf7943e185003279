//===- Kernels.h - emitters of the tile-level operations --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One function per tile-level operation of attn, from memrefs to scf loops over
// vectors.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_CPU_KERNELS_H
#define ATTN_TARGET_CPU_KERNELS_H

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Target/CPU/CpuTarget.h"
#include "attn/Target/CPU/KernelBuilder.h"

namespace mlir::attn::cpu {

/// attn.online_packed: scores, softmax and the product with the values, 8
/// strips of register tiles at a time.
void emitOnlinePacked(KernelBuilder &k, OnlinePackedOp op,
                      const CpuTarget &target);

/// The same where the keys are rows: for so few queries that panels would not
/// pay, as in decoding.
void emitOnlineFewRows(KernelBuilder &k, OnlinePackedOp op,
                       const CpuTarget &target);

/// attn.pack: rows by vectors, panels by transposing 16 rows at a time in
/// registers.
void emitPack(KernelBuilder &k, PackOp op, const CpuTarget &target);

/// attn.finalize: output rows and log-sum-exps.
void emitFinalize(KernelBuilder &k, FinalizeOp op, const CpuTarget &target);

/// attn.merge: partial states weighted by 2^(their maximum - the common one).
void emitProject(KernelBuilder &k, ProjectOp op, const CpuTarget &target);

void emitMerge(KernelBuilder &k, MergeOp op, const CpuTarget &target);

/// attn.hash: the argmax fused into the product with the rotations.
void emitHash(KernelBuilder &k, HashOp op, const CpuTarget &target);

/// attn.bucket_sort: a counting sort a round.
void emitBucketSort(KernelBuilder &k, BucketSortOp op);

/// attn.rank_sort: a radix sort a round.
void emitRankSort(KernelBuilder &k, RankSortOp op);

/// attn.lsh_chunks: the streaming softmax over gathered chunks.
void emitLshChunks(KernelBuilder &k, LshChunksOp op, const CpuTarget &target);

/// attn.linear_state, attn.linear_output and attn.linear_chunk: features in
/// cache, and the products of the recurrence.
void emitLinearState(KernelBuilder &k, LinearStateOp op,
                     const CpuTarget &target);
void emitLinearOutput(KernelBuilder &k, LinearOutputOp op,
                      const CpuTarget &target);
void emitLinearChunk(KernelBuilder &k, LinearChunkOp op,
                     const CpuTarget &target);

/// attn.linear_step of one head, in one pass over the state.
LogicalResult emitLinearStep(KernelBuilder &k, LinearStepOp op,
                             const CpuTarget &target);

/// attn.linear_merge: partial states lowered to one reference and added.
void emitLinearMerge(KernelBuilder &k, LinearMergeOp op,
                     const CpuTarget &target);

/// A square of vectors, transposed in registers: log2(lanes) rounds, each
/// exchanging the off-diagonal blocks of one size.
void emitTranspose(KernelBuilder &k, SmallVectorImpl<Value> &square);

} // namespace mlir::attn::cpu

#endif // ATTN_TARGET_CPU_KERNELS_H
