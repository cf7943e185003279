//===- FlattenRows.cpp - row-wise operations in two dimensions ------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Models carry batch and sequence as two dimensions, products see them as rows.
// Seeing them as rows everywhere lets reshapes cancel and chains be tiled by
// one dimension; element-wise operations are fused on the way.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Linalg/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/MemRef/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::attn::cpu {
#define GEN_PASS_DEF_ATTNFLATTENROWSPASS
#include "attn/Target/CPU/Linalg/Passes.h.inc"
} // namespace mlir::attn::cpu

#define DEBUG_TYPE "attn-flatten-rows"

using namespace mlir;

namespace {
/// A payload that is free next to a load: copies, broadcasts and casts.
bool isCheap(linalg::GenericOp op) {
  return op.getNumReductionLoops() == 0 && op->getNumResults() == 1 &&
         llvm::all_of(
             op.getBody()->without_terminator(), [](Operation &nested) {
               return isa<arith::ExtFOp, arith::TruncFOp, arith::ConstantOp,
                          arith::SIToFPOp, arith::ExtSIOp, arith::ExtUIOp>(
                   nested);
             });
}

/// A producer is fused where it has one consumer or costs nothing to repeat.
bool shouldFuse(OpOperand *operand) {
  auto producer = operand->get().getDefiningOp<linalg::GenericOp>();
  Operation *consumer = operand->getOwner();
  // A product reads its operands many times, so they are computed before.
  if (!producer ||
      linalg::isaContractionOpInterface(dyn_cast<linalg::LinalgOp>(consumer)))
    return false;
  if (isCheap(producer))
    return true;
  return llvm::all_of(producer->getUsers(),
                      [&](Operation *user) { return user == consumer; });
}

void addCleanUp(RewritePatternSet &patterns) {
  MLIRContext *context = patterns.getContext();
  linalg::GenericOp::getCanonicalizationPatterns(patterns, context);
  linalg::FillOp::getCanonicalizationPatterns(patterns, context);
  tensor::CollapseShapeOp::getCanonicalizationPatterns(patterns, context);
  tensor::ExpandShapeOp::getCanonicalizationPatterns(patterns, context);
  tensor::EmptyOp::getCanonicalizationPatterns(patterns, context);
  tensor::DimOp::getCanonicalizationPatterns(patterns, context);
  tensor::populateFoldTensorEmptyPatterns(patterns);
  memref::populateResolveRankedShapedTypeResultDimsPatterns(patterns);
}

/// How many leading dimensions a reshape makes of, or folds into, its first one
/// while it leaves the others alone or splits them within themselves.
int64_t leadingGroup(ArrayRef<ReassociationIndices> groups) {
  return groups.empty() ? 1 : groups.front().size();
}

/// The number of leading dimensions that a neighbouring reshape has as one: its
/// producer's result is expanded, or its consumer collapses its result.
int64_t flattenedByNeighbours(linalg::GenericOp op) {
  for (OpOperand &operand : op->getOpOperands())
    if (auto expand = operand.get().getDefiningOp<tensor::ExpandShapeOp>()) {
      int64_t count = leadingGroup(expand.getReassociationIndices());
      AffineMap map = op.getMatchingIndexingMap(&operand);
      if (count > 1 && map.getResult(0) == getAffineDimExpr(0, op.getContext()))
        return count;
    }
  for (OpResult result : op->getResults())
    for (Operation *user : result.getUsers())
      if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(user)) {
        int64_t count = leadingGroup(collapse.getReassociationIndices());
        if (count > 1)
          return count;
      }
  return 1;
}

/// The leading parallel dimensions that every operand has in a row, or lacks,
/// where a neighbour has them as one dimension; empty otherwise.
ReassociationIndices leadingRows(linalg::GenericOp op) {
  int64_t count = flattenedByNeighbours(op);
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  bool areProjections = llvm::all_of(
      maps, [](AffineMap m) { return m.isProjectedPermutation(); });
  if (count <= 1 || count > op.getNumLoops() || !areProjections)
    return {};
  ReassociationIndices rows = llvm::to_vector(llvm::seq<int64_t>(0, count));
  for (int64_t dim : rows)
    if (op.getIteratorTypesArray()[dim] != utils::IteratorType::parallel)
      return {};
  if (!linalg::areDimSequencesPreserved(maps, {rows}))
    return {};
  return rows;
}

