//===- PointEmitter.cpp - points of an operation --------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Loops over what is reduced, around the operation's own body.
//
//===----------------------------------------------------------------------===//

#include "PointEmitter.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace mlir::attn;

/// Whether a buffer that `op` reads moves with `dim` but not with `other`.
static bool hasFactor(linalg::LinalgOp op, unsigned dim, unsigned other) {
  return llvm::any_of(op.getDpsInputOperands(), [&](OpOperand *input) {
    AffineMap map = op.getMatchingIndexingMap(input);
    return isa<MemRefType>(input->get().getType()) &&
           map.isFunctionOfDim(dim) && !map.isFunctionOfDim(other);
  });
}

std::optional<PointBlock> mlir::attn::findPointBlock(linalg::LinalgOp op) {
  SmallVector<unsigned> parallel, reductions;
  op.getParallelDims(parallel);
  op.getReductionDims(reductions);
  bool isChecked = false;
  op->walk([&](cf::AssertOp) { isChecked = true; });
  if (reductions.empty() || parallel.size() < 2 || op.getNumDpsInits() != 1 ||
      isChecked)
    return std::nullopt;
  PointBlock block;
  block.column = parallel.back();
  for (unsigned dim : llvm::reverse(ArrayRef(parallel).drop_back())) {
    if (!hasFactor(op, dim, block.column) || !hasFactor(op, block.column, dim))
      continue;
    block.row = dim;
    int64_t columns = op.getStaticLoopRanges()[block.column];
    if (!ShapedType::isDynamic(columns))
      block.columns = std::clamp<int64_t>(
          llvm::divideCeil(columns, PointBlock::kLanes), 1, block.columns);
    return block;
  }
  return std::nullopt;
}

PointEmitter::PointEmitter(OpBuilder &builder, linalg::LinalgOp op,
                           ArrayRef<Range> ranges)
    : builder(builder), op(op), loc(op.getLoc()), ranges(ranges),
      point(ranges.size()) {
  op.getParallelDims(parallel);
  op.getReductionDims(reductions);
}

Value PointEmitter::constant(int64_t value) {
  return arith::ConstantIndexOp::create(builder, loc, value);
}

Value PointEmitter::size(unsigned dim) {
  return getValueOrCreateConstantIndexOp(builder, loc, ranges[dim].size);
}

/// Where `operand` is read or written at the current point.
SmallVector<Value> PointEmitter::locate(OpOperand &operand) {
  AffineMap map = op.getMatchingIndexingMap(&operand);
  SmallVector<OpFoldResult> at(point.begin(), point.end());
  return llvm::map_to_vector(map.getResults(), [&](AffineExpr expr) {
    AffineMap one = AffineMap::get(map.getNumDims(), 0, expr);
    return getValueOrCreateConstantIndexOp(
        builder, loc,
        affine::makeComposedFoldedAffineApply(builder, loc, one, at));
  });
}

/// The operation's own body at the current point.
SmallVector<Value> PointEmitter::emitBody(ValueRange carried) {
  Block *body = op.getBlock();
  IRMapping mapping;
  for (OpOperand *input : op.getDpsInputOperands()) {
    BlockArgument argument = op.getMatchingBlockArgument(input);
    if (argument.use_empty())
      continue;
    Value value = input->get();
    if (isa<MemRefType>(value.getType()))
      value = memref::LoadOp::create(builder, loc, value, locate(*input));
    mapping.map(argument, value);
  }
  for (auto [init, value] : llvm::zip_equal(op.getDpsInitsMutable(), carried))
    mapping.map(op.getMatchingBlockArgument(&init), value);
  for (Operation &nested : body->without_terminator()) {
    if (auto index = dyn_cast<linalg::IndexOp>(nested))
      mapping.map(index.getResult(), point[index.getDim()]);
    else
      builder.clone(nested, mapping);
  }
  return llvm::map_to_vector(
      body->getTerminator()->getOperands(),
      [&](Value value) { return mapping.lookupOrDefault(value); });
}

SmallVector<Value> PointEmitter::emitLoops(ArrayRef<unsigned> dims,
                                           ValueRange carried, Body body) {
  if (dims.empty())
    return body(carried);
  auto loop = scf::ForOp::create(builder, loc, constant(0), size(dims.front()),
                                 constant(1), carried);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  point[dims.front()] = loop.getInductionVar();
  SmallVector<Value> next =
      emitLoops(dims.drop_front(), loop.getRegionIterArgs(), body);
  scf::YieldOp::create(builder, loc, next);
  return llvm::to_vector_of<Value>(loop.getResults());
}

/// The point's coordinates are the digits of `flat`, the last fastest.
void PointEmitter::setPoint(ArrayRef<unsigned> dims, Value flat) {
  for (unsigned dim : llvm::reverse(dims)) {
    point[dim] =
        dim == dims.front()
            ? flat
            : arith::RemUIOp::create(builder, loc, flat, size(dim)).getResult();
    if (dim != dims.front())
      flat = arith::DivUIOp::create(builder, loc, flat, size(dim));
  }
}

