//===- MicroKernel.h - the register-tile matrix product ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits C[rows][vectors * lanes] (+)= A[rows][depth] * B[depth][vectors *
// lanes] with the accumulators in registers: every matrix product of the CPU
// target is made of it.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_CPU_MICROKERNEL_H
#define ATTN_TARGET_CPU_MICROKERNEL_H

#include "attn/Target/CPU/KernelBuilder.h"

namespace mlir::attn::cpu {

/// An element of a memref, which a tile begins at. The last index runs along
/// the tile's columns, the one before it along its rows; A's rows should have a
/// static stride, or their addresses cost registers.
struct TileRef {
  Value memref;
  SmallVector<Value> at;
  /// As A alone: rows of the tile lie along the last index, so that the product
  /// is that of the transposed matrix.
  bool isTransposed = false;
};

struct MicroKernelShape {
  int64_t rows;    ///< rows of C, unrolled
  int64_t vectors; ///< vectors across C, unrolled
  int64_t lanes;   ///< elements of a vector
  /// Through AMX tiles: rows are 16s, a step of the depth is 16 pairs of bf16,
  /// and the depth a whole number of steps.
  bool isAmx = false;
  /// Steps of the depth ahead of which B is asked for; 0: not at all.
  int64_t prefetchSteps = 0;
};

/// Steps of the depth, counted from where the tiles of A and B begin. A block
/// that begins later does so here and not in its tiles: LLVM would keep the sum
/// of both, and spill accumulators for it.
struct DepthRange {
  Value from, to;
};

/// Emits the product onto `accumulators` (row by row, `vectors` of each) and
/// returns them; A and B as below.
SmallVector<Value> emitProduct(KernelBuilder &k, MicroKernelShape shape,
                               TileRef a, TileRef b, DepthRange depth,
                               ValueRange accumulators);

/// Emits the product at the insertion point of `k`; with `accumulate` C is read
/// first. A has the element type of C, and B that
/// or a narrower one, which is widened as it is read. Or A and B hold bf16
/// pairs (rows of A 2 depth long, rows of B 2 columns long) for an f32 C; then
/// a step of the depth is one vdpbf16ps.
void emitMicroKernel(KernelBuilder &k, MicroKernelShape shape, TileRef a,
                     TileRef b, TileRef c, DepthRange depth, bool accumulate);

/// Covers a memref's dimension with strips of `height`, the rest with strips
/// whose heights are powers of two; `strip` emits the one that begins at its
/// first argument.
void emitStrips(KernelBuilder &k, Value memref, int64_t dim, int64_t height,
                function_ref<void(Value, int64_t)> strip);

} // namespace mlir::attn::cpu

#endif // ATTN_TARGET_CPU_MICROKERNEL_H
