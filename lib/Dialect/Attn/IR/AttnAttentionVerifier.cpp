//===- AttnAttentionVerifier.cpp - what attn.attention may be -------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifier of attn.attention. The constraints C1 to C12 are those of its
// description.
//
//===----------------------------------------------------------------------===//

#include "OperandMaps.h"
#include "ScoreMod.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;

namespace {
constexpr MapConstraints kConstraints{"C1", "C2", "C3", "C4", "C5"};

LogicalResult verifyMaps(AttentionOp op) {
  // The query of relative and the segments are read through other maps.
  unsigned numMapped = op->getNumOperands() - op.getSegments().size() -
                       (op.getRelativeQuery() ? 1 : 0);
  if (failed(verifyMapCount(op, op.getIndexingMaps(), numMapped, "C1")))
    return failure();
  return getOperandMaps(op).verify(kConstraints);
}

/// C4 and C10: key and value of a part have as many positions, and all parts
/// together as many as other operands say.
LogicalResult verifyParts(AttentionOp op, int64_t keys) {
  int64_t sum = 0;
  auto extentIn = [](Value value, AffineMap map) {
    unsigned position = *map.getResultPosition(
        getAffineDimExpr(AttentionOp::kKey, map.getContext()));
    return cast<RankedTensorType>(value.getType()).getDimSize(position);
  };
  for (auto [key, value] : op.getKeyParts()) {
    int64_t known = extentIn(key, op.getKeyMap());
    int64_t other = extentIn(value, op.getValueMap());
    if (ShapedType::isDynamic(known))
      std::swap(known, other);
    if (!ShapedType::isDynamic(other) && other != known)
      return op.emitOpError() << "expected extent " << known
                              << " for j in segments (C10), got " << other;
    sum = ShapedType::isDynamic(known) || ShapedType::isDynamic(sum)
              ? ShapedType::kDynamic
              : sum + known;
  }
  if (!ShapedType::isDynamic(sum) && !ShapedType::isDynamic(keys) &&
      sum != keys)
    return op.emitOpError() << "expected extent " << keys
                            << " for j in key and segments (C4), got " << sum;
  return success();
}

/// C12.
LogicalResult verifyRelativeExtents(AttentionOp op) {
  int64_t keys = op.getStaticExtent(AttentionOp::kKey);
  int64_t needed = ShapedType::isDynamic(keys) ? 1 : std::max<int64_t>(1, keys);
  for (auto [name, value, map] :
       {std::tuple(StringRef("bias"), op.getBias(), op.getBiasMap()),
        std::tuple(StringRef("relative"), op.getRelative(),
                   op.getRelativeMap())}) {
    if (!value)
      continue;
    for (auto [expr, extent] :
         llvm::zip_equal(map.getResults(),
                         cast<RankedTensorType>(value.getType()).getShape()))
      if (AttentionOp::getDimOf(expr) == AttentionOp::kRelative &&
          !ShapedType::isDynamic(extent) && extent < needed)
        return op.emitOpError()
               << "expected at least " << needed << " positions of j - i in "
               << name << " (C12), got " << extent;
  }
  return success();
}

LogicalResult verifyExtents(AttentionOp op) {
  SmallVector<int64_t> extents;
  if (failed(getOperandMaps(op).verifyExtents(
          kConstraints, {AttentionOp::kHeadSize, AttentionOp::kValueSize},
          extents)) ||
      (!op.getSegments().empty() &&
       failed(verifyParts(op, extents[AttentionOp::kKey]))))
    return failure();
  return verifyRelativeExtents(op);
}

/// C10 and C11: what is not said by the maps.
LogicalResult verifySegments(AttentionOp op) {
  OperandRange segments = op.getSegments();
  if (segments.size() % 2 != 0)
    return op.emitOpError()
           << "expected pairs of key and value as segments (C10), got "
           << segments.size() << " tensors";
  for (auto [number, segment] : llvm::enumerate(segments)) {
    auto type = cast<RankedTensorType>(segment.getType());
    auto main = cast<RankedTensorType>(
        (number % 2 == 0 ? op.getKey() : op.getValue()).getType());
    if (type.getRank() != main.getRank() ||
        type.getElementType() != main.getElementType())
      return op.emitOpError() << "expected segment " << number
                              << " of the rank and element type of " << main
                              << " (C10), got " << type;
  }
  return success();
}

LogicalResult verifyRelativeTypes(AttentionOp op) {
  if (!op.getRelative() != !op.getRelativeQuery())
    return op.emitOpError() << "expected a query with relative (C11)";
  if (!op.getRelative())
    return success();
  if (op.getRelativeQuery().getType() != op.getQuery().getType())
    return op.emitOpError()
           << "expected the query of relative to have the type of query (C11), "
           << op.getQuery().getType() << ", got "
           << op.getRelativeQuery().getType();
  auto type = cast<RankedTensorType>(op.getRelative().getType());
  if (type.getElementType() !=
      cast<RankedTensorType>(op.getQuery().getType()).getElementType())
    return op.emitOpError()
           << "expected relative of the element type of query (C11), got "
           << type;
  if (op.getSoftcap())
    return op.emitOpError() << "expected no softcap beside relative (C11)";
  return success();
}

/// C13.
LogicalResult verifyDocuments(AttentionOp op) {
  if (!op.getDocuments())
    return success();
  using D = AttentionOp::Dim;
  Type type =
      cast<RankedTensorType>(op.getDocuments().getType()).getElementType();
  if (!isa<IntegerType>(type))
    return op.emitOpError()
           << "expected documents of integers (C13), got " << type;
  int64_t n = op.getStaticExtent(D::kQuery), m = op.getStaticExtent(D::kKey);
  if (!ShapedType::isDynamic(n) && !ShapedType::isDynamic(m) && n != m)
    return op.emitOpError() << "expected as many queries as keys beside "
                               "documents (C13), got "
                            << n << " and " << m;
  bool hasOffsets = op.getRelative() || !op.getSegments().empty() ||
                    (op.getBias() && AttentionOp::isRelative(op.getBiasMap()));
  if (hasOffsets || !op.getScoreMod().empty())
    return op.emitOpError() << "expected no segments, relative positions or "
                               "score_mod beside documents (C13)";
  if (op.getMask() && !isa<CausalAttr, WindowAttr>(*op.getMask()))
    return op.emitOpError() << "expected a causal mask or a window beside "
                               "documents (C13), got "
                            << *op.getMask();
  return success();
}

LogicalResult verifyTypes(AttentionOp op) {
  if (failed(verifyElementTypes(
          op, {op.getQuery(), op.getKey(), op.getValue(), op.getOutput()},
          op.getLse(), op.getKeyValid(), "C6")))
    return failure();
  if (op.getBias()) {
    Type type = cast<RankedTensorType>(op.getBias().getType()).getElementType();
    if (!isa<FloatType>(type))
      return op.emitOpError()
             << "expected a floating-point bias (C6), got " << type;
  }
  return verifyResultTypes(op, ValueRange(op.getDpsInits()), "output and lse",
                           "C7");
}
} // namespace

