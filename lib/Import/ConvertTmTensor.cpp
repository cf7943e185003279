//===- ConvertTmTensor.cpp - tm_tensor as linalg --------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A scan becomes a reduction over the elements up to each position: quadratic,
// but it has no loop-carried tensor and it is read by the same analyses as
// every other sum. Scans count positions; their inputs are short.
//
//===----------------------------------------------------------------------===//

#include "Patterns.h"

#include "attn/Import/TmTensor.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;

static SmallVector<utils::IteratorType> getIterators(unsigned parallel,
                                                     unsigned reduction) {
  SmallVector<utils::IteratorType> iterators(parallel,
                                             utils::IteratorType::parallel);
  iterators.append(reduction, utils::IteratorType::reduction);
  return iterators;
}

namespace {
struct ConvertScan : OpRewritePattern<tm_tensor::ScanOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tm_tensor::ScanOp op,
                                PatternRewriter &rewriter) const override {
    Block &body = op.getBody().front();
    Operation *combiner = body.getTerminator()->getOperand(0).getDefiningOp();
    std::optional<TypedAttr> neutral;
    if (combiner && combiner->getBlock() == &body &&
        body.getOperations().size() == 2)
      neutral = arith::getNeutralElement(combiner);
    if (!neutral)
      return rewriter.notifyMatchFailure(op, "unknown combination");
    Location loc = op.getLoc();
    int64_t rank = cast<ShapedType>(op.getInputs()[0].getType()).getRank();
    int64_t dimension = op.getDimension();
    Value init = linalg::BroadcastOp::create(rewriter, loc, op.getOutputs()[1],
                                             op.getOutputs()[0], {dimension})
                     ->getResult(0);
    AffineMap output = AffineMap::getMultiDimIdentityMap(rank + 1, getContext())
                           .getMajorSubMap(rank);
    SmallVector<AffineExpr> read(output.getResults());
    read[dimension] = rewriter.getAffineDimExpr(rank);
    AffineMap input = AffineMap::get(rank + 1, 0, read, getContext());
    auto scan = linalg::GenericOp::create(
        rewriter, loc, init.getType(), op.getInputs(), init, {input, output},
        getIterators(rank, 1),
        [&](OpBuilder &builder, Location, ValueRange arguments) {
          Value at = linalg::IndexOp::create(builder, loc, dimension);
          Value from = linalg::IndexOp::create(builder, loc, rank);
          auto predicate = op.getInclusive() ? arith::CmpIPredicate::sle
                                             : arith::CmpIPredicate::slt;
          Value within =
              arith::CmpIOp::create(builder, loc, predicate, from, at);
          Value other = arith::ConstantOp::create(builder, loc, *neutral);
          Value element = arith::SelectOp::create(builder, loc, within,
                                                  arguments[0], other);
          yieldCombined(builder, op, element, arguments[1]);
        });
    SmallVector<AffineExpr> kept;
    for (int64_t dim = 0; dim < rank; ++dim)
      if (dim != dimension)
        kept.push_back(rewriter.getAffineDimExpr(dim));
    auto iterators = getIterators(rank, 0);
    iterators[dimension] = utils::IteratorType::reduction;
    auto last = linalg::GenericOp::create(
        rewriter, loc, op.getOutputs()[1].getType(), op.getInputs(),
        op.getOutputs()[1],
        {AffineMap::getMultiDimIdentityMap(rank, getContext()),
         AffineMap::get(rank, 0, kept, getContext())},
        iterators, [&](OpBuilder &builder, Location, ValueRange arguments) {
          yieldCombined(builder, op, arguments[0], arguments[1]);
        });
    rewriter.replaceOp(op, {scan.getResult(0), last.getResult(0)});
    return success();
  }

private:
  static void yieldCombined(OpBuilder &builder, tm_tensor::ScanOp op,
                            Value element, Value accumulator) {
    Block &body = op.getBody().front();
    IRMapping mapping;
    mapping.map(body.getArgument(0), element);
    mapping.map(body.getArgument(1), accumulator);
    Operation *combined = builder.clone(body.front(), mapping);
    linalg::YieldOp::create(builder, op.getLoc(), combined->getResult(0));
  }
};

