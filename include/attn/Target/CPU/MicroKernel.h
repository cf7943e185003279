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
};

struct MicroKernelShape {
  int64_t rows;    ///< rows of C, unrolled
  int64_t vectors; ///< vectors across C, unrolled
  int64_t lanes;   ///< elements of a vector
};

/// Emits the product at the insertion point of `k`. `depth` is an index value;
/// with `accumulate` C is read first. A has the element type of C, and B that
/// or a narrower one, which is widened as it is read. Or A and B hold bf16
/// pairs (rows of A 2 depth long, rows of B 2 columns long) for an f32 C; then
/// a step of the depth is one vdpbf16ps.
void emitMicroKernel(KernelBuilder &k, MicroKernelShape shape, TileRef a,
                     TileRef b, TileRef c, Value depth, bool accumulate);

} // namespace mlir::attn::cpu

#endif // ATTN_TARGET_CPU_MICROKERNEL_H
