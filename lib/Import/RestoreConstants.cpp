//===- RestoreConstants.cpp - constants that exporters got wrong ----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A model is what its author's framework computes. Where an exporter is known
// to write another number in one formula, that formula gets the right one.
//
//===----------------------------------------------------------------------===//

#include "Patterns.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;

/// What a number becomes as a constant of a type.
static APFloat asConstant(double number, Type type) {
  APFloat value(number);
  bool isInexact = false;
  value.convert(cast<FloatType>(type).getFloatSemantics(),
                APFloat::rmNearestTiesToEven, &isInexact);
  return value;
}

static bool isConstant(Value value, double number) {
  APFloat found(0.0);
  return matchPattern(value, m_ConstantFloat(&found)) &&
         found.bitwiseIsEqual(asConstant(number, value.getType()));
}

/// The other operand of a product with a constant.
static Value matchScaled(Value value, double factor) {
  auto product = value.getDefiningOp<arith::MulFOp>();
  if (!product)
    return {};
  for (auto [one, other] : {std::pair(product.getLhs(), product.getRhs()),
                            std::pair(product.getRhs(), product.getLhs())})
    if (isConstant(one, factor))
      return other;
  return {};
}

static bool isCube(Value value, Value x) {
  if (auto power = value.getDefiningOp<math::FPowIOp>()) {
    APInt exponent;
    return power.getLhs() == x &&
           matchPattern(power.getRhs(), m_ConstantInt(&exponent)) &&
           exponent == 3;
  }
  if (auto power = value.getDefiningOp<math::PowFOp>())
    return power.getLhs() == x && isConstant(power.getRhs(), 3);
  auto isSquare = [&](Value factor) {
    auto product = factor.getDefiningOp<arith::MulFOp>();
    return product && product.getLhs() == x && product.getRhs() == x;
  };
  auto product = value.getDefiningOp<arith::MulFOp>();
  return product && ((product.getLhs() == x && isSquare(product.getRhs())) ||
                     (product.getRhs() == x && isSquare(product.getLhs())));
}

namespace {
/// tanh(0.797724 (x + 0.044715 x^3)): torch-mlir's square root of 2 / pi, which
/// is 0.797884... in PyTorch, in the paper and in every other exporter.
struct RestoreGelu : OpRewritePattern<math::TanhOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::TanhOp op,
                                PatternRewriter &rewriter) const override {
    constexpr double written = 0.797724;
    const double right = std::sqrt(2 / M_PI);
    auto argument = op.getOperand().getDefiningOp<arith::MulFOp>();
    if (!argument || !isa<FloatType>(op.getType()) ||
        asConstant(written, op.getType())
            .bitwiseIsEqual(asConstant(right, op.getType())))
      return failure();
    Value inner = matchScaled(argument, written);
    auto sum = inner ? inner.getDefiningOp<arith::AddFOp>() : arith::AddFOp();
    if (!sum)
      return failure();
    Value x = sum.getLhs(), scaled = matchScaled(sum.getRhs(), 0.044715);
    if (!scaled)
      x = sum.getRhs(), scaled = matchScaled(sum.getLhs(), 0.044715);
    if (!scaled || !isCube(scaled, x))
      return failure();
    rewriter.setInsertionPoint(argument);
    Value constant = arith::ConstantOp::create(
        rewriter, op.getLoc(),
        rewriter.getFloatAttr(op.getType(), asConstant(right, op.getType())));
    Value product = arith::MulFOp::create(rewriter, argument.getLoc(), inner,
                                          constant, argument.getFastmath());
    rewriter.modifyOpInPlace(op,
                             [&] { op.getOperandMutable().assign(product); });
    return success();
  }
};
} // namespace

void mlir::attn::populateConstantPatterns(RewritePatternSet &patterns) {
  patterns.add<RestoreGelu>(patterns.getContext());
}