LogicalResult mlir::attn::verifyScoreMod(Operation *op, Region &region,
                                         Type scoreType, StringRef constraint) {
  if (region.empty())
    return success();
  Block &block = region.front();
  Type index = IndexType::get(op->getContext());
  Type expected[] = {scoreType, index, index, index, index};
  if (!llvm::equal(block.getArgumentTypes(), expected))
    return op->emitOpError()
           << "expected score_mod arguments (" << scoreType
           << ", index, index, index, index) (" << constraint << ")";
  auto yield =
      dyn_cast_or_null<YieldOp>(block.empty() ? nullptr : &block.back());
  if (!yield || yield.getValue().getType() != scoreType)
    return op->emitOpError()
           << "expected score_mod to end with an attn.yield of " << scoreType
           << " (" << constraint << ")";
  for (Operation &inner : block)
    if (!isPure(&inner))
      return inner.emitOpError()
             << "expected only pure operations in score_mod (" << constraint
             << ")";
  return success();
}

LogicalResult AttentionOp::verify() {
  if (failed(verifySegments(*this)) || failed(verifyRelativeTypes(*this)) ||
      failed(verifyMaps(*this)) || failed(verifyExtents(*this)) ||
      failed(verifyTypes(*this)) || failed(verifyDocuments(*this)) ||
      failed(verifyScoreMod(*this, getScoreMod(), getAccumulatorType(), "C8")))
    return failure();
  if (getScale() && !std::isfinite(getScale()->convertToDouble()))
    return emitOpError() << "expected a finite scale (C9)";
  if (getSoftcap() && !(getSoftcap()->convertToDouble() > 0 &&
                        std::isfinite(getSoftcap()->convertToDouble())))
    return emitOpError() << "expected a positive, finite softcap (C9), got "
                         << getSoftcap()->convertToDouble();
  if (!getMask())
    return success();
  return getMask()->verifyFor([&] { return emitOpError(); },
                              getStaticExtent(kHead), getStaticExtent(kQuery),
                              getStaticExtent(kKey));
}
