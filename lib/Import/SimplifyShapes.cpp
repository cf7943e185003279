//===- SimplifyShapes.cpp - computed shapes as reshapes -------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Exporters write dynamic shapes defensively: sizes that may be -1, reshapes to
// computed extents, broadcasts that test each extent for 1. What the extents
// prove is made plain here.
//
//===----------------------------------------------------------------------===//

#include "Patterns.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
/// Comparisons of extents: none is negative, equal products are equal.
struct FoldExtentCompare : OpRewritePattern<arith::CmpIOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::CmpIOp op,
                                PatternRewriter &rewriter) const override {
    if (!op.getLhs().getType().isIntOrIndex() ||
        op.getLhs().getType().isInteger(1))
      return failure();
    std::optional<bool> result = decide(op);
    if (!result)
      return failure();
    rewriter.replaceOpWithNewOp<arith::ConstantOp>(
        op, rewriter.getBoolAttr(*result));
    return success();
  }

private:
  static std::optional<bool> decide(arith::CmpIOp op) {
    using P = arith::CmpIPredicate;
    P predicate = op.getPredicate();
    Extent lhs = getExtent(op.getLhs()), rhs = getExtent(op.getRhs());
    if (lhs == rhs) {
      if (llvm::is_contained({P::eq, P::sle, P::sge, P::ule, P::uge},
                             predicate))
        return true;
      return false;
    }
    if (!lhs.isNonNegative() || lhs.atoms.empty() || !rhs.atoms.empty() ||
        rhs.factor > 0)
      return std::nullopt;
    bool zero = rhs.factor == 0;
    if (predicate == P::sge || (predicate == P::sgt && !zero) ||
        (predicate == P::ne && !zero))
      return true;
    if (predicate == P::slt || (predicate == P::sle && !zero) ||
        (predicate == P::eq && !zero))
      return false;
    return std::nullopt;
  }
};

/// Divisions of extents that come out even.
struct FoldExtentDivision : OpRewritePattern<arith::DivSIOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::DivSIOp op,
                                PatternRewriter &rewriter) const override {
    auto exact = divide(getExtent(op.getLhs()), getExtent(op.getRhs()));
    if (!exact || exact->atoms.size() > 2 ||
        !getExtent(op.getLhs()).isNonNegative())
      return failure();
    Location loc = op.getLoc();
    Type type = op.getType();
    Value result;
    auto times = [&](Value value) {
      if (value.getType() != type)
        value = arith::IndexCastOp::create(rewriter, loc, type, value);
      result =
          result ? arith::MulIOp::create(rewriter, loc, result, value) : value;
    };
    for (auto [value, dim] : exact->atoms)
      times(dim < 0 ? value : tensor::DimOp::create(rewriter, loc, value, dim));
    if (exact->factor != 1 || !result)
      times(arith::ConstantOp::create(
          rewriter, loc, rewriter.getIntegerAttr(type, exact->factor)));
    rewriter.replaceOp(op, result);
    return success();
  }
};

struct EraseProvenAssert : OpRewritePattern<cf::AssertOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(cf::AssertOp op,
                                PatternRewriter &rewriter) const override {
    if (!matchPattern(op.getArg(), m_One()))
      return failure();
    rewriter.eraseOp(op);
    return success();
  }
};

/// tensor.reshape as a collapse of groups of dimensions, then an expansion.
struct ExpandReshape : OpRewritePattern<tensor::ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tensor::ReshapeOp op,
                                PatternRewriter &rewriter) const override {
    auto shape = op.getShape().getDefiningOp<tensor::FromElementsOp>();
    auto source = dyn_cast<RankedTensorType>(op.getSource().getType());
    auto result = dyn_cast<RankedTensorType>(op.getType());
    if (!shape || !source || !result || source.getRank() == 0 ||
        result.getRank() == 0)
      return failure();
    SmallVector<Extent> from, to;
    for (int64_t dim = 0; dim < source.getRank(); ++dim)
      from.push_back(getExtent(op.getSource(), dim));
    for (auto [dim, element] : llvm::enumerate(shape.getElements()))
      to.push_back(result.isDynamicDim(dim)
                       ? getExtent(element)
                       : Extent{result.getDimSize(dim), {}});
    SmallVector<ReassociationIndices> collapse, expand;
    if (!group(from, to, collapse, expand))
      return rewriter.notifyMatchFailure(op, "extents do not line up");
    Location loc = op.getLoc();
    Value value = op.getSource();
    if (collapse.size() != from.size())
      value = tensor::CollapseShapeOp::create(rewriter, loc, value, collapse);
    if (expand.size() != to.size()) {
      SmallVector<OpFoldResult> sizes;
      for (auto [dim, element] : llvm::enumerate(shape.getElements())) {
        if (!result.isDynamicDim(dim)) {
          sizes.push_back(rewriter.getIndexAttr(result.getDimSize(dim)));
          continue;
        }
        Value size = element;
        if (!size.getType().isIndex())
          size = arith::IndexCastOp::create(rewriter, loc,
                                            rewriter.getIndexType(), size);
        sizes.push_back(size);
      }
      value = tensor::ExpandShapeOp::create(rewriter, loc, result, value,
                                            expand, sizes);
    }
    if (value.getType() != result)
      value = tensor::CastOp::create(rewriter, loc, result, value);
    rewriter.replaceOp(op, value);
    return success();
  }

