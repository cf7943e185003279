//===- CollapseElementwise.cpp - elementwise code between reshapes --------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Exporters expand the rows of one product to batch and length, apply a
// function and collapse them again for the next. With a dynamic length the way
// there and back is a division by it; the function can as well take the rows.
//
//===----------------------------------------------------------------------===//

#include "Patterns.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
/// collapse(f(expand(x), ...)) as f(x, ...), for trees of such functions.
struct CollapseElementwise : OpRewritePattern<tensor::CollapseShapeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tensor::CollapseShapeOp op,
                                PatternRewriter &rewriter) const override {
    auto type = cast<RankedTensorType>(op.getResult().getType());
    if (type.hasStaticShape() ||
        !op.getSrc().getDefiningOp<linalg::GenericOp>() ||
        !isCollapsible(op.getSrc(), op.getReassociationIndices(), 0))
      return failure();
    rewriter.replaceOp(op, collapse(rewriter, op.getSrc(), type));
    return success();
  }

private:
  /// Functions in a row; beyond, it is a program of its own.
  static constexpr unsigned kMostDepth = 16;

  /// Whether a value is a function of expanded values, element by element, that
  /// nothing else needs.
  static bool isCollapsible(Value value,
                            ArrayRef<ReassociationIndices> reassociation,
                            unsigned depth) {
    if (auto expand = value.getDefiningOp<tensor::ExpandShapeOp>())
      return llvm::equal(expand.getReassociationIndices(), reassociation);
    auto generic = value.getDefiningOp<linalg::GenericOp>();
    if (!generic || depth == kMostDepth || !value.hasOneUse() ||
        generic->getNumResults() != 1 || generic.getNumDpsInputs() == 0 ||
        generic.getNumParallelLoops() != generic.getNumLoops() ||
        generic.hasIndexSemantics() ||
        !generic.getOutputs()[0].getDefiningOp<tensor::EmptyOp>() ||
        !generic.getRegionOutputArgs()[0].use_empty())
      return false;
    if (!llvm::all_of(generic.getIndexingMapsArray(),
                      [](AffineMap map) { return map.isIdentity(); }))
      return false;
    return llvm::all_of(generic.getInputs(), [&](Value input) {
      return isCollapsible(input, reassociation, depth + 1);
    });
  }

  static Value collapse(PatternRewriter &rewriter, Value value,
                        RankedTensorType type) {
    if (auto expand = value.getDefiningOp<tensor::ExpandShapeOp>())
      return expand.getSrc();
    auto generic = value.getDefiningOp<linalg::GenericOp>();
    SmallVector<Value> inputs;
    for (Value input : generic.getInputs())
      inputs.push_back(collapse(rewriter, input, type));
    Location loc = generic.getLoc();
    Type element = cast<RankedTensorType>(value.getType()).getElementType();
    Value init = tensor::EmptyOp::create(
        rewriter, loc, tensor::getMixedSizes(rewriter, loc, inputs[0]),
        element);
    SmallVector<AffineMap> maps(
        inputs.size() + 1, rewriter.getMultiDimIdentityMap(type.getRank()));
    SmallVector<utils::IteratorType> iterators(type.getRank(),
                                               utils::IteratorType::parallel);
    auto made = linalg::GenericOp::create(rewriter, loc, init.getType(), inputs,
                                          init, maps, iterators);
    rewriter.cloneRegionBefore(generic.getRegion(), made.getRegion(),
                               made.getRegion().begin());
    return made.getResult(0);
  }
};
} // namespace

void mlir::attn::populateCollapsePatterns(RewritePatternSet &patterns) {
  patterns.add<CollapseElementwise>(patterns.getContext());
}
