//===- VectorizeBlock.h - scalar regions on vectors -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Clones the scalar body of a region with vector types: score mods and
// elementwise linalg bodies.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_CPU_VECTORIZEBLOCK_H
#define ATTN_TARGET_CPU_VECTORIZEBLOCK_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"

namespace mlir::attn::cpu {

/// The operation of `block` that has no vector form (neither elementwise nor a
/// constant), or null.
Operation *findUnvectorizable(Block &block);

/// Builds the operations of `block` but its terminator on vectors of `shape`.
/// `mapping` holds the vectors that stand for the block's arguments; values
/// from outside are repeated to all lanes. Returns the vectors of the
/// terminator's operands, or failure if an operation has no vector form (see
/// findUnvectorizable).
FailureOr<SmallVector<Value>> vectorizeScalarBlock(OpBuilder &builder,
                                                   Block &block,
                                                   IRMapping &mapping,
                                                   ArrayRef<int64_t> shape);

} // namespace mlir::attn::cpu

#endif // ATTN_TARGET_CPU_VECTORIZEBLOCK_H
