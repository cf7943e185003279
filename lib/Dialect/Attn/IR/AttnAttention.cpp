//===- AttnAttention.cpp - attn.attention ---------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Queries of attn.attention: the maps of its operands, the parts that keys come
// in, and the extents of its domain.
//
//===----------------------------------------------------------------------===//

#include "MapResult.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;

LogicalResult
AttentionOp::reifyResultShapes(OpBuilder &builder,
                               ReifiedRankedShapedTypeDims &shapes) {
  for (Value init : getDpsInits())
    shapes.push_back(tensor::getMixedSizes(builder, getLoc(), init));
  return success();
}

int64_t AttentionOp::getGroupSize() {
  for (AffineExpr expr : getKeyMap().getResults())
    if (std::optional<MapResult> result = matchMapResult(expr);
        result && result->dim == kHead)
      return result->divisor;
  return 1;
}

AffineMap AttentionOp::getMapOf(OpOperand &operand) {
  unsigned number = operand.getOperandNumber();
  if (getRelativeQuery() &&
      number == getRelativeQueryMutable().begin()->getOperandNumber())
    number = 0;
  else if (std::optional<unsigned> part = getKeyPartOf(operand); part && *part)
    number =
        (number - getSegmentsMutable().begin()->getOperandNumber()) % 2 + 1;
  return cast<AffineMapAttr>(getIndexingMaps()[number]).getValue();
}

unsigned AttentionOp::getDimOf(AffineExpr result) {
  std::optional<MapResult> match = matchMapResult(result);
  return match ? match->dim : kRelative + 1;
}

SmallVector<std::pair<Value, Value>> AttentionOp::getKeyParts() {
  SmallVector<std::pair<Value, Value>> parts{{getKey(), getValue()}};
  for (unsigned i = 0; i + 1 < getSegments().size(); i += 2)
    parts.emplace_back(getSegments()[i], getSegments()[i + 1]);
  return parts;
}

std::optional<unsigned> AttentionOp::getKeyPartOf(OpOperand &operand) {
  unsigned number = operand.getOperandNumber();
  if (number == 1 || number == 2)
    return 0;
  if (getSegments().empty())
    return std::nullopt;
  unsigned first = getSegmentsMutable().begin()->getOperandNumber();
  return number < first ? std::nullopt
                        : std::optional<unsigned>((number - first) / 2 + 1);
}

/// The static extent that an operand's map gives to a dimension, if it does.
static std::optional<int64_t> extentIn(Value value, AffineMap map,
                                       unsigned dim) {
  auto type = cast<RankedTensorType>(value.getType());
  for (auto [expr, size] : llvm::zip_equal(map.getResults(), type.getShape()))
    if (MapResult result = *matchMapResult(expr); result.dim == dim)
      return ShapedType::isDynamic(size) ? size : size * result.divisor;
  return std::nullopt;
}

int64_t AttentionOp::getStaticExtent(Dim dim) {
  int64_t extent = 1;
  for (OpOperand &operand : getOperation()->getOpOperands()) {
    // With segments the keys are counted below.
    if (dim == kKey && getKeyPartOf(operand))
      continue;
    std::optional<int64_t> own =
        extentIn(operand.get(), getMapOf(operand), dim);
    if (own && !ShapedType::isDynamic(*own))
      return *own;
    if (own)
      extent = ShapedType::kDynamic;
  }
  if (dim != kKey)
    return extent;
  int64_t keys = 0;
  for (auto [key, value] : getKeyParts()) {
    int64_t part = *extentIn(key, getKeyMap(), kKey);
    if (ShapedType::isDynamic(part))
      part = *extentIn(value, getValueMap(), kKey);
    if (ShapedType::isDynamic(part))
      return ShapedType::kDynamic;
    keys += part;
  }
  return keys;
}

OpFoldResult AttentionOp::getPartExtent(OpBuilder &builder, Location loc,
                                        unsigned part) {
  auto [key, value] = getKeyParts()[part];
  for (auto [operand, map] :
       {std::pair(key, getKeyMap()), std::pair(value, getValueMap())})
    if (int64_t extent = *extentIn(operand, map, kKey);
        !ShapedType::isDynamic(extent))
      return builder.getIndexAttr(extent);
  unsigned position = *getKeyMap().getResultPosition(
      getAffineDimExpr(kKey, builder.getContext()));
  return tensor::getMixedSize(builder, loc, key, position);
}

OpFoldResult AttentionOp::getExtent(OpBuilder &builder, Location loc, Dim dim) {
  if (int64_t extent = getStaticExtent(dim); !ShapedType::isDynamic(extent))
    return builder.getIndexAttr(extent);
  if (dim == kKey) {
    SmallVector<OpFoldResult> parts;
    AffineExpr sum = builder.getAffineConstantExpr(0);
    for (unsigned part = 0; part < getKeyParts().size(); ++part) {
      parts.push_back(getPartExtent(builder, loc, part));
      sum = sum + builder.getAffineDimExpr(part);
    }
    return parts.size() == 1 ? parts.front()
                             : affine::makeComposedFoldedAffineApply(
                                   builder, loc, sum, parts);
  }
  for (OpOperand &operand : getOperation()->getOpOperands())
    for (auto [position, expr] :
         llvm::enumerate(getMapOf(operand).getResults()))
      if (MapResult result = *matchMapResult(expr);
          result.dim == dim && result.divisor == 1)
        return tensor::getMixedSize(builder, loc, operand.get(), position);
  // Only key and value have heads, and they share them: h = g * their extent.
  for (auto [position, expr] : llvm::enumerate(getKeyMap().getResults()))
    if (MapResult result = *matchMapResult(expr); result.dim == dim)
      return affine::makeComposedFoldedAffineApply(
          builder, loc, builder.getAffineDimExpr(0) * result.divisor,
          {tensor::getMixedSize(builder, loc, getKey(), position)});
  return builder.getIndexAttr(1);
}

double AttentionOp::getEffectiveScale() {
  if (getScale())
    return getScale()->convertToDouble();
  return 1.0 / std::sqrt(static_cast<double>(getStaticExtent(kHeadSize)));
}

FloatType AttentionOp::getAccumulatorType() {
  Type type = cast<RankedTensorType>(getQuery().getType()).getElementType();
  return type.isF64() ? FloatType(Float64Type::get(getContext()))
                      : FloatType(Float32Type::get(getContext()));
}
