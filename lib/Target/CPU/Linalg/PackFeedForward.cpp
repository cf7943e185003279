//===- PackFeedForward.cpp - feed-forward layers on panels ----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Packs the matrices of attn.feed_forward for register tiles, and converts its
// operands to the type of its sums.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Target/CPU/Linalg/Packing.h"
#include "attn/Target/CPU/Linalg/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"

namespace mlir::attn::cpu {
#define GEN_PASS_DEF_ATTNPACKFEEDFORWARDPASS
#include "attn/Target/CPU/Linalg/Passes.h.inc"
} // namespace mlir::attn::cpu

#define DEBUG_TYPE "attn-pack-feed-forward"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

namespace {
struct AttnPackFeedForwardPass
    : public mlir::attn::cpu::impl::AttnPackFeedForwardPassBase<
          AttnPackFeedForwardPass> {
  using AttnPackFeedForwardPassBase::AttnPackFeedForwardPassBase;

  void runOnOperation() override {
    FailureOr<CpuTarget> target =
        getCpuTarget(getOperation(), vectorBits, /*hasBf16Dot=*/false);
    if (failed(target))
      return signalPassFailure();
    if (rows < 1 || hiddenTile < 1) {
      getOperation()->emitError()
          << "expected positive rows and hidden-tile, got " << int64_t(rows)
          << " and " << int64_t(hiddenTile);
      return signalPassFailure();
    }
    SmallVector<FeedForwardOp> ops;
    getOperation()->walk([&](FeedForwardOp op) { ops.push_back(op); });
    IRRewriter rewriter(&getContext());
    for (FeedForwardOp op : ops) {
      rewriter.setInsertionPoint(op);
      pack(rewriter, op, *target);
      ++numPacked;
    }
  }

private:
  void pack(IRRewriter &b, FeedForwardOp op, const CpuTarget &target) {
    Location loc = op.getLoc();
    Type element = op.getAccumulatorType();
    int64_t width = target.tileColumns(element.getIntOrFloatBitWidth());
    auto panels = [&](Value matrix, AffineMap map, unsigned column) -> Value {
      if (!matrix)
        return {};
      auto type = cast<RankedTensorType>(matrix.getType());
      unsigned at =
          *map.getResultPosition(getAffineDimExpr(column, b.getContext()));
      return packPanels(b, loc,
                        {matrix, type.getDimSize(at), type.getDimSize(1 - at),
                         /*isDepthFirst=*/at == 1},
                        element, target);
    };
    auto converted = [&](Value tensor) {
      return tensor ? castTensor(b, loc, tensor, element) : tensor;
    };
    using Op = FeedForwardOp;
    Value up = panels(op.getUp(), op.getUpMap(), Op::kHidden);
    Value gate = panels(op.getGate(), op.getGateMap(), Op::kHidden);
    Value down = panels(op.getDown(), op.getDownMap(), Op::kOutput);
    Type type = getElementTypeOrSelf(op.getOutput().getType());
    Value output = op.getOutput();
    if (type != element)
      output = tensor::EmptyOp::create(
          b, loc, tensor::getMixedSizes(b, loc, output), element);
    auto packed = PackedFeedForwardOp::create(
        b, loc, output.getType(), op.getActivation(), converted(op.getInput()),
        up, converted(op.getUpBias()), gate, converted(op.getGateBias()), down,
        converted(op.getDownBias()), output, op.getRows().value_or(rows),
        llvm::alignTo(hiddenTile, width));
    b.replaceOp(op, castTensor(b, loc, packed->getResult(0), type));
  }
};
} // namespace
