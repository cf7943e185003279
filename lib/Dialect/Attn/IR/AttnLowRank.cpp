//===- AttnLowRank.cpp - attention over projected keys --------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifiers and queries of attn.low_rank_attention. The constraints C1 to C12
// are those of its description.
//
//===----------------------------------------------------------------------===//

#include "OperandDescriber.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;

namespace {
using D = LowRankAttentionOp::Dim;
constexpr StringRef kDimNames[] = {"b", "h", "i", "j", "s", "d", "e"};
constexpr MapConstraints kConstraints{"C1", "C2", "C3", "C4", "C5"};
constexpr int64_t kMaxSlots = int64_t(1) << 16;

} // namespace

/// Describes the operands (C3).
OperandMaps mlir::attn::getOperandMaps(LowRankAttentionOp op) {
  OperandDescriber<LowRankAttentionOp> describer(op);
  describer.add("query", op.getQueryMutable(), {D::kQuery, D::kHeadSize});
  describer.add("key", op.getKeyMutable(), {D::kKey, D::kHeadSize})
      .headSharing = HeadSharing::Same;
  describer.add("value", op.getValueMutable(), {D::kKey, D::kValueSize})
      .headSharing = HeadSharing::Same;
  for (auto [name, operand] :
       {std::pair("key_projection", &op.getKeyProjectionMutable()),
        std::pair("value_projection", &op.getValueProjectionMutable())}) {
    MappedOperand &projection =
        describer.add(name, *operand, {D::kSlot, D::kKey}, {D::kHead});
    projection.headSharing = HeadSharing::SameOrOwn;
    projection.ownExtent = D::kKey; // it may have more columns
  }
  describer.add("key_valid", op.getKeyValidMutable(), {D::kKey}, {D::kBatch});
  describer.add("output", op.getOutputMutable(), {D::kQuery, D::kValueSize});
  describer.add("lse", op.getLseMutable(), {D::kQuery});
  return OperandMaps(op, Domain{kDimNames}, describer.take());
}

namespace {
/// C8, C10 and C11.
LogicalResult verifySlots(LowRankAttentionOp op, ArrayRef<int64_t> extents) {
  if (op.getCausal() && !op.getBlock())
    return op.emitOpError()
           << "expected `block` with `causal` (C10): without blocks every slot "
              "mixes all positions, later ones too";
  if (op.getBlock() && static_cast<int64_t>(*op.getBlock()) < 1)
    return op.emitOpError() << "expected a positive block (C11), got "
                            << static_cast<int64_t>(*op.getBlock());
  int64_t queries = extents[D::kQuery], keys = extents[D::kKey];
  if (op.getCausal() && !ShapedType::isDynamic(queries) &&
      !ShapedType::isDynamic(keys) && queries != keys)
    return op.emitOpError() << "expected as many queries as keys with `causal` "
                               "(C11), got "
                            << queries << " and " << keys;
  int64_t most = op.getBlock() ? static_cast<int64_t>(*op.getBlock()) : keys;
  if (!ShapedType::isDynamic(most) && extents[D::kSlot] > most)
    return op.emitOpError()
           << "expected at most as many slots as "
           << (op.getBlock() ? "positions of a block" : "keys") << " (C8), got "
           << extents[D::kSlot] << " for " << most;
  return success();
}

/// C9.
LogicalResult verifyColumns(LowRankAttentionOp op, StringRef name,
                            OpOperand &projection, int64_t keys) {
  AffineMap map = op.getMapOf(projection);
  unsigned at =
      *map.getResultPosition(getAffineDimExpr(D::kKey, op.getContext()));
  int64_t columns =
      cast<RankedTensorType>(projection.get().getType()).getDimSize(at);
  if (op.getBlock()) {
    if (columns != static_cast<int64_t>(*op.getBlock()))
      return op.emitOpError()
             << "expected a column of " << name << " for each of the "
             << static_cast<int64_t>(*op.getBlock())
             << " positions of a block (C9), got "
             << (ShapedType::isDynamic(columns)
                     ? std::string("a dynamic extent")
                     : std::to_string(columns));
    return success();
  }
  if (!ShapedType::isDynamic(columns) && !ShapedType::isDynamic(keys) &&
      columns < keys)
    return op.emitOpError()
           << "expected a column of " << name << " for each of the " << keys
           << " keys (C9), got " << columns;
  return success();
}

LogicalResult verifyExtents(LowRankAttentionOp op) {
  SmallVector<int64_t> extents;
  if (failed(getOperandMaps(op).verifyExtents(
          kConstraints, {D::kHeadSize, D::kValueSize}, extents)) ||
      failed(verifySize(op, "s", extents[D::kSlot], kMaxSlots, "2^16", "C5")) ||
      failed(verifySlots(op, extents)) ||
      failed(verifyColumns(op, "key_projection", op.getKeyProjectionMutable(),
                           extents[D::kKey])))
    return failure();
  return verifyColumns(op, "value_projection", op.getValueProjectionMutable(),
                       extents[D::kKey]);
}

/// C6 and C7.
LogicalResult verifyTypes(LowRankAttentionOp op) {
  if (failed(verifyElementTypes(
          op, {op.getQuery(), op.getKey(), op.getValue(), op.getOutput()},
          op.getLse(), op.getKeyValid(), "C6")))
    return failure();
  for (Value value : {op.getKeyProjection(), op.getValueProjection()}) {
    Type type = cast<RankedTensorType>(value.getType()).getElementType();
    if (!isa<FloatType>(type))
      return op.emitOpError()
             << "expected floating-point projections (C6), got " << type;
  }
  return verifyResultTypes(op, ValueRange(op.getDpsInits()), "output and lse",
                           "C7");
}
} // namespace

LogicalResult LowRankAttentionOp::verify() {
  if (failed(verifyMapCount(*this, getIndexingMaps(),
                            getOperation()->getNumOperands(), "C1")) ||
      failed(getOperandMaps(*this).verify(kConstraints)) ||
      failed(verifyExtents(*this)) || failed(verifyTypes(*this)))
    return failure();
  if (getScale() && !std::isfinite(getScale()->convertToDouble()))
    return emitOpError() << "expected a finite scale (C12)";
  return success();
}

LogicalResult
LowRankAttentionOp::reifyResultShapes(OpBuilder &builder,
                                      ReifiedRankedShapedTypeDims &shapes) {
  for (Value init : getDpsInits())
    shapes.push_back(tensor::getMixedSizes(builder, getLoc(), init));
  return success();
}

int64_t LowRankAttentionOp::getStaticExtent(Dim dim) {
  return getOperandMaps(*this).getStaticExtent(dim);
}

OpFoldResult LowRankAttentionOp::getExtent(OpBuilder &builder, Location loc,
                                           Dim dim) {
  return getOperandMaps(*this).getExtent(builder, loc, dim);
}

double LowRankAttentionOp::getEffectiveScale() {
  if (getScale())
    return getScale()->convertToDouble();
  return 1.0 / std::sqrt(static_cast<double>(getStaticExtent(kHeadSize)));
}

FloatType LowRankAttentionOp::getAccumulatorType() {
  return getSumType(getQuery());
}
