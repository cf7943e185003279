//===- PointEmitter.h - points of an operation ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What one thread does for an operation of linear algebra: the work on one
// point of its parallel dimensions, or on a block of points that share loads.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_GPU_POINTEMITTER_H
#define ATTN_LIB_TARGET_GPU_POINTEMITTER_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace mlir::attn {

/// How a product is cut: a warp takes `rows` x `columns` points of two parallel
/// dimensions, every lane a column in 32, so that one of the factors is read
/// in the order of the lanes and the other by all lanes at once.
struct PointBlock {
  static constexpr int64_t kLanes = 32, kWarps = 8;
  unsigned row = 0, column = 0; ///< dimensions
  int64_t rows = 4, columns = 4;

  int64_t blockRows() const { return kWarps * rows; }
  int64_t blockColumns() const { return kLanes * columns; }
};

/// The block for `op`, if it is a product in which points share factors.
std::optional<PointBlock> findPointBlock(linalg::LinalgOp op);

/// Whether a warp for a result reads memory in the order of its lanes where a
/// thread for a result would not.
bool isRowReduction(linalg::LinalgOp op);
/// Why it does not, or nothing.
std::string findRowObstacle(linalg::LinalgOp op);

class PointEmitter {
public:
  PointEmitter(OpBuilder &builder, linalg::LinalgOp op, ArrayRef<Range> ranges);

  /// Emits the work on point number `flat` of the parallel dimensions.
  void emit(Value flat);

  /// Emits the work of thread `thread` of the block number `task` of threads.
  void emitBlock(const PointBlock &block, Value task, Value thread);

  /// Emits what lane `lane` does for point number `flat`, of a row reduction,
  /// for which there is a warp.
  void emitRow(Value flat, Value lane);

  /// Emits what lane `lane` does for the row at `digits` of the dimensions
  /// `rowDims`: the lanes share the points, or the elements that are reduced.
  /// Results of reductions begin with `initial`; null: with their buffers.
  void emitInRow(ArrayRef<unsigned> rowDims, ValueRange digits, Value lane,
                 ArrayRef<Value> initial);

private:
  using Body = llvm::function_ref<SmallVector<Value>(ValueRange)>;

  struct BlockPoint {
    Value row, column, isInside;
  };

  SmallVector<BlockPoint> placeBlock(const PointBlock &block, Value task,
                                     Value thread);
  Value constant(int64_t value);
  Value size(unsigned dim);
  SmallVector<Value> emitLoops(ArrayRef<unsigned> dims, ValueRange carried,
                               Body body);
  SmallVector<Value> emitBody(ValueRange carried);
  void emitPoint();
  void reduceRow(Value lane, ArrayRef<Value> initial);
  SmallVector<Value> locate(OpOperand &operand);
  void setPoint(ArrayRef<unsigned> dims, Value flat);

  OpBuilder &builder;
  linalg::LinalgOp op;
  Location loc;
  ArrayRef<Range> ranges;
  SmallVector<unsigned> parallel, reductions;
  SmallVector<Value> point;
};

} // namespace mlir::attn

#endif // ATTN_LIB_TARGET_GPU_POINTEMITTER_H
