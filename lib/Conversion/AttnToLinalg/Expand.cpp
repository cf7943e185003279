//===- Expand.cpp - operations whose meaning is also their lowering -------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pass attn-expand: positions and memories become linalg before attention is
// tiled, so that they are fused and vectorised like the rest of a model.
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

#define DEBUG_TYPE "attn-expand"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNEXPANDPASS
#include "attn/Conversion/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

std::optional<SmallVector<Value>>
mlir::attn::decomposeExpandable(OpBuilder &builder, Operation *op) {
  using Result = std::optional<SmallVector<Value>>;
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case([&](RotaryOp one) { return decomposeRotary(builder, one); })
      .Case([&](SinusoidOp one) { return decomposeSinusoid(builder, one); })
      .Case([&](AlibiOp one) { return decomposeAlibi(builder, one); })
      .Case([&](BucketBiasOp one) { return decomposeBucketBias(builder, one); })
      .Case([&](CompressOp one) { return decomposeCompress(builder, one); })
      .Case([&](UpdateMemoryOp one) {
        return decomposeUpdateMemory(builder, one);
      })
      .Default([](Operation *) { return std::nullopt; });
}

namespace {
struct ExpandPass : attn::impl::AttnExpandPassBase<ExpandPass> {
  void runOnOperation() override {
    SmallVector<Operation *> ops;
    getOperation()->walk([&](Operation *op) {
      if (op->getDialect() && isa<AttnDialect>(op->getDialect()))
        ops.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    for (Operation *op : ops) {
      rewriter.setInsertionPoint(op);
      if (auto results = decomposeExpandable(rewriter, op)) {
        rewriter.replaceOp(op, *results);
        ++numExpanded;
      }
    }
  }
};
} // namespace
