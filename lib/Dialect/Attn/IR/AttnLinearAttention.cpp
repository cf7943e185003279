//===- AttnLinearAttention.cpp - attn.linear_attention --------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifier and queries of attn.linear_attention. The constraints C1 to C11 are
// those of its description.
//
//===----------------------------------------------------------------------===//

#include "OperandMaps.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;

namespace {
using D = AttentionOp::Dim;
constexpr StringRef kDimNames[] = {"b", "h", "i", "j", "d", "e"};
constexpr MapConstraints kConstraints{"C1", "C1", "C2", "C3", "C3"};
constexpr int64_t kMaxFeatures = 4096;

RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

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

/// C5 to C7: what the feature map takes.
LogicalResult verifyFeatures(LinearAttentionOp op) {
  FeatureMap map = op.getFeatureMap();
  StringRef name = stringifyFeatureMap(map);
  bool needs = isSoftmaxMap(map) || map == FeatureMap::GeneralizedRelu;
  bool takesNone = map == FeatureMap::Relu || map == FeatureMap::EluPlusOne;
  Value projection = op.getProjection();
  if ((needs && !projection) || (takesNone && projection))
    return op.emitOpError() << "expected " << (needs ? "a" : "no")
                            << " projection for " << name << " (C6)";
  if (projection) {
    RankedTensorType type = typeOf(projection);
    int64_t rank = type.getRank(), heads = op.getStaticExtent(D::kHead);
    bool isShaped =
        (rank == 2 || rank == 3) && type.hasStaticShape() &&
        type.getElementType() == op.getAccumulatorType() &&
        type.getShape().back() == op.getStaticExtent(D::kHeadSize) &&
        (rank == 2 || type.getDimSize(0) == heads);
    if (!isShaped || type.getDimSize(rank - 2) < 1 ||
        type.getDimSize(rank - 2) > kMaxFeatures)
      return op.emitOpError()
             << "expected a projection [r, D] or [H, r, D] of "
             << op.getAccumulatorType() << " with r in [1, 4096] and D = "
             << op.getStaticExtent(D::kHeadSize) << " (C5), got " << type;
  }
  Region &region = op.getFeature();
  if ((map == FeatureMap::Custom) == region.empty())
    return op.emitOpError() << "expected " << (region.empty() ? "a" : "no")
                            << " region for " << name << " (C7)";
  if (region.empty())
    return success();
  Block &block = region.front();
  Type type = op.getAccumulatorType();
  auto yield =
      dyn_cast_or_null<YieldOp>(block.empty() ? nullptr : &block.back());
  if (!llvm::equal(block.getArgumentTypes(), ArrayRef<Type>(type)) || !yield ||
      yield.getValue().getType() != type)
    return op.emitOpError()
           << "expected a region that takes and yields one " << type << " (C7)";
  for (Operation &inner : block)
    if (!isPure(&inner))
      return inner.emitOpError()
             << "expected only pure operations in the region (C7)";
  return success();
}

LogicalResult verifyNumbers(LinearAttentionOp op) {
  if (op.getScale() && !(op.getScale()->convertToDouble() > 0 &&
                         std::isfinite(op.getScale()->convertToDouble())))
    return op.emitOpError() << "expected a positive, finite scale (C8), got "
                            << op.getScale()->convertToDouble();
  for (std::optional<APFloat> eps :
       {op.getFeatureEps(), op.getDenominatorEps()})
    if (eps &&
        !(eps->convertToDouble() >= 0 && std::isfinite(eps->convertToDouble())))
      return op.emitOpError()
             << "expected finite epsilons of at least 0 (C8), got "
             << eps->convertToDouble();
  if (op.getChunk() && (*op.getChunk() < 1 || *op.getChunk() > 4096))
    return op.emitOpError()
           << "expected a chunk in [1, 4096] (C8), got " << *op.getChunk();
  if (!op.hasSoftmaxMap())
    return success();
  if (op.getEffectiveDenominatorEps() != 0)
    return op.emitOpError()
           << "expected a denominator_eps of 0 for "
           << stringifyFeatureMap(op.getFeatureMap()) << " (C9)";
  if ((op.getCausal() || op.hasState()) && op.getEffectiveFeatureEps() != 0)
    return op.emitOpError()
           << "expected a feature_eps of 0 for causal or stateful "
           << stringifyFeatureMap(op.getFeatureMap()) << " (C9)";
  return success();
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
  SmallVector<SmallVector<int64_t>> shapes(op.hasSoftmaxMap() ? 3 : 2, outer);
  shapes[0].push_back(op.getNumFeatures());
  shapes[0].push_back(op.getStaticExtent(D::kValueSize));
  shapes[1].push_back(op.getNumFeatures());
  if (state.size() != shapes.size())
    return op.emitOpError() << "expected " << shapes.size() << " tensors in "
                            << name << " (C10), got " << state.size();
  for (auto [value, shape] : llvm::zip_equal(state, shapes)) {
    auto wanted = RankedTensorType::get(shape, op.getAccumulatorType());
    RankedTensorType type = typeOf(value);
    if (type.getElementType() != wanted.getElementType() ||
        failed(verifyCompatibleShape(type, wanted)) ||
        type.getShape().drop_front(outer.size()) !=
            wanted.getShape().drop_front(outer.size()))
      return op.emitOpError() << "expected " << wanted << " in " << name
                              << " (C10), got " << type;
  }
  return success();
}
} // namespace

LogicalResult LinearAttentionOp::verify() {
  if (failed(verifyMaps(*this)) || failed(verifyTypes(*this)) ||
      failed(verifyFeatures(*this)) || failed(verifyNumbers(*this)) ||
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
  if (!getProjection())
    return getStaticExtent(Dim::kHeadSize);
  ArrayRef<int64_t> shape = typeOf(getProjection()).getShape();
  bool isTwice = getFeatureMap() == FeatureMap::SoftmaxHyperbolic;
  return shape[shape.size() - 2] * (isTwice ? 2 : 1);
}

double LinearAttentionOp::getEffectiveScale() {
  if (getScale())
    return getScale()->convertToDouble();
  double size = static_cast<double>(getStaticExtent(Dim::kHeadSize));
  return getProjection() ? 1 / std::sqrt(size) : 1.0;
}

double LinearAttentionOp::getEffectiveFeatureEps() {
  if (getFeatureEps())
    return getFeatureEps()->convertToDouble();
  if (getFeatureMap() == FeatureMap::GeneralizedRelu)
    return 1e-3;
  return hasSoftmaxMap() && !getCausal() && !hasState() ? 1e-6 : 0.0;
}

double LinearAttentionOp::getEffectiveDenominatorEps() {
  if (getDenominatorEps())
    return getDenominatorEps()->convertToDouble();
  return hasSoftmaxMap() ? 0.0 : 1e-6;
}
