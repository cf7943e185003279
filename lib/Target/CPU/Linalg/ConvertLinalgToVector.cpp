//===- ConvertLinalgToVector.cpp - linalg on buffers as vector loops ------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass that turns what bufferisation left of linalg, copies and packed
// products into loops over vectors.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Target/CPU/Linalg/Functions.h"
#include "attn/Target/CPU/Linalg/GenericLoops.h"
#include "attn/Target/CPU/Linalg/PackedFeedForward.h"
#include "attn/Target/CPU/Linalg/PackedMatmul.h"
#include "attn/Target/CPU/Linalg/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Interfaces/LoopLikeInterface.h"
#include "mlir/Transforms/LoopInvariantCodeMotionUtils.h"

namespace mlir::attn::cpu {
#define GEN_PASS_DEF_CONVERTLINALGTOVECTORPASS
#include "attn/Target/CPU/Linalg/Passes.h.inc"
} // namespace mlir::attn::cpu

#define DEBUG_TYPE "convert-linalg-to-vector"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

namespace {
/// A copy as a linalg.generic that yields its input.
linalg::GenericOp asGeneric(RewriterBase &rewriter, memref::CopyOp copy) {
  rewriter.setInsertionPoint(copy);
  int64_t rank = cast<MemRefType>(copy.getTarget().getType()).getRank();
  AffineMap map = rewriter.getMultiDimIdentityMap(rank);
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  auto generic = linalg::GenericOp::create(
      rewriter, copy.getLoc(), ValueRange{copy.getSource()},
      ValueRange{copy.getTarget()}, ArrayRef<AffineMap>{map, map}, iterators,
      [](OpBuilder &b, Location loc, ValueRange arguments) {
        linalg::YieldOp::create(b, loc, arguments.front());
      });
  rewriter.eraseOp(copy);
  return generic;
}

struct ConvertLinalgToVectorPass
    : public mlir::attn::cpu::impl::ConvertLinalgToVectorPassBase<
          ConvertLinalgToVectorPass> {
  using ConvertLinalgToVectorPassBase::ConvertLinalgToVectorPassBase;

  void runOnOperation() override {
    if (vectorBits != 128 && vectorBits != 256 && vectorBits != 512) {
      getOperation().emitError() << "expected vector-bits of 128, 256 or 512, "
                                    "got "
                                 << vectorBits;
      return signalPassFailure();
    }
    IRRewriter rewriter(&getContext());
    if (failed(generalize(rewriter)))
      return signalPassFailure();
    CpuTarget target;
    target.vectorBits = vectorBits;
    getOperation()->walk(
        [&](RowWiseOpInterface op) { emitProducts(rewriter, op, target); });
    getOperation()->walk([&](linalg::GenericOp op) { convert(rewriter, op); });
    getOperation()->walk([&](math::ErfOp op) {
      if (!getElementTypeOrSelf(op.getType()).isF32())
        return;
      rewriter.setInsertionPoint(op);
      KernelBuilder k(rewriter, op.getLoc());
      rewriter.replaceOp(op, emitErf(k, op.getOperand()));
    });
    getOperation()->walk(
        [&](LoopLikeOpInterface loop) { moveLoopInvariantCode(loop); });
  }

private:
  /// Named operations and copies become linalg.generic.
  LogicalResult generalize(IRRewriter &rewriter) {
    SmallVector<Operation *> named;
    getOperation()->walk([&](Operation *op) {
      auto linalgOp = dyn_cast<linalg::LinalgOp>(op);
      if (isa<memref::CopyOp>(op) || (linalgOp && !isa<linalg::GenericOp>(op) &&
                                      linalgOp.hasPureBufferSemantics()))
        named.push_back(op);
    });
    for (Operation *op : named) {
      if (auto copy = dyn_cast<memref::CopyOp>(op)) {
        if (copy.getSource() == copy.getTarget())
          rewriter.eraseOp(copy);
        else
          asGeneric(rewriter, copy);
        continue;
      }
      rewriter.setInsertionPoint(op);
      if (failed(
              linalg::generalizeNamedOp(rewriter, cast<linalg::LinalgOp>(op))))
        return op->emitOpError() << "expected an operation with a generic form";
    }
    return success();
  }

  void emitProducts(IRRewriter &rewriter, Operation *op,
                    const CpuTarget &target) {
    if (!cast<DestinationStyleOpInterface>(op).hasPureBufferSemantics())
      return;
    rewriter.setInsertionPoint(op);
    KernelBuilder k(rewriter, op->getLoc());
    if (auto layer = dyn_cast<PackedFeedForwardOp>(op)) {
      emitPackedFeedForward(k, layer, target);
    } else {
      auto product = cast<PackedMatmulOp>(op);
      emitPanelProduct(
          k, {product.getLhs(), product.getPanels(), product.getOutput()},
          target);
    }
    rewriter.eraseOp(op);
    ++numProducts;
  }

  void convert(IRRewriter &rewriter, linalg::GenericOp op) {
    if (!op.hasPureBufferSemantics())
      return;
    LoopPlan plan = planLoops(op, vectorBits);
    if (plan.vectorDim) {
      ++numVectorized;
    } else {
      ++numScalar;
      if (op.getNumLoops() > 0)
        op.emitRemark() << "scalar loops: no dimension fits vectors";
    }
    emitLoops(rewriter, op, plan);
    rewriter.eraseOp(op);
  }
};
} // namespace
