//===- Expand.cpp - operations whose meaning is also their lowering -------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pass attn-expand: positions and memories become linalg before attention is
// tiled, so that they are fused and vectorised like the rest of a model.
//
//===----------------------------------------------------------------------===//

#include "SplitDocuments.h"

#include "attn/Conversion/AttnToLinalg/AttnToLinalg.h"
#include "attn/Conversion/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"

#define DEBUG_TYPE "attn-expand"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNEXPANDPASS
#include "attn/Conversion/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct ExpandPass : attn::impl::AttnExpandPassBase<ExpandPass> {
  void getDependentDialects(DialectRegistry &registry) const override {
    AttnExpandPassBase::getDependentDialects(registry);
    registerDecompositionExternalModels(registry);
  }

  void runOnOperation() override {
    SmallVector<linalg::AggregatedOpInterface> ops;
    getOperation()->walk([&](linalg::AggregatedOpInterface op) {
      if (op->hasTrait<Expandable>())
        ops.push_back(op);
    });
    SmallVector<AttentionOp> packed;
    getOperation()->walk([&](AttentionOp op) {
      if (op.getDocuments())
        packed.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    for (AttentionOp op : packed) {
      rewriter.setInsertionPoint(op);
      rewriter.replaceOp(
          op, splitDocuments(rewriter, op, [](OpBuilder &, AttentionOp one) {
            return SmallVector<Value>(one.getResults());
          }));
      ++numExpanded;
    }
    for (linalg::AggregatedOpInterface op : ops) {
      if (failed(replaceByDecomposition(rewriter, op)))
        return signalPassFailure();
      ++numExpanded;
    }
  }
};
} // namespace
