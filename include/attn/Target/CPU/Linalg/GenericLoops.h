//===- GenericLoops.h - linalg.generic as loops over vectors ----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The plan of a loop nest for one linalg.generic on memrefs, and its emission.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_CPU_LINALG_GENERICLOOPS_H
#define ATTN_TARGET_CPU_LINALG_GENERICLOOPS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <optional>

namespace mlir::attn::cpu {

/// How an operand moves when the vector dimension does.
enum class Access {
  Uniform,    ///< the same element for all lanes
  Contiguous, ///< neighbouring elements
  Scattered   ///< anything else: one scalar access per lane
};

/// The loop nest of one operation: loops over the parallel dimensions, the
/// loop over the vector dimension, and the reductions inside (or, where the
/// vector dimension is itself a reduction, the loop over it innermost).
struct LoopPlan {
  /// The dimension along the lanes, or none for scalar code.
  std::optional<unsigned> vectorDim;
  int64_t lanes = 1;
  /// Parallel dimensions but the vector dimension, outermost first.
  SmallVector<unsigned> outer;
  /// Reductions but the vector dimension, outermost first.
  SmallVector<unsigned> reductions;
  /// How each operand moves along the vector dimension.
  SmallVector<Access> access;
  /// Per output, how lanes combine; only if the vector dimension is a
  /// reduction.
  SmallVector<vector::CombiningKind> kinds;

  bool reducesLanes() const { return !kinds.empty(); }
};

/// The best plan for vectors of `vectorBits`; scalar where no dimension fits.
LoopPlan planLoops(linalg::GenericOp op, int64_t vectorBits);

/// Emits the loop nest before the operation, which stays in place.
void emitLoops(OpBuilder &builder, linalg::GenericOp op, const LoopPlan &plan);

} // namespace mlir::attn::cpu

#endif // ATTN_TARGET_CPU_LINALG_GENERICLOOPS_H
