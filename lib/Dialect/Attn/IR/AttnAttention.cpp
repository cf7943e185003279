//===- AttnAttention.cpp - attn.attention ---------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Queries of attn.attention: the maps of its operands, the parts that keys come
// in, and the extents of its domain.
//
//===----------------------------------------------------------------------===//

#include "OperandDescriber.h"

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

namespace {
constexpr StringRef kDimNames[] = {"b", "h", "i", "j", "d", "e", "j - i"};
constexpr Domain kDomain{kDimNames, AttentionOp::kRelative};

using D = AttentionOp::Dim;
} // namespace

/// What keys, values and the rows of positions may do that others may not.
static void describeKeys(AttentionOp op, OpOperand &operand,
                         MappedOperand &mapped) {
  bool isKeyPart = op.getKeyPartOf(operand).has_value();
  if (isKeyPart || operand.get() == op.getRelative())
    mapped.headSharing = HeadSharing::Same;
  if (isKeyPart && !op.getSegments().empty())
    mapped.ownExtent = D::kKey;
  else if (llvm::is_contained(mapped.required, unsigned(D::kRelative)))
    mapped.ownExtent = D::kRelative;
}

/// Describes the operands (C3).
OperandMaps mlir::attn::getOperandMaps(AttentionOp op) {
  OperandDescriber<AttentionOp> describer(op, describeKeys);
  describer.add("query", op.getQueryMutable(), {D::kQuery, D::kHeadSize});
  describer.add("key", op.getKeyMutable(), {D::kKey, D::kHeadSize});
  describer.add("value", op.getValueMutable(), {D::kKey, D::kValueSize});
  if (op.getBias() && AttentionOp::isRelative(op.getBiasMap()))
    describer.add("bias", op.getBiasMutable(), {D::kRelative});
  else
    describer.add("bias", op.getBiasMutable(), {},
                  {D::kBatch, D::kHead, D::kQuery, D::kKey});
  describer.add("key_valid", op.getKeyValidMutable(), {D::kKey}, {D::kBatch});
  describer.add("output", op.getOutputMutable(), {D::kQuery, D::kValueSize});
  describer.add("lse", op.getLseMutable(), {D::kQuery});
  describer.add("relative", op.getRelativeMutable(),
                {D::kRelative, D::kHeadSize}, {D::kHead});
  describer.add("the query of relative", op.getRelativeQueryMutable(),
                {D::kQuery, D::kHeadSize});
  describer.add("documents", op.getDocumentsMutable(), {D::kQuery},
                {D::kBatch});
  for (OpOperand &segment : op.getSegmentsMutable())
    describer.add("segments", segment, {D::kKey},
                  llvm::to_vector(llvm::seq(0u, 6u)));
  return OperandMaps(op, kDomain, describer.take());
}

/// Key and value of one part.
static OperandMaps getPartMaps(AttentionOp op, unsigned part) {
  auto [key, value] = op.getKeyParts()[part];
  return OperandMaps(op, kDomain,
                     {{"key", key, op.getKeyMap(), {}, {}},
                      {"value", value, op.getValueMap(), {}, {}}});
}

int64_t AttentionOp::getGroupSize() {
  return getOperandMaps(*this).getGroupSize(getKeyMap());
}

AffineMap AttentionOp::getMapOf(OpOperand &operand) {
  unsigned number = operand.getOperandNumber();
  if (getRelativeQuery() &&
      number == getRelativeQueryMutable().begin()->getOperandNumber())
    number = 0;
  else if (std::optional<unsigned> part = getKeyPartOf(operand); part && *part)
    number =
        (number - getSegmentsMutable().begin()->getOperandNumber()) % 2 + 1;
  else if (operand.get() == getDocuments())
    number = getIndexingMaps().size() - 1;
  return cast<AffineMapAttr>(getIndexingMaps()[number]).getValue();
}

unsigned AttentionOp::getDimOf(AffineExpr result) {
  std::optional<MapResult> match = kDomain.match(result);
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
  if (number < first || number >= first + getSegments().size())
    return std::nullopt;
  return (number - first) / 2 + 1;
}

int64_t AttentionOp::getStaticExtent(Dim dim) {
  OperandMaps maps = getOperandMaps(*this);
  if (dim != kKey || getSegments().empty())
    return maps.getStaticExtent(dim);
  int64_t keys = 0;
  for (unsigned part = 0; part < getKeyParts().size(); ++part) {
    int64_t extent = getPartMaps(*this, part).getStaticExtent(kKey);
    if (ShapedType::isDynamic(extent))
      return maps.findStaticExtent(kKey).value_or(ShapedType::kDynamic);
    keys += extent;
  }
  return keys;
}

OpFoldResult AttentionOp::getPartExtent(OpBuilder &builder, Location loc,
                                        unsigned part) {
  return getPartMaps(*this, part).getExtent(builder, loc, kKey);
}

OpFoldResult AttentionOp::getExtent(OpBuilder &builder, Location loc, Dim dim) {
  if (int64_t extent = getStaticExtent(dim); !ShapedType::isDynamic(extent))
    return builder.getIndexAttr(extent);
  if (dim != kKey || getSegments().empty())
    return getOperandMaps(*this).getExtent(builder, loc, dim);
  SmallVector<OpFoldResult> parts;
  AffineExpr sum = builder.getAffineConstantExpr(0);
  for (unsigned part = 0; part < getKeyParts().size(); ++part) {
    parts.push_back(getPartExtent(builder, loc, part));
    sum = sum + builder.getAffineDimExpr(part);
  }
  return affine::makeComposedFoldedAffineApply(builder, loc, sum, parts);
}

double AttentionOp::getEffectiveScale() {
  if (getScale())
    return getScale()->convertToDouble();
  return 1.0 / std::sqrt(static_cast<double>(getStaticExtent(kHeadSize)));
}

FloatType AttentionOp::getAccumulatorType() { return getSumType(getQuery()); }