void PointEmitter::emit(Value flat) {
  setPoint(parallel, flat);
  emitPoint();
}

void PointEmitter::emitPoint() {
  SmallVector<Value> carried;
  SmallVector<SmallVector<Value>> places;
  for (OpOperand &init : op.getDpsInitsMutable()) {
    places.push_back(locate(init));
    bool isRead =
        !reductions.empty() || !op.getMatchingBlockArgument(&init).use_empty();
    Type type = getElementTypeOrSelf(init.get().getType());
    Value value =
        isRead
            ? memref::LoadOp::create(builder, loc, init.get(), places.back())
                  .getResult()
            : arith::ConstantOp::create(builder, loc, builder.getZeroAttr(type))
                  .getResult();
    carried.push_back(value);
  }
  SmallVector<Value> results = emitLoops(
      reductions, carried, [&](ValueRange now) { return emitBody(now); });
  for (auto [init, value, place] :
       llvm::zip_equal(op.getDpsInits(), results, places))
    memref::StoreOp::create(builder, loc, value, init, place);
}

/// The points of one thread. Those outside are moved to the edge, where they
/// are computed for nothing and not stored.
SmallVector<PointEmitter::BlockPoint>
PointEmitter::placeBlock(const PointBlock &block, Value task, Value thread) {
  auto add = [&](Value a, Value b) -> Value {
    return arith::AddIOp::create(builder, loc, a, b);
  };
  auto times = [&](Value a, int64_t b) -> Value {
    return arith::MulIOp::create(builder, loc, a, constant(b));
  };
  auto split = [&](Value value, Value by) {
    Value rest = arith::RemUIOp::create(builder, loc, value, by);
    return std::pair<Value, Value>(
        arith::DivUIOp::create(builder, loc, value, by), rest);
  };
  auto tiles = [&](unsigned dim, int64_t extent) -> Value {
    return arith::CeilDivUIOp::create(builder, loc, size(dim),
                                      constant(extent));
  };
  auto clamp = [&](Value at, unsigned dim) {
    Value last = arith::SubIOp::create(builder, loc, size(dim), constant(1));
    Value isInside = arith::CmpIOp::create(builder, loc,
                                           arith::CmpIPredicate::ule, at, last);
    return std::pair<Value, Value>(
        arith::MinUIOp::create(builder, loc, at, last), isInside);
  };
  auto [above, tileColumn] =
      split(task, tiles(block.column, block.blockColumns()));
  auto [batch, tileRow] = split(above, tiles(block.row, block.blockRows()));
  auto [warp, lane] = split(thread, constant(PointBlock::kLanes));
  SmallVector<unsigned> others(parallel);
  llvm::erase_if(others, [&](unsigned dim) {
    return dim == block.row || dim == block.column;
  });
  setPoint(others, batch);
  Value firstRow =
      add(times(tileRow, block.blockRows()), times(warp, block.rows));
  Value firstColumn = add(times(tileColumn, block.blockColumns()), lane);
  SmallVector<BlockPoint> points;
  for (int64_t r = 0; r < block.rows; ++r)
    for (int64_t c = 0; c < block.columns; ++c) {
      auto [row, isRow] = clamp(add(firstRow, constant(r)), block.row);
      auto [column, isColumn] = clamp(
          add(firstColumn, constant(c * PointBlock::kLanes)), block.column);
      points.push_back(
          {row, column, arith::AndIOp::create(builder, loc, isRow, isColumn)});
    }
  return points;
}

void PointEmitter::emitBlock(const PointBlock &block, Value task,
                             Value thread) {
  SmallVector<BlockPoint> points = placeBlock(block, task, thread);
  auto go = [&](const BlockPoint &to) {
    point[block.row] = to.row;
    point[block.column] = to.column;
  };
  OpOperand &init = *op.getDpsInitsMutable().begin();
  SmallVector<Value> carried;
  for (const BlockPoint &one : points) {
    go(one);
    carried.push_back(
        memref::LoadOp::create(builder, loc, init.get(), locate(init)));
  }
  SmallVector<Value> results =
      emitLoops(reductions, carried, [&](ValueRange now) {
        SmallVector<Value> next;
        for (auto [one, value] : llvm::zip_equal(points, now)) {
          go(one);
          next.push_back(emitBody(value).front());
        }
        return next;
      });
  for (auto [one, value] : llvm::zip_equal(points, results)) {
    go(one);
    OpBuilder::InsertionGuard guard(builder);
    auto inside = scf::IfOp::create(builder, loc, one.isInside);
    builder.setInsertionPointToStart(inside.thenBlock());
    memref::StoreOp::create(builder, loc, value, init.get(), locate(init));
  }
}
