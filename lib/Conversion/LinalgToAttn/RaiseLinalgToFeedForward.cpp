//===- RaiseLinalgToFeedForward.cpp - feed-forward layers in linalg -------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tries every operation that may end a feed-forward layer, replaces what
// matches and tells about what nearly does.
//
//===----------------------------------------------------------------------===//

#include "FeedForwardMatch.h"
#include "RaisePass.h"

#include "attn/Conversion/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"

#define DEBUG_TYPE "raise-linalg-to-feed-forward"

namespace mlir::attn {
#define GEN_PASS_DEF_RAISELINALGTOFEEDFORWARDPASS
#include "attn/Conversion/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::raise;

/// Whether an operation may be the last one of a layer: a sum of products, or
/// the sum with a bias after it.
static bool mayEndLayer(linalg::LinalgOp op) {
  Operation *last = findLastScalarOp(op);
  while (isa_and_nonnull<arith::TruncFOp>(last))
    last = last->getOperand(0).getDefiningOp();
  return isa_and_nonnull<arith::AddFOp>(last);
}

/// The operations between a layer's input and its end, which comes first.
static llvm::SetVector<Operation *> collectInner(Operation *last, Value input) {
  llvm::SetVector<Operation *> before, inner;
  SmallVector<Operation *> pending = {last};
  while (!pending.empty()) {
    Operation *op = pending.pop_back_val();
    if (!before.insert(op))
      continue;
    for (Value operand : op->getOperands())
      if (Operation *producer = operand.getDefiningOp();
          producer && operand != input)
        pending.push_back(producer);
  }
  inner.insert(last);
  llvm::append_range(pending, input.getUsers());
  while (!pending.empty()) {
    Operation *op = pending.pop_back_val();
    if (op == last || !before.contains(op) || !inner.insert(op))
      continue;
    llvm::append_range(pending, op->getUsers());
  }
  return inner;
}

namespace {
struct RaiseLinalgToFeedForwardPass
    : public mlir::attn::impl::RaiseLinalgToFeedForwardPassBase<
          RaiseLinalgToFeedForwardPass> {
  using RaiseLinalgToFeedForwardPassBase::RaiseLinalgToFeedForwardPassBase;

  void runOnOperation() override {
    SmallVector<linalg::LinalgOp> candidates;
    getOperation()->walk([&](linalg::LinalgOp op) {
      if (mayEndLayer(op))
        candidates.push_back(op);
    });
    // A bias comes after its product: last operations first.
    for (linalg::LinalgOp op : llvm::reverse(candidates))
      if (!replaced.contains(op))
        raise(op);
    if (!replaced.empty())
      eraseDeadOps(getOperation());
  }

private:
  void raise(linalg::LinalgOp op) {
    bool attempted = false;
    Mismatch mismatch;
    ExprContext context(&getContext());
    auto match =
        matchFeedForward(context, op->getResult(0), attempted, mismatch);
    if (succeeded(match)) {
      auto inner = collectInner(op, match->input);
      auto elsewhere = llvm::find_if(inner, [&](Operation *one) {
        return one != op && llvm::any_of(one->getUsers(), [&](Operation *user) {
                 return !inner.contains(user);
               });
      });
      if (elsewhere == inner.end()) {
        build(op, *match);
        replaced.insert_range(inner);
        return;
      }
      mismatch = {"expected hidden values that nothing else uses",
                  (*elsewhere)->getResult(0)};
    }
    // A sum with a bias fails for the reason that its product fails for.
    if (attempted && op.getNumReductionLoops() > 0)
      report(op, mismatch);
  }

  /// Rows become one dimension, which costs nothing.
  void build(linalg::LinalgOp op, const FeedForwardMatch &match) {
    OpBuilder b(op);
    Location loc = op.getLoc();
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    int64_t rank = type.getRank();
    SmallVector<ReassociationIndices> groups = {
        llvm::to_vector(llvm::seq<int64_t>(0, rank - 1)), {rank - 1}};
    SmallVector<OpFoldResult> sizes =
        tensor::getMixedSizes(b, loc, match.input);
    sizes.back() = b.getIndexAttr(type.getShape().back());
    Value input = match.input;
    if (rank > 2)
      input = tensor::CollapseShapeOp::create(b, loc, input, groups);
    Value init = tensor::EmptyOp::create(
        b, loc, {tensor::getMixedSize(b, loc, input, 0), sizes.back()},
        type.getElementType());
    SmallVector<AffineMap> maps = {match.up.map};
    if (match.gate.tensor)
      maps.push_back(match.gate.map);
    maps.push_back(match.down.map);
    auto layer = FeedForwardOp::create(
        b, loc, init.getType(), match.activation, input, match.up.tensor,
        match.upBias, match.gate.tensor, match.gateBias, match.down.tensor,
        match.downBias, init, b.getAffineMapArrayAttr(maps),
        /*rows=*/IntegerAttr());
    Value result = layer.getResult();
    if (rank > 2)
      result =
          tensor::ExpandShapeOp::create(b, loc, type, result, groups, sizes);
    op->getResult(0).replaceAllUsesWith(result);
    ++numRaised;
    remark::passed(
        loc, remark::RemarkOpts::name("FeedForwardRaised").category(DEBUG_TYPE))
        << "raised to attn.feed_forward";
  }

  void report(linalg::LinalgOp op, const Mismatch &mismatch) {
    ++numMissed;
    reportMissed(op, mismatch, DEBUG_TYPE, "FeedForwardMissed",
                 FeedForwardOp::getOperationName(), remarks);
  }

  /// Operations that a raised layer replaced.
  llvm::SmallPtrSet<Operation *, 16> replaced;
};
} // namespace
