//===- ConvertAttnToLinalg.cpp - the pass convert-attn-to-linalg ----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Replaces attn operations on tensors by their decompositions, which are built
// in the files beside this one.
//
//===----------------------------------------------------------------------===//

#include "attn/Conversion/AttnToLinalg/AttnToLinalg.h"
#include "attn/Conversion/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/DebugLog.h"

#define DEBUG_TYPE "convert-attn-to-linalg"

namespace mlir::attn {
#define GEN_PASS_DEF_CONVERTATTNTOLINALGPASS
#include "attn/Conversion/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct ConvertAttnToLinalgPass
    : public mlir::attn::impl::ConvertAttnToLinalgPassBase<
          ConvertAttnToLinalgPass> {
  void runOnOperation() override {
    SmallVector<DestinationStyleOpInterface> ops;
    getOperation()->walk([&](DestinationStyleOpInterface op) {
      if (isa<AttentionOp, FeedForwardOp, LinearAttentionOp, LshAttentionOp, OnlineAttentionOp,
              MergeOp, FinalizeOp, LowRankAttentionOp, RotaryOp, SinusoidOp,
              AlibiOp, BucketBiasOp, CompressOp, UpdateMemoryOp>(op) &&
          op.hasPureTensorSemantics())
        ops.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    for (DestinationStyleOpInterface op : ops) {
      LDBG() << "decomposing " << *op;
      rewriter.setInsertionPoint(op);
      SmallVector<Value> results =
          llvm::TypeSwitch<Operation *, SmallVector<Value>>(op.getOperation())
              .Case([&](AttentionOp one) {
                return decomposeAttention(rewriter, one);
              })
              .Case([&](FeedForwardOp one) {
                return decomposeFeedForward(rewriter, one);
              })
              .Case([&](LinearAttentionOp one) {
                return decomposeLinear(rewriter, one);
              })
              .Case([&](LshAttentionOp one) {
                return decomposeLsh(rewriter, one);
              })
              .Case([&](OnlineAttentionOp one) {
                return decomposeOnlineAttention(rewriter, one);
              })
              .Case([&](MergeOp one) { return decomposeMerge(rewriter, one); })
              .Case([&](FinalizeOp one) {
                return decomposeFinalize(rewriter, one);
              })
              .Case([&](LowRankAttentionOp one) {
                return decomposeLowRankAttention(rewriter, one);
              })
              .Default([&](Operation *one) {
                return *decomposeExpandable(rewriter, one);
              });
      rewriter.replaceOp(op, results);
      ++numDecomposed;
    }
    getOperation()->walk([&](GaussianProjectionOp op) {
      rewriter.setInsertionPoint(op);
      rewriter.replaceOpWithNewOp<arith::ConstantOp>(op, op.draw());
      ++numDecomposed;
    });
  }
};
} // namespace
