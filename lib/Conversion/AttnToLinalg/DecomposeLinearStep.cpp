//===- DecomposeLinearStep.cpp - one token as a sequence ------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The meaning of attn.linear_step: causal attn.linear_attention over a sequence
// of one token, whose position is an extent of 1 before the size.
//
//===----------------------------------------------------------------------===//

#include "Decompositions.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
using D = AttentionOp::Dim;

class StepExpander {
public:
  StepExpander(OpBuilder &b, LinearStepOp op)
      : b(b), loc(op.getLoc()), op(op) {}
  SmallVector<Value> build();

private:
  Attribute mapOf(unsigned position, unsigned size, bool isShared);
  Value addPosition(Value value, int64_t at);

  OpBuilder &b;
  Location loc;
  LinearStepOp op;
};

/// Dimensions of a tensor with an extent of 1 put in at `at`, grouped by the
/// dimensions of the tensor without.
SmallVector<ReassociationIndices> groupsAround(int64_t rank, int64_t at) {
  SmallVector<ReassociationIndices> groups;
  for (int64_t own = 0, next = 0; own < rank; ++own) {
    ReassociationIndices group;
    if (next == at)
      group.push_back(next++);
    group.push_back(next++);
    if (own + 1 == rank && next == at)
      group.push_back(next++);
    groups.push_back(group);
  }
  return groups;
}
} // namespace

Value StepExpander::addPosition(Value value, int64_t at) {
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape.insert(shape.begin() + at, 1);
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, value);
  sizes.insert(sizes.begin() + at, b.getIndexAttr(1));
  return tensor::ExpandShapeOp::create(
      b, loc, RankedTensorType::get(shape, type.getElementType()), value,
      groupsAround(type.getRank(), at), sizes);
}

/// Over (b, h, i, j, d, e): what operands have of batch and heads, then the
/// position and the size.
Attribute StepExpander::mapOf(unsigned position, unsigned size, bool isShared) {
  SmallVector<AffineExpr> results;
  if (op.hasBatch())
    results.push_back(b.getAffineDimExpr(D::kBatch));
  if (op.hasHeads()) {
    AffineExpr head = b.getAffineDimExpr(D::kHead);
    bool isDivided = isShared && op.getGroupSize() > 1;
    results.push_back(isDivided ? head.floorDiv(op.getGroupSize()) : head);
  }
  results.push_back(b.getAffineDimExpr(position));
  results.push_back(b.getAffineDimExpr(size));
  return AffineMapAttr::get(
      AffineMap::get(D::kNumDims, 0, results, b.getContext()));
}

SmallVector<Value> StepExpander::build() {
  int64_t rank = op.getQueryType().getRank(), at = rank - 1;
  SmallVector<Attribute> maps{mapOf(D::kQuery, D::kHeadSize, false),
                              mapOf(D::kKey, D::kHeadSize, true),
                              mapOf(D::kKey, D::kValueSize, true)};
  Value valid;
  if (op.getKeyValid()) {
    valid = addPosition(op.getKeyValid(), op.hasBatch() ? 1 : 0);
    SmallVector<AffineExpr> results{b.getAffineDimExpr(D::kKey)};
    if (op.hasBatch())
      results.insert(results.begin(), b.getAffineDimExpr(D::kBatch));
    maps.push_back(AffineMapAttr::get(
        AffineMap::get(D::kNumDims, 0, results, b.getContext())));
  }
  maps.push_back(mapOf(D::kQuery, D::kValueSize, false));
  Value output = addPosition(op.getOutput(), at);
  SmallVector<Type> types{output.getType()};
  llvm::append_range(types, op.getFinal().getTypes());
  auto number = [&](double value) { return b.getF64FloatAttr(value); };
  auto made = LinearAttentionOp::create(
      b, loc, types, op.getFeatureMapAttr(), addPosition(op.getQuery(), at),
      addPosition(op.getKey(), at), addPosition(op.getValue(), at),
      op.getProjection(), valid, op.getInitial(), output, op.getFinal(),
      b.getArrayAttr(maps),
      AlignmentAttr::get(b.getContext(), Alignment::TopLeft),
      number(op.getEffectiveScale()), number(op.getEffectiveFeatureEps()),
      number(op.getEffectiveDenominatorEps()), b.getI64IntegerAttr(1));
  IRMapping mapping;
  op.getFeature().cloneInto(&made.getFeature(), mapping);
  SmallVector<Value> results = decomposeLinear(b, made);
  made.erase();
  results[0] = tensor::CollapseShapeOp::create(
      b, loc, cast<RankedTensorType>(op.getOutput().getType()), results[0],
      groupsAround(rank, at));
  return results;
}

SmallVector<Value> mlir::attn::decomposeLinearStep(OpBuilder &builder,
                                                   LinearStepOp op) {
  return StepExpander(builder, op).build();
}
