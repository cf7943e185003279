//===- RowReduction.cpp - a warp for a row --------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reductions of what lies side by side in memory: the lanes of a warp share
// the elements of one result, and combine their parts by shuffles.
//
//===----------------------------------------------------------------------===//

#include "PointEmitter.h"

#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace mlir::attn;

/// The operation that combines result `number` with the next element, if its
/// order does not matter and it has a neutral element.
static Operation *findCombiner(linalg::LinalgOp op, unsigned number) {
  SmallVector<Operation *> combiners;
  Value matched = matchReduction(op.getRegionOutputArgs(), number, combiners);
  if (!matched || combiners.size() != 1 ||
      !arith::getNeutralElement(combiners.front()))
    return nullptr;
  Type type = combiners.front()->getResult(0).getType();
  return type.isF32() || type.isF64() || type.isInteger(32) ? combiners.front()
                                                            : nullptr;
}

/// What the lane with another number has; instructions move 32 bits.
static Value shuffle(OpBuilder &b, Location loc, Value x, int32_t mask) {
  auto move = [&](Value part) -> Value {
    return gpu::ShuffleOp::create(b, loc, part, mask, PointBlock::kLanes,
                                  gpu::ShuffleMode::XOR)
        .getShuffleResult();
  };
  if (!x.getType().isF64())
    return move(x);
  Type whole = b.getI64Type(), half = b.getI32Type();
  Value bits = arith::BitcastOp::create(b, loc, whole, x),
        by = arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(32));
  Value high = arith::ShRUIOp::create(b, loc, bits, by);
  Value parts[] = {arith::TruncIOp::create(b, loc, half, bits),
                   arith::TruncIOp::create(b, loc, half, high)};
  for (Value &part : parts)
    part = arith::ExtUIOp::create(b, loc, whole, move(part));
  Value upper = arith::ShLIOp::create(b, loc, parts[1], by);
  Value both = arith::OrIOp::create(b, loc, parts[0], upper);
  return arith::BitcastOp::create(b, loc, b.getF64Type(), both);
}

std::string mlir::attn::findRowObstacle(linalg::LinalgOp op) {
  SmallVector<unsigned> reductions;
  op.getReductionDims(reductions);
  bool isChecked = false;
  op->walk([&](cf::AssertOp) { isChecked = true; });
  if (reductions.empty())
    return "nothing is reduced";
  if (isChecked)
    return "its body has an assertion";
  unsigned inner = reductions.back();
  int64_t extent = op.getStaticLoopRanges()[inner];
  if (!ShapedType::isDynamic(extent) && extent < PointBlock::kLanes)
    return llvm::formatv(
        "{0} elements are reduced, fewer than a warp has lanes", extent);
  bool hasNeighbours =
      llvm::any_of(op.getDpsInputOperands(), [&](OpOperand *input) {
        auto type = dyn_cast<MemRefType>(input->get().getType());
        AffineMap map = op.getMatchingIndexingMap(input);
        return type && type.isLastDimUnitStride() && map.getNumResults() != 0 &&
               map.getResults().back() ==
                   getAffineDimExpr(inner, op->getContext());
      });
  if (!hasNeighbours)
    return llvm::formatv("no input has the elements of reduced dimension d{0} "
                         "side by side",
                         inner);
  for (int64_t i = 0; i < op.getNumDpsInits(); ++i)
    if (!findCombiner(op, i))
      return llvm::formatv(
          "result {0} is not combined by one operation of f32, "
          "f64 or i32 that has a neutral element",
          i);
  return "";
}

bool mlir::attn::isRowReduction(linalg::LinalgOp op) {
  return findRowObstacle(op).empty();
}

void PointEmitter::emitRow(Value flat, Value lane) {
  setPoint(parallel, flat);
  reduceRow(lane, SmallVector<Value>(op.getNumDpsInits()));
}

void PointEmitter::emitInRow(ArrayRef<unsigned> rowDims, ValueRange digits,
                             Value lane, ArrayRef<Value> initial) {
  OpBuilder::InsertionGuard guard(builder);
  SmallVector<unsigned> others;
  for (unsigned dim : parallel) {
    point[dim] = constant(0);
    if (!llvm::is_contained(rowDims, dim) && op.getStaticLoopRanges()[dim] != 1)
      others.push_back(dim);
  }
  for (auto [dim, digit] : llvm::zip_equal(rowDims, digits))
    point[dim] = digit;
  if (!reductions.empty())
    return reduceRow(lane, initial);
  Value count = constant(1);
  for (unsigned dim : others)
    count = builder.createOrFold<arith::MulIOp>(loc, count, size(dim));
  auto loop = scf::ForOp::create(builder, loc, lane, count,
                                 constant(PointBlock::kLanes));
  builder.setInsertionPointToStart(loop.getBody());
  setPoint(others, loop.getInductionVar());
  emitPoint();
}

/// The lanes share the elements that are reduced at the current point. Results
/// begin with `initial`, or with what their buffers hold.
void PointEmitter::reduceRow(Value lane, ArrayRef<Value> initial) {
  SmallVector<Operation *> combiners;
  SmallVector<Value> neutral;
  for (int64_t i = 0; i < op.getNumDpsInits(); ++i) {
    combiners.push_back(findCombiner(op, i));
    neutral.push_back(arith::ConstantOp::create(
        builder, loc, *arith::getNeutralElement(combiners.back())));
  }
  auto combine = [&](unsigned i, Value x, Value y) {
    OperationState state(loc, combiners[i]->getName(), {x, y}, {x.getType()},
                         combiners[i]->getAttrs());
    return builder.create(state)->getResult(0);
  };
  ArrayRef<unsigned> outer = ArrayRef(reductions).drop_back();
  unsigned inner = reductions.back();
  SmallVector<Value> parts = emitLoops(outer, neutral, [&](ValueRange now) {
    // All lanes go round equally often; one beyond the end keeps what it has.
    auto loop = scf::ForOp::create(builder, loc, constant(0), size(inner),
                                   constant(PointBlock::kLanes), now);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(loop.getBody());
    Value at =
        arith::AddIOp::create(builder, loc, loop.getInductionVar(), lane);
    Value last = arith::SubIOp::create(builder, loc, size(inner), constant(1));
    Value isInside = arith::CmpIOp::create(builder, loc,
                                           arith::CmpIPredicate::ule, at, last);
    point[inner] = arith::MinUIOp::create(builder, loc, at, last);
    SmallVector<Value> next = emitBody(loop.getRegionIterArgs());
    for (auto [value, before] : llvm::zip_equal(next, loop.getRegionIterArgs()))
      value = arith::SelectOp::create(builder, loc, isInside, value, before);
    scf::YieldOp::create(builder, loc, next);
    return llvm::to_vector_of<Value>(loop.getResults());
  });
  for (int32_t mask : {1, 2, 4, 8, 16})
    for (auto [i, part] : llvm::enumerate(parts)) {
      Value other = shuffle(builder, loc, part, mask);
      part = combine(i, part, other);
    }
  OpBuilder::InsertionGuard guard(builder);
  Value isFirst = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq,
                                        lane, constant(0));
  auto one = scf::IfOp::create(builder, loc, isFirst);
  builder.setInsertionPointToStart(one.thenBlock());
  for (auto [i, init] : llvm::enumerate(op.getDpsInitsMutable())) {
    SmallVector<Value> place = locate(init);
    Value before = initial[i];
    if (!before)
      before = memref::LoadOp::create(builder, loc, init.get(), place);
    memref::StoreOp::create(builder, loc, combine(i, before, parts[i]),
                            init.get(), place);
  }
}
