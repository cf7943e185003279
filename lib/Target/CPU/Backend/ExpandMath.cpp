//===- ExpandMath.cpp - transcendental functions become polynomials -------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-cpu-expand-math: upstream's polynomials for f32, and narrow
// types by way of f32.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Backend/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Approximation.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

#define DEBUG_TYPE "attn-cpu-expand-math"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNCPUEXPANDMATHPASS
#include "attn/Target/CPU/Backend/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {

/// Functions that one instruction, or a few, compute on f32.
constexpr llvm::StringLiteral kNative[] = {
    "math.absf",  "math.ceil",      "math.copysign", "math.floor",
    "math.fma",   "math.roundeven", "math.rsqrt",    "math.sqrt",
    "math.trunc", "math.isnan",     "math.isinf",    "math.isfinite",
    "math.round", "math.absi",      "math.isnormal"};

struct ExpandMath : attn::impl::AttnCPUExpandMathPassBase<ExpandMath> {
  void runOnOperation() override;
};

/// math.FUNCTION on f16 or bf16, computed in f32.
struct WidenFunction : RewritePattern {
  explicit WidenFunction(MLIRContext *context)
      : RewritePattern(MatchAnyOpTypeTag(), /*benefit=*/10, context) {}

  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    if (!isa_and_nonnull<math::MathDialect>(op->getDialect()) ||
        op->getNumResults() != 1)
      return rewriter.notifyMatchFailure(op, "expected a function");
    Type type = op->getResult(0).getType();
    Type element = getElementTypeOrSelf(type);
    if (!isa<FloatType>(element) || element.getIntOrFloatBitWidth() >= 32)
      return rewriter.notifyMatchFailure(op, "expected a narrow type");
    auto widen = [&](Type narrow) -> Type {
      if (auto shaped = dyn_cast<ShapedType>(narrow))
        return shaped.clone(rewriter.getF32Type());
      return rewriter.getF32Type();
    };
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      if (getElementTypeOrSelf(operand.getType()) == element)
        operand = arith::ExtFOp::create(rewriter, op->getLoc(),
                                        widen(operand.getType()), operand);
      operands.push_back(operand);
    }
    Operation *wide =
        rewriter.create(op->getLoc(), op->getName().getIdentifier(), operands,
                        widen(type), op->getAttrs());
    rewriter.replaceOpWithNewOp<arith::TruncFOp>(op, type, wide->getResult(0));
    return success();
  }
};

} // namespace

void ExpandMath::runOnOperation() {
  auto count = [&] {
    int64_t functions = 0;
    getOperation()->walk([&](Operation *op) {
      functions += isa_and_nonnull<math::MathDialect>(op->getDialect()) &&
                   !llvm::is_contained(kNative, op->getName().getStringRef());
    });
    return functions;
  };
  int64_t before = count();
  RewritePatternSet patterns(&getContext());
  patterns.add<WidenFunction>(&getContext());
  math::populateExpansionPatterns(patterns, {"fpowi"});
  populateMathPolynomialApproximationPatterns(patterns, [](StringRef name) {
    return !llvm::is_contained(kNative, name);
  });
  if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
    return signalPassFailure();
  numExpanded += before - count();
}