/// Attention with the sums in f32 (f64 for f64).
struct ConvertAttention : OpRewritePattern<tm_tensor::AttentionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tm_tensor::AttentionOp op,
                                PatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value query = op.getInputs()[0], key = op.getInputs()[1];
    Value value = op.getInputs()[2];
    auto type = cast<RankedTensorType>(query.getType());
    if (!isa<FloatType>(type.getElementType()) || type.isDynamicDim(2))
      return rewriter.notifyMatchFailure(
          op, "expected floating point and a static head size");
    Type accumulator = type.getElementType().isF64() ? rewriter.getF64Type()
                                                     : rewriter.getF32Type();
    double scale = op.getScale() ? op.getScale()->convertToDouble()
                                 : 1 / std::sqrt(double(type.getDimSize(2)));
    Value scores = product(rewriter, loc, query, key, accumulator, true);
    scores =
        finishScores(rewriter, loc, scores, scale,
                     op.getInputs().size() == 4 ? op.getInputs()[3] : Value());
    Value init = tensor::EmptyOp::create(
        rewriter, loc, tensor::getMixedSizes(rewriter, loc, scores),
        accumulator);
    Value weights = linalg::SoftmaxOp::create(rewriter, loc, init.getType(),
                                              scores, init, 2)
                        .getResult()[0];
    Value sum = product(rewriter, loc, weights, value, accumulator, false);
    Value output = op.getOutputs()[0];
    if (sum.getType() != output.getType()) {
      auto identity = rewriter.getMultiDimIdentityMap(3);
      sum = linalg::GenericOp::create(
                rewriter, loc, output.getType(), sum, output,
                {identity, identity}, getIterators(3, 0),
                [&](OpBuilder &builder, Location, ValueRange arguments) {
                  Value converted = convert(builder, loc, arguments[0],
                                            arguments[1].getType());
                  linalg::YieldOp::create(builder, loc, converted);
                })
                .getResult(0);
    }
    rewriter.replaceOp(op, sum);
    return success();
  }

private:
  static Value convert(OpBuilder &builder, Location loc, Value value,
                       Type type) {
    unsigned from = value.getType().getIntOrFloatBitWidth();
    unsigned to = type.getIntOrFloatBitWidth();
    if (from < to)
      return arith::ExtFOp::create(builder, loc, type, value);
    if (from > to)
      return arith::TruncFOp::create(builder, loc, type, value);
    return value;
  }

  /// (b, m, k) times (b, k, n), or times (b, n, k) if transposed.
  static Value product(PatternRewriter &rewriter, Location loc, Value lhs,
                       Value rhs, Type accumulator, bool transposed) {
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(rewriter, loc, lhs);
    sizes[2] = tensor::getMixedSize(rewriter, loc, rhs, transposed ? 1 : 2);
    Value empty = tensor::EmptyOp::create(rewriter, loc, sizes, accumulator);
    Value zero = arith::ConstantOp::create(
        rewriter, loc, rewriter.getFloatAttr(accumulator, 0));
    Value init =
        linalg::FillOp::create(rewriter, loc, zero, empty).getResult(0);
    AffineExpr b, m, n, k;
    bindDims(rewriter.getContext(), b, m, n, k);
    auto right = transposed ? SmallVector<AffineExpr>{b, n, k}
                            : SmallVector<AffineExpr>{b, k, n};
    auto maps = AffineMap::inferFromExprList({{b, m, k}, right, {b, m, n}},
                                             rewriter.getContext());
    return linalg::GenericOp::create(
               rewriter, loc, init.getType(), ValueRange{lhs, rhs}, init, maps,
               getIterators(3, 1),
               [&](OpBuilder &builder, Location, ValueRange arguments) {
                 Value a = convert(builder, loc, arguments[0], accumulator);
                 Value c = convert(builder, loc, arguments[1], accumulator);
                 Value term = arith::MulFOp::create(builder, loc, a, c);
                 Value next =
                     arith::AddFOp::create(builder, loc, arguments[2], term);
                 linalg::YieldOp::create(builder, loc, next);
               })
        .getResult(0);
  }

  /// Scaled, and masked: a mask of i1 says what may be seen.
  static Value finishScores(PatternRewriter &rewriter, Location loc,
                            Value scores, double scale, Value mask) {
    auto type = cast<RankedTensorType>(scores.getType());
    Type element = type.getElementType();
    SmallVector<Value> inputs{scores};
    if (mask)
      inputs.push_back(mask);
    SmallVector<AffineMap> maps(inputs.size() + 1,
                                rewriter.getMultiDimIdentityMap(3));
    Value init = tensor::EmptyOp::create(
        rewriter, loc, tensor::getMixedSizes(rewriter, loc, scores), element);
    return linalg::GenericOp::create(
               rewriter, loc, type, inputs, init, maps, getIterators(3, 0),
               [&](OpBuilder &builder, Location, ValueRange arguments) {
                 auto constant = [&](double value) -> Value {
                   return arith::ConstantOp::create(
                       builder, loc, builder.getFloatAttr(element, value));
                 };
                 Value score = arith::MulFOp::create(builder, loc, arguments[0],
                                                     constant(scale));
                 if (mask && arguments[1].getType().isInteger(1))
                   score = arith::SelectOp::create(
                       builder, loc, arguments[1], score,
                       constant(-std::numeric_limits<double>::infinity()));
                 else if (mask)
                   score = arith::AddFOp::create(
                       builder, loc, score,
                       convert(builder, loc, arguments[1], element));
                 linalg::YieldOp::create(builder, loc, score);
               })
        .getResult(0);
  }
};
} // namespace

void mlir::attn::populateTmTensorPatterns(RewritePatternSet &patterns) {
  patterns.add<ConvertScan, ConvertAttention>(patterns.getContext());
}
