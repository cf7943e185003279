//===- Elementwise.cpp - what stands between tile-level operations --------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operations of linalg within a kernel: the threads of its block share the
// parallel loops, and each does the reductions of its elements.
//
//===----------------------------------------------------------------------===//

#include "BlockBuilder.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

namespace {
/// The indices that a map reads at a point of the loops.
SmallVector<Value> indicesOf(BlockBuilder &k, AffineMap map, ValueRange point) {
  SmallVector<OpFoldResult> operands(point.begin(), point.end());
  SmallVector<Value> at;
  for (unsigned i = 0; i < map.getNumResults(); ++i) {
    OpFoldResult one = affine::makeComposedFoldedAffineApply(
        k.b, k.loc, map.getSubMap({i}), operands);
    at.push_back(getValueOrCreateConstantIndexOp(k.b, k.loc, one));
  }
  return at;
}

void emitPoint(BlockBuilder &k, linalg::LinalgOp op, ValueRange point) {
  Block &block = *op.getBlock();
  IRMapping mapping;
  for (OpOperand &operand : op->getOpOperands()) {
    Value value = operand.get();
    if (isa<MemRefType>(value.getType()))
      value = memref::LoadOp::create(
          k.b, k.loc, value,
          indicesOf(k, op.getMatchingIndexingMap(&operand), point));
    mapping.map(block.getArgument(operand.getOperandNumber()), value);
  }
  for (Operation &one : block.without_terminator()) {
    if (auto index = dyn_cast<linalg::IndexOp>(one))
      mapping.map(index.getResult(), point[index.getDim()]);
    else
      k.b.clone(one, mapping);
  }
  for (auto [i, result] :
       llvm::enumerate(block.getTerminator()->getOperands())) {
    OpOperand *init = op.getDpsInitOperand(i);
    memref::StoreOp::create(
        k.b, k.loc, mapping.lookupOrDefault(result), init->get(),
        indicesOf(k, op.getMatchingIndexingMap(init), point));
  }
}

void emitLinalg(BlockBuilder &k, linalg::LinalgOp op) {
  SmallVector<Value> extents, parallel;
  for (const Range &range : op.createLoopRanges(k.b, k.loc))
    extents.push_back(getValueOrCreateConstantIndexOp(k.b, k.loc, range.size));
  SmallVector<utils::IteratorType> kinds = op.getIteratorTypesArray();
  for (auto [extent, kind] : llvm::zip_equal(extents, kinds))
    if (kind == utils::IteratorType::parallel)
      parallel.push_back(extent);
  k.forEach(parallel, [&](ValueRange indices) {
    SmallVector<Value> point(extents.size());
    OpBuilder::InsertionGuard guard(k.b);
    size_t next = 0;
    for (size_t i = 0; i < point.size(); ++i) {
      if (kinds[i] == utils::IteratorType::parallel) {
        point[i] = indices[next++];
        continue;
      }
      auto loop =
          scf::ForOp::create(k.b, k.loc, k.index(0), extents[i], k.index(1));
      k.b.setInsertionPointToStart(loop.getBody());
      point[i] = loop.getInductionVar();
    }
    emitPoint(k, op, point);
  });
}

void emitCopy(BlockBuilder &k, memref::CopyOp op) {
  SmallVector<Value> extents;
  int64_t rank = cast<MemRefType>(op.getSource().getType()).getRank();
  for (int64_t i = 0; i < rank; ++i)
    extents.push_back(k.dim(op.getSource(), i));
  k.forEach(extents, [&](ValueRange at) {
    Value element = memref::LoadOp::create(k.b, k.loc, op.getSource(), at);
    memref::StoreOp::create(k.b, k.loc, element, op.getTarget(), at);
  });
}
} // namespace

LogicalResult attn::nvvm::verifyElementwise(Operation *op) {
  auto generic = dyn_cast<linalg::LinalgOp>(op);
  if (!generic)
    return success();
  if (!generic.hasPureBufferSemantics())
    return op->emitOpError() << "expected memrefs; bufferise first";
  for (Operation &one : generic.getBlock()->without_terminator())
    if (one.getNumRegions() != 0 ||
        (!isa<arith::ArithDialect, math::MathDialect>(one.getDialect()) &&
         !isa<linalg::IndexOp>(one)))
      return one.emitOpError()
             << "expected only arithmetic in a kernel for this target";
  return success();
}

void attn::nvvm::emitElementwise(OpBuilder &b, Operation *op, Kernel &kernel) {
  BlockBuilder k(b, op->getLoc(), kernel);
  if (auto copy = dyn_cast<memref::CopyOp>(op))
    return emitCopy(k, copy);
  if (auto store = dyn_cast<memref::StoreOp>(op))
    return k.once([&] { b.clone(*store); });
  emitLinalg(k, cast<linalg::LinalgOp>(op));
}
