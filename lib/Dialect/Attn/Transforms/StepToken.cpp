//===- StepToken.cpp - the step of one position ---------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Part of the pass attn-build-steps. A length of 1 that is known makes matrices
// of what would be a batch of them, lets attention read its cache once, and
// turns linear attention into one update of its state.
//
//===----------------------------------------------------------------------===//

#include "StepBuilder.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace mlir::attn;

using D = AttentionOp::Dim;

/// The type with 1 for what is dynamic.
static RankedTensorType withOnes(RankedTensorType type) {
  SmallVector<int64_t> shape(type.getShape());
  llvm::replace(shape, ShapedType::kDynamic, int64_t(1));
  return type.clone(shape);
}

void mlir::attn::settleResults(func::FuncOp function) {
  Operation *terminator = function.front().getTerminator();
  for (OpOperand &operand : terminator->getOpOperands())
    while (auto cast = operand.get().getDefiningOp<tensor::CastOp>()) {
      auto source = dyn_cast<RankedTensorType>(cast.getSource().getType());
      auto target = dyn_cast<RankedTensorType>(cast.getType());
      if (!source || !target ||
          source.getNumDynamicDims() > target.getNumDynamicDims())
        break;
      operand.set(cast.getSource());
    }
  function.setFunctionType(FunctionType::get(function.getContext(),
                                             function.getArgumentTypes(),
                                             terminator->getOperandTypes()));
}

void mlir::attn::setLengthsToOne(func::FuncOp function) {
  auto b = OpBuilder::atBlockBegin(&function.front());
  for (BlockArgument argument : function.getArguments()) {
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type || type.hasStaticShape())
      continue;
    argument.setType(withOnes(type));
    auto cast = tensor::CastOp::create(b, argument.getLoc(), type, argument);
    argument.replaceAllUsesExcept(cast, cast);
  }
  function.setFunctionType(FunctionType::get(
      function.getContext(), function.front().getArgumentTypes(),
      function.getResultTypes()));
}

namespace {
/// Where an extent of 1 is known, what a dynamic broadcast copies is what is
/// there.
struct DropCopies : OpRewritePattern<linalg::GenericOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(linalg::GenericOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getNumDpsInputs() != 0 || op->getNumResults() != 1 ||
        op.getNumLoops() != op.getNumParallelLoops() ||
        !op.getIndexingMapsArray().front().isIdentity())
      return rewriter.notifyMatchFailure(op, "not a copy by index");
    auto yield = cast<linalg::YieldOp>(op.getBody()->getTerminator());
    auto extract = yield.getValues()[0].getDefiningOp<tensor::ExtractOp>();
    auto type = dyn_cast<RankedTensorType>(op.getResult(0).getType());
    if (!extract || extract->getParentOp() != op || !type ||
        !type.hasStaticShape() || extract.getTensor().getType() != type)
      return rewriter.notifyMatchFailure(op, "not of one static type");
    for (auto [dim, index] : llvm::enumerate(extract.getIndices())) {
      auto own = index.getDefiningOp<linalg::IndexOp>();
      bool isOwn = own && own.getDim() == dim;
      if (!isOwn &&
          (type.getDimSize(dim) != 1 || getConstantIntValue(index) != 0))
        return rewriter.notifyMatchFailure(op, "reads other elements");
    }
    rewriter.replaceOp(op, extract.getTensor());
    return success();
  }
};

/// Extents of 1 with those that follow, or the last that came before.
SmallVector<ReassociationIndices> groupOnes(ArrayRef<int64_t> shape) {
  SmallVector<ReassociationIndices> groups(1);
  bool hasExtent = false;
  for (auto [dim, extent] : llvm::enumerate(shape)) {
    if (extent != 1 && hasExtent)
      groups.emplace_back();
    hasExtent |= extent != 1;
    groups.back().push_back(dim);
  }
  return groups;
}