/// Whether the payload asks for one of the dimensions: then it stays.
bool usesIndexOf(linalg::GenericOp op, ArrayRef<int64_t> dims) {
  return op.getBody()
      ->walk([&](linalg::IndexOp index) {
        return llvm::is_contained(dims, index.getDim())
                   ? WalkResult::interrupt()
                   : WalkResult::advance();
      })
      .wasInterrupted();
}

struct AttnFlattenRowsPass
    : public mlir::attn::cpu::impl::AttnFlattenRowsPassBase<
          AttnFlattenRowsPass> {
  using AttnFlattenRowsPassBase::AttnFlattenRowsPassBase;

  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    generalize(rewriter);
    if (failed(dropUnitDims()) || failed(fuse()))
      return signalPassFailure();
    // Down the chains and up again, until nothing has a neighbour to follow.
    for (bool changed = true; changed;) {
      changed = false;
      for (bool upwards : {false, true}) {
        SmallVector<linalg::GenericOp> ops;
        getOperation()->walk([&](linalg::GenericOp op) { ops.push_back(op); });
        if (upwards)
          std::reverse(ops.begin(), ops.end());
        for (linalg::GenericOp op : ops)
          changed |= collapse(rewriter, op);
      }
      if (failed(fuse()))
        return signalPassFailure();
    }
  }

private:
  /// Named operations become generic; fills stay, as they fold into more.
  void generalize(IRRewriter &rewriter) {
    SmallVector<linalg::LinalgOp> named;
    getOperation()->walk([&](linalg::LinalgOp op) {
      if (!isa<linalg::GenericOp, linalg::FillOp>(op) &&
          op.hasPureTensorSemantics())
        named.push_back(op);
    });
    for (linalg::LinalgOp op : named) {
      rewriter.setInsertionPoint(op);
      // An operation without a generic form is left to later passes.
      (void)linalg::generalizeNamedOp(rewriter, op);
    }
  }

  LogicalResult dropUnitDims() {
    RewritePatternSet patterns(&getContext());
    linalg::ControlDropUnitDims control;
    linalg::populateFoldUnitExtentDimsPatterns(patterns, control);
    linalg::populateFoldUnitExtentDimsCanonicalizationPatterns(patterns,
                                                               control);
    addCleanUp(patterns);
    return applyPatternsGreedily(getOperation(), std::move(patterns));
  }

  LogicalResult fuse() {
    RewritePatternSet patterns(&getContext());
    linalg::populateElementwiseOpsFusionPatterns(patterns, shouldFuse);
    addCleanUp(patterns);
    LogicalResult result =
        applyPatternsGreedily(getOperation(), std::move(patterns));
    eraseUnused();
    return result;
  }

  /// Fusion leaves producers behind whose payload has an assertion, which the
  /// consumer now has too.
  void eraseUnused() {
    SmallVector<linalg::GenericOp> ops;
    getOperation()->walk([&](linalg::GenericOp op) { ops.push_back(op); });
    for (linalg::GenericOp op : llvm::reverse(ops))
      if (op.hasPureTensorSemantics() && op->use_empty())
        op->erase();
  }

  bool collapse(IRRewriter &rewriter, linalg::GenericOp op) {
    if (!op.hasPureTensorSemantics())
      return false;
    ReassociationIndices rows = leadingRows(op);
    if (rows.empty() || usesIndexOf(op, rows))
      return false;
    rewriter.setInsertionPoint(op);
    FailureOr<linalg::CollapseResult> collapsed =
        linalg::collapseOpIterationDims(op, {rows}, rewriter);
    if (failed(collapsed))
      return false;
    rewriter.replaceOp(op, collapsed->results);
    ++numFlattened;
    return true;
  }
};
} // namespace