private:
  /// Pairs groups of source dimensions with groups of result dimensions of the
  /// same product. In the last pair only one unknown may be left on a side: the
  /// element counts of a reshape are equal.
  static bool group(ArrayRef<Extent> from, ArrayRef<Extent> to,
                    SmallVectorImpl<ReassociationIndices> &collapse,
                    SmallVectorImpl<ReassociationIndices> &expand) {
    size_t i = 0, j = 0;
    while (i < from.size() && j < to.size()) {
      ReassociationIndices left{static_cast<int64_t>(i)};
      ReassociationIndices right{static_cast<int64_t>(j)};
      Extent a = from[i++], b = to[j++];
      while (!(a == b)) {
        if (divide(a, b) && j < to.size()) {
          b = multiply(b, to[j]);
          right.push_back(j++);
        } else if (divide(b, a) && i < from.size()) {
          a = multiply(a, from[i]);
          left.push_back(i++);
        } else {
          return false;
        }
      }
      collapse.push_back(left);
      expand.push_back(right);
    }
    for (; i < from.size() && from[i] == Extent(); ++i)
      collapse.back().push_back(i);
    for (; j < to.size() && to[j] == Extent(); ++j)
      expand.back().push_back(j);
    return i == from.size() && j == to.size();
  }
};

/// In the body of a structured operation, `extent == 1 ? 0 : index` of a loop
/// over just that extent: the index is 0 anyway then.
struct FoldBroadcastIndex : OpRewritePattern<arith::SelectOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::SelectOp op,
                                PatternRewriter &rewriter) const override {
    auto index = op.getFalseValue().getDefiningOp<linalg::IndexOp>();
    auto compare = op.getCondition().getDefiningOp<arith::CmpIOp>();
    if (!index || !compare || !matchPattern(op.getTrueValue(), m_Zero()) ||
        compare.getPredicate() != arith::CmpIPredicate::eq ||
        !matchPattern(compare.getRhs(), m_One()))
      return failure();
    auto parent = dyn_cast<linalg::LinalgOp>(index->getParentOp());
    if (!parent || parent.getNumDpsInits() != 1)
      return failure();
    OpOperand *init = parent.getDpsInitOperand(0);
    AffineMap map = parent.getMatchingIndexingMap(init);
    for (auto [dim, expr] : llvm::enumerate(map.getResults()))
      if (expr == rewriter.getAffineDimExpr(index.getDim()) &&
          getExtent(init->get(), dim) == getExtent(compare.getLhs())) {
        rewriter.replaceOp(op, index.getResult());
        return success();
      }
    return failure();
  }
};

/// A generic that only extracts from a tensor at loop indices reads it as an
/// operand instead.
struct ExtractToOperand : OpRewritePattern<linalg::GenericOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(linalg::GenericOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getNumDpsInputs() != 0 || op.getNumDpsInits() != 1 ||
        op.getNumReductionLoops() != 0)
      return failure();
    auto extract = op.getBody()
                       ->getTerminator()
                       ->getOperand(0)
                       .getDefiningOp<tensor::ExtractOp>();
    if (!extract || !op->isProperAncestor(extract) ||
        op->isProperAncestor(
            extract.getTensor().getParentBlock()->getParentOp()))
      return failure();
    for (Operation &inner : op.getBody()->without_terminator())
      if (!isa<linalg::IndexOp>(inner) && &inner != extract)
        return failure();
    SmallVector<AffineExpr> results;
    for (Value index : extract.getIndices()) {
      if (auto loop = index.getDefiningOp<linalg::IndexOp>())
        results.push_back(rewriter.getAffineDimExpr(loop.getDim()));
      else if (matchPattern(index, m_Zero()))
        results.push_back(rewriter.getAffineConstantExpr(0));
      else
        return failure();
    }
    SmallVector<AffineMap> maps{
        AffineMap::get(op.getNumLoops(), 0, results, getContext()),
        op.getMatchingIndexingMap(op.getDpsInitOperand(0))};
    rewriter.setInsertionPoint(op);
    auto copy = linalg::GenericOp::create(
        rewriter, op.getLoc(), op.getResultTypes(),
        ValueRange{extract.getTensor()}, op.getOutputs(), maps,
        op.getIteratorTypesArray(),
        [](OpBuilder &builder, Location loc, ValueRange arguments) {
          linalg::YieldOp::create(builder, loc, arguments[0]);
        });
    rewriter.replaceOp(op, copy.getResults());
    return success();
  }
};
} // namespace

void mlir::attn::populateShapePatterns(RewritePatternSet &patterns) {
  patterns.add<FoldExtentCompare, FoldExtentDivision, EraseProvenAssert,
               ExpandReshape, FoldBroadcastIndex, ExtractToOperand>(
      patterns.getContext());
}