/// Moving extents of 1 moves nothing.
struct ReshapeOnes : OpRewritePattern<linalg::TransposeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(linalg::TransposeOp op,
                                PatternRewriter &rewriter) const override {
    auto source = dyn_cast<RankedTensorType>(op.getInput().getType()),
         target = dyn_cast<RankedTensorType>(op.getInit().getType());
    if (!source || !target || !source.hasStaticShape())
      return rewriter.notifyMatchFailure(op, "extents are not known");
    SmallVector<int64_t> moved =
        llvm::filter_to_vector(op.getPermutation(), [&](int64_t dim) {
          return source.getDimSize(dim) != 1;
        });
    if (moved.empty() || !llvm::is_sorted(moved) ||
        static_cast<int64_t>(moved.size()) == source.getRank())
      return rewriter.notifyMatchFailure(op, "more than extents of 1 move");
    Value flat = tensor::CollapseShapeOp::create(
        rewriter, op.getLoc(), op.getInput(), groupOnes(source.getShape()));
    rewriter.replaceOpWithNewOp<tensor::ExpandShapeOp>(
        op, target, flat, groupOnes(target.getShape()));
    return success();
  }
};
} // namespace

void mlir::attn::populateTokenPatterns(RewritePatternSet &patterns) {
  patterns.add<DropCopies, ReshapeOnes>(patterns.getContext());
}

namespace {
/// An operand of linear attention without its only position.
struct Flat {
  Value value;
  SmallVector<ReassociationIndices> groups;
};
} // namespace

/// Leaves out the dimension of positions of an operand whose others are batch
/// and head, where there are any, and the size, in this order.
static std::optional<Flat> dropPosition(OpBuilder &b, Value value,
                                        AffineMap map, ArrayRef<unsigned> outer,
                                        unsigned position, unsigned size) {
  SmallVector<unsigned> wanted(outer), dims;
  wanted.push_back(size);
  Flat flat;
  ReassociationIndices group;
  for (auto [number, expr] : llvm::enumerate(map.getResults())) {
    group.push_back(number);
    unsigned dim = AttentionOp::getDimOf(expr);
    if (dim == position)
      continue;
    dims.push_back(dim);
    flat.groups.push_back(group);
    group.clear();
  }
  if (dims != wanted)
    return std::nullopt;
  llvm::append_range(flat.groups.back(), group); // the position comes last
  flat.value =
      tensor::CollapseShapeOp::create(b, value.getLoc(), value, flat.groups);
  return flat;
}

/// The update of a state by one position; none if operands are not laid out for
/// it.
LinearStepOp StepBuilder::buildToken(LinearAttentionOp op, ValueRange state) {
  if (op.getStaticExtent(D::kQuery) != 1 || op.getStaticExtent(D::kKey) != 1)
    return nullptr;
  SmallVector<unsigned> outer;
  for (unsigned dim : {D::kBatch, D::kHead})
    if (op.getOutputMap().isFunctionOfDim(dim))
      outer.push_back(dim);
  bool hasHeads = llvm::is_contained(outer, unsigned(D::kHead));
  if (op.getProjection() && !hasHeads &&
      cast<ShapedType>(op.getProjection().getType()).getRank() == 3)
    return nullptr;
  auto drop = [&](Value value, AffineMap map, unsigned position,
                  unsigned size) {
    return dropPosition(b, value, map, outer, position, size);
  };
  std::optional<Flat> query = drop(op.getQuery(), op.getQueryMap(), D::kQuery,
                                   D::kHeadSize),
                      key = drop(op.getKey(), op.getKeyMap(), D::kKey,
                                 D::kHeadSize),
                      value = drop(op.getValue(), op.getValueMap(), D::kKey,
                                   D::kValueSize),
                      output = drop(op.getOutput(), op.getOutputMap(),
                                    D::kQuery, D::kValueSize);
  if (!query || !key || !value || !output)
    return nullptr;
  SmallVector<Type> types{output->value.getType()};
  llvm::append_range(types, state.getTypes());
  auto attribute = [&](double number) { return b.getF64FloatAttr(number); };
  auto made = LinearStepOp::create(
      b, loc, types, op.getFeatureMapAttr(), query->value, key->value,
      value->value, op.getProjection(), /*key_valid=*/Value(), state,
      output->value, state, attribute(op.getEffectiveScale()),
      attribute(op.getEffectiveFeatureEps()),
      attribute(op.getEffectiveDenominatorEps()));
  made.getFeature().takeBody(op.getFeature());
  auto whole = tensor::ExpandShapeOp::create(
      b, loc, cast<RankedTensorType>(op.getResult(0).getType()),
      made->getResult(0), output->groups);
  op.getResult(0).replaceAllUsesWith(whole);
  return made;
}
