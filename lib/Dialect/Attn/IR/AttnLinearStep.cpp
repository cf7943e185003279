//===- AttnLinearStep.cpp - attn.linear_step ------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifier and queries of attn.linear_step, on tensors and on memrefs. The
// constraints C1 to C11 are those of its description.
//
//===----------------------------------------------------------------------===//

#include "LinearFeatures.h"
#include "OperandMaps.h"
#include "TileOps.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
using D = AttentionOp::Dim;

ShapedType shapeOf(Value value) { return cast<ShapedType>(value.getType()); }

LinearNumbers numbersOf(LinearStepOp op) {
  return {op.getFeatureMap(),
          op.getStaticExtent(D::kHeadSize),
          op.getProjection() != nullptr,
          /*isOrdered=*/true,
          op.getScale(),
          op.getFeatureEps(),
          op.getDenominatorEps()};
}

/// C1 and C2
LogicalResult verifyLayout(LinearStepOp op) {
  int64_t rank = op.getQueryType().getRank();
  for (Value value :
       {op.getQuery(), op.getKey(), op.getValue(), op.getOutput()})
    if (rank < 1 || rank > 3 || shapeOf(value).getRank() != rank)
      return op.emitOpError() << "expected query, key, value and output of one "
                                 "rank in [1, 3] (C1), got "
                              << value.getType();
  if (op.getKeyValid() &&
      shapeOf(op.getKeyValid()).getRank() != (op.hasBatch() ? 1 : 0))
    return op.emitOpError()
           << "expected key_valid [B] (C1), got " << op.getKeyValid().getType();
  if (rank == 1)
    return success();
  auto headsOf = [&](Value value) {
    return shapeOf(value).getDimSize(rank - 2);
  };
  int64_t heads = headsOf(op.getQuery()), keyHeads = headsOf(op.getKey());
  if (ShapedType::isDynamic(heads) || ShapedType::isDynamic(keyHeads) ||
      keyHeads < 1 || heads % keyHeads != 0 ||
      headsOf(op.getValue()) != keyHeads || headsOf(op.getOutput()) != heads)
    return op.emitOpError()
           << "expected static heads, those of query and output a multiple of "
              "those of key and value (C2), got "
           << op.getQuery().getType() << ", " << op.getKey().getType() << ", "
           << op.getValue().getType() << ", " << op.getOutput().getType();
  return success();
}

LogicalResult verifyExtents(LinearStepOp op) {
  int64_t rank = op.getQueryType().getRank(), batch = ShapedType::kDynamic;
  SmallVector<Value> batched{op.getQuery(), op.getKey(), op.getValue(),
                             op.getOutput()};
  if (op.getKeyValid())
    batched.push_back(op.getKeyValid());
  for (Value value : batched) {
    int64_t own = rank == 3 ? shapeOf(value).getDimSize(0) : 1;
    if (ShapedType::isDynamic(own))
      continue;
    if (!ShapedType::isDynamic(batch) && own != batch)
      return op.emitOpError() << "expected a batch of " << batch
                              << " in all operands (C3), got " << own;
    batch = own;
  }
  auto sizeOf = [&](Value value) { return shapeOf(value).getShape().back(); };
  for (auto [name, first, second] :
       {std::tuple("D", op.getQuery(), op.getKey()),
        std::tuple("E", op.getValue(), op.getOutput())}) {
    int64_t size = sizeOf(first);
    if (size != sizeOf(second) || size < 1 || size > kMaxLinearHeadSize)
      return op.emitOpError() << "expected one static extent of " << name
                              << " in [1, 1024] (C3), got " << first.getType()
                              << " and " << second.getType();
  }
  return success();
}
} // namespace

LogicalResult LinearStepOp::verify() {
  FloatType accumulator = getAccumulatorType();
  if (failed(verifyLayout(*this)) || failed(verifyExtents(*this)) ||
      failed(verifyElementTypes(*this,
                                {getQuery(), getKey(), getValue(), getOutput()},
                                /*lse=*/nullptr, getKeyValid(), "C4")) ||
      failed(verifyLinearFeatures(getOperation(), getFeatureMap(),
                                  getProjection(), getFeature(), accumulator,
                                  hasHeads() ? getStaticExtent(Dim::kHead) : 0,
                                  getStaticExtent(Dim::kHeadSize))) ||
      failed(numbersOf(*this).verify(getOperation())))
    return failure();
  ArrayRef<int64_t> outer = shapeOf(getOutput()).getShape().drop_back();
  for (auto [name, state] : {std::pair(StringRef("state"), getInitial()),
                             std::pair(StringRef("final"), getFinal())})
    if (failed(verifyLinearState(
            getOperation(), name, state, outer, getNumFeatures(),
            getStaticExtent(Dim::kValueSize), hasSoftmaxMap(), accumulator)))
      return failure();
  return verifyTileResults(*this, "C11");
}

LogicalResult
LinearStepOp::reifyResultShapes(OpBuilder &builder,
                                ReifiedRankedShapedTypeDims &shapes) {
  for (Value init : getDpsInits())
    shapes.push_back(tensor::getMixedSizes(builder, getLoc(), init));
  return success();
}

void LinearStepOp::getEffects(TileEffects &effects) {
  addTileEffects(*this, /*readsInits=*/false, effects);
}

Speculation::Speculatability LinearStepOp::getSpeculatability() {
  return getTileSpeculatability(*this);
}

int64_t LinearStepOp::getStaticExtent(Dim dim) {
  ArrayRef<int64_t> shape = getQueryType().getShape();
  switch (dim) {
  case Dim::kBatch:
    return hasBatch() ? shape[0] : 1;
  case Dim::kHead:
    return hasHeads() ? shape[shape.size() - 2] : 1;
  case Dim::kHeadSize:
    return shape.back();
  case Dim::kValueSize:
    return shapeOf(getValue()).getShape().back();
  default:
    return 1;
  }
}

int64_t LinearStepOp::getGroupSize() {
  if (!hasHeads())
    return 1;
  int64_t rank = getQueryType().getRank();
  return getQueryType().getDimSize(rank - 2) /
         shapeOf(getKey()).getDimSize(rank - 2);
}

FloatType LinearStepOp::getAccumulatorType() { return getSumType(getQuery()); }

int64_t LinearStepOp::getNumFeatures() {
  return countFeatures(getFeatureMap(), getProjection(),
                       getStaticExtent(Dim::kHeadSize));
}

double LinearStepOp::getEffectiveScale() { return numbersOf(*this).getScale(); }

double LinearStepOp::getEffectiveFeatureEps() {
  return numbersOf(*this).getFeatureEps();
}

double LinearStepOp::getEffectiveDenominatorEps() {
  return numbersOf(*this).getDenominatorEps();
}
