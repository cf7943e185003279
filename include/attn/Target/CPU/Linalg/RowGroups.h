//===- RowGroups.h - operations that share their rows -----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Finds the operations of a block that treat the rows of their tensors
// independently and that can run together, tile of rows by tile of rows.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_CPU_LINALG_ROWGROUPS_H
#define ATTN_TARGET_CPU_LINALG_ROWGROUPS_H

#include "mlir/IR/Operation.h"
#include "mlir/IR/Value.h"

namespace mlir::attn::cpu {

/// Operations with the same rows, in program order. None depends on another
/// one's results by way of an operation outside of the group.
struct RowGroup {
  SmallVector<Operation *> ops;
  /// The extent of their rows, ShapedType::kDynamic if it is not known.
  int64_t numRows;
};

/// Whether an operation on tensors computes each row of its results from the
/// same row of its row-wise operands, and of the others as a whole.
bool isRowWise(Operation *op);

/// Whether a row-wise operation reads this operand row by row.
bool isRowOperand(OpOperand &operand);

/// Multiplications and the like per row of an operation's results; an estimate
/// where extents are dynamic.
int64_t workPerRow(Operation *op);

/// Groups the row-wise operations of a block and reorders the block so that
/// the operations of a group are neighbours.
SmallVector<RowGroup> groupRows(Block &block);

} // namespace mlir::attn::cpu

#endif // ATTN_TARGET_CPU_LINALG_ROWGROUPS_H
