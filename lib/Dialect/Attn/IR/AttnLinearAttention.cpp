//===- AttnLinearAttention.cpp - attn.linear_attention --------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifier and queries of attn.linear_attention. The constraints C1 to C11 are
// those of its description.
//
//===----------------------------------------------------------------------===//

#include "LinearFeatures.h"
#include "OperandMaps.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
using D = AttentionOp::Dim;
constexpr StringRef kDimNames[] = {"b", "h", "i", "j", "d", "e"};
constexpr MapConstraints kConstraints{"C1", "C1", "C2", "C3", "C3"};

} // namespace

/// Describes the operands with maps (C2).
OperandMaps mlir::attn::getOperandMaps(LinearAttentionOp op) {
  SmallVector<unsigned> outer{D::kBatch, D::kHead};
  SmallVector<MappedOperand> operands{{"query",
                                       op.getQuery(),
                                       op.getQueryMap(),
                                       {D::kQuery, D::kHeadSize},
                                       outer},
                                      {"key",
                                       op.getKey(),
                                       op.getKeyMap(),
                                       {D::kKey, D::kHeadSize},
                                       outer,
                                       HeadSharing::Same},
                                      {"value",
                                       op.getValue(),
                                       op.getValueMap(),
                                       {D::kKey, D::kValueSize},
                                       outer,
                                       HeadSharing::Same}};
  if (op.getKeyValid())
    operands.push_back({"key_valid",
                        op.getKeyValid(),
                        op.getKeyValidMap(),
                        {D::kKey},
                        {D::kBatch}});
  operands.push_back({"output",
                      op.getOutput(),
                      op.getOutputMap(),
                      {D::kQuery, D::kValueSize},
                      outer,
                      HeadSharing::None,
                      /*isOutput=*/true});
  return OperandMaps(op, Domain{kDimNames}, std::move(operands));
}

namespace {
/// C1 to C3.
LogicalResult verifyMaps(LinearAttentionOp op) {
  SmallVector<int64_t> extents;
  if (failed(verifyMapCount(op, op.getIndexingMaps(), op.getKeyValid() ? 5 : 4,
                            "C1")) ||
      failed(getOperandMaps(op).verify(kConstraints)))
    return failure();
  return getOperandMaps(op).verifyExtents(
      kConstraints, {D::kHeadSize, D::kValueSize}, extents);
}

/// C4 and C11.
LogicalResult verifyTypes(LinearAttentionOp op) {
  if (failed(verifyElementTypes(
          op, {op.getQuery(), op.getKey(), op.getValue(), op.getOutput()},
          /*lse=*/nullptr, op.getKeyValid(), "C4")))
    return failure();
  return verifyResultTypes(op, ValueRange(op.getDpsInits()), "output and final",
                           "C11");
}

LinearNumbers numbersOf(LinearAttentionOp op) {
  return {op.getFeatureMap(),
          op.getStaticExtent(D::kHeadSize),
          op.getProjection() != nullptr,
          op.getCausal() || op.hasState(),
          op.getScale(),
          op.getFeatureEps(),
          op.getDenominatorEps()};
}

/// C8 and C9
LogicalResult verifyNumbers(LinearAttentionOp op) {
  if (op.getChunk() && (*op.getChunk() < 1 || *op.getChunk() > 4096))
    return op.emitOpError()
           << "expected a chunk in [1, 4096] (C8), got " << *op.getChunk();
  return numbersOf(op).verify(op);
}

/// C10, after everything that tells the shapes.
LogicalResult verifyState(LinearAttentionOp op, StringRef name,
                          ValueRange state) {
  if (state.empty())
    return success();
  SmallVector<int64_t> outer;
  for (D dim : {D::kBatch, D::kHead})
    if (op.getOutputMap().isFunctionOfDim(dim))
      outer.push_back(op.getStaticExtent(dim));
  return verifyLinearState(op, name, state, outer, op.getNumFeatures(),
                           op.getStaticExtent(D::kValueSize),
                           op.hasSoftmaxMap(), op.getAccumulatorType());
}
} // namespace

LogicalResult LinearAttentionOp::verify() {
  if (failed(verifyMaps(*this)) || failed(verifyTypes(*this)) ||
      failed(verifyLinearFeatures(*this, getFeatureMap(), getProjection(),
                                  getFeature(), getAccumulatorType(),
                                  getStaticExtent(Dim::kHead),
                                  getStaticExtent(Dim::kHeadSize))) ||
      failed(verifyNumbers(*this)) ||
      failed(verifyState(*this, "initial", getInitial())))
    return failure();
  return verifyState(*this, "final", getFinal());
}

LogicalResult
LinearAttentionOp::reifyResultShapes(OpBuilder &builder,
                                     ReifiedRankedShapedTypeDims &shapes) {
  for (Value init : getDpsInits())
    shapes.push_back(tensor::getMixedSizes(builder, getLoc(), init));
  return success();
}

int64_t LinearAttentionOp::getStaticExtent(Dim dim) {
  return getOperandMaps(*this).getStaticExtent(dim);
}

OpFoldResult LinearAttentionOp::getExtent(OpBuilder &builder, Location loc,
                                          Dim dim) {
  return getOperandMaps(*this).getExtent(builder, loc, dim);
}

int64_t LinearAttentionOp::getGroupSize() {
  return getOperandMaps(*this).getGroupSize(getKeyMap());
}

FloatType LinearAttentionOp::getAccumulatorType() {
  return getSumType(getQuery());
}

int64_t LinearAttentionOp::getNumFeatures() {
  return countFeatures(getFeatureMap(), getProjection(),
                       getStaticExtent(Dim::kHeadSize));
}

double LinearAttentionOp::getEffectiveScale() {
  return numbersOf(*this).getScale();
}

double LinearAttentionOp::getEffectiveFeatureEps() {
  return numbersOf(*this).getFeatureEps();
}

double LinearAttentionOp::getEffectiveDenominatorEps() {
  return numbersOf(*this).getDenominatorEps();
}
