//===- RaiseLinalgToAttn.cpp - the pass raise-linalg-to-attn --------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tries every operation that may end an attention, replaces what matches and
// tells about what nearly does.
//
//===----------------------------------------------------------------------===//

#include "AttentionMatch.h"
#include "RaisePass.h"

#include "attn/Conversion/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"
#include "llvm/Support/DebugLog.h"

#define DEBUG_TYPE "raise-linalg-to-attn"

namespace mlir::attn {
#define GEN_PASS_DEF_RAISELINALGTOATTNPASS
#include "attn/Conversion/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::raise;

/// Whether an operation may be the last one of an attention: a sum of products,
/// or a division after it.
static bool mayEndAttention(linalg::LinalgOp op) {
  Operation *last = findLastScalarOp(op);
  if (op.getNumReductionLoops() == 0)
    return isa_and_nonnull<arith::DivFOp>(last);
  return isa_and_nonnull<arith::AddFOp>(last);
}

namespace {
struct RaiseLinalgToAttnPass
    : public mlir::attn::impl::RaiseLinalgToAttnPassBase<
          RaiseLinalgToAttnPass> {
  using RaiseLinalgToAttnPassBase::RaiseLinalgToAttnPassBase;

  void runOnOperation() override {
    SmallVector<linalg::LinalgOp> candidates;
    getOperation()->walk([&](linalg::LinalgOp op) {
      if (mayEndAttention(op))
        candidates.push_back(op);
    });
    bool changed = false;
    for (linalg::LinalgOp op : candidates)
      changed |= raise(op);
    if (changed)
      eraseDeadOps(getOperation());
  }

private:
  bool raise(linalg::LinalgOp op) {
    Splits splits;
    for (int64_t extent :
         cast<ShapedType>(op->getResult(0).getType()).getShape())
      splits.push_back({extent});
    bool attempted = false;
    Mismatch mismatch;
    // Every round splits some dimension further, so that this ends.
    for (;;) {
      ExprContext context(&getContext());
      auto match = matchAttention(context, op->getResult(0), splits, attempted,
                                  mismatch);
      if (failed(match))
        break;
      Splits refined = refineSplits(context, *match, splits);
      if (refined != splits) {
        splits = std::move(refined);
        continue;
      }
      if (AttentionOp attention = buildAttention(context, *match, mismatch)) {
        ++numRaised;
        remark::passed(
            attention.getLoc(),
            remark::RemarkOpts::name("AttentionRaised").category(DEBUG_TYPE))
            << "raised to attn.attention";
        return true;
      }
      break;
    }
    if (attempted)
      report(op, mismatch);
    return false;
  }

  void report(linalg::LinalgOp op, const Mismatch &mismatch) {
    ++numMissed;
    reportMissed(op, mismatch, DEBUG_TYPE, "AttentionMissed",
                 AttentionOp::getOperationName(), remarks);
  }
};
} // namespace
