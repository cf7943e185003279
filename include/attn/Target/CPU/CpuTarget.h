//===- CpuTarget.h - what the CPU kernel emitters know of a CPU -*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The description that a target contributes: register file and instruction
// sets, and the tile sizes that follow.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_CPU_CPUTARGET_H
#define ATTN_TARGET_CPU_CPUTARGET_H

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Operation.h"

#include <cstdint>

namespace mlir::attn::cpu {

/// A CPU as the kernel emitters see it. The default is a 512-bit machine
/// without dot products of bf16.
struct CpuTarget {
  /// Width of a vector register in bits: 256 or 512.
  int64_t vectorBits = 512;
  /// Has vdpbf16ps (AVX512-BF16).
  bool hasBf16Dot = false;
  /// Has tdpbf16ps on tile registers (AMX-BF16).
  bool hasAmxBf16 = false;

  int64_t lanes(int64_t elementBits = 32) const {
    return vectorBits / elementBits;
  }
  /// Rows of the register tile: 12 x 2 accumulators of 32 registers, 6 x 2
  /// of 16.
  int64_t tileRows() const { return vectorBits == 512 ? 12 : 6; }
  /// Rows of the register tile for a tile of so many rows: a smaller one where
  /// that fits and the usual one does not.
  int64_t stripRows(int64_t rows) const {
    int64_t smaller = vectorBits == 512 ? 8 : 4;
    return rows % tileRows() != 0 && rows % smaller == 0 ? smaller : tileRows();
  }
  /// Rows this many bytes apart, or a multiple, compete for the same sets of a
  /// first-level cache, as a register tile reads many of them at once.
  static constexpr int64_t criticalStride = 2048;
  /// Rows of C, and pairs of depth, of one AMX tile; products take two by two.
  static constexpr int64_t amxRows = 16;
  static constexpr int64_t amxStripRows = 2 * amxRows;
  /// Whether products of pairs go through AMX tiles where C has so many rows.
  bool usesAmx(int64_t rows) const {
    return hasAmxBf16 && rows % amxStripRows == 0;
  }
  /// Vectors across the register tile.
  static constexpr int64_t tileVectors = 2;
  /// Columns of the register tile, the width of a panel.
  int64_t tileColumns(int64_t elementBits = 32) const {
    return tileVectors * lanes(elementBits);
  }
};

/// The target that a pass's options describe, or an error at `op`.
inline FailureOr<CpuTarget> getCpuTarget(Operation *op, int64_t vectorBits,
                                         bool hasBf16Dot,
                                         bool hasAmxBf16 = false) {
  if (vectorBits != 256 && vectorBits != 512)
    return op->emitError("expected vector-bits of 256 or 512, got ")
           << vectorBits;
  return CpuTarget{vectorBits, hasBf16Dot, hasAmxBf16 && hasBf16Dot};
}

} // namespace mlir::attn::cpu

#endif // ATTN_TARGET_CPU_CPUTARGET_H
