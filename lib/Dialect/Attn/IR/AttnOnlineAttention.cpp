//===- AttnOnlineAttention.cpp - attn.online_attention --------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Queries and verifier of one step of the streaming softmax. Its constraints C1
// to C7 are those of its description.
//
//===----------------------------------------------------------------------===//

#include "ScoreMod.h"
#include "TileOps.h"

#include <array>
#include <cmath>

using namespace mlir;
using namespace mlir::attn;

using D = OnlineAttentionOp::Dim;

static AffineMap mapAt(ArrayAttr maps, unsigned index) {
  return cast<AffineMapAttr>(maps[index]).getValue();
}

unsigned OnlineAttentionOp::getDimOf(AffineExpr result) {
  if (auto dim = dyn_cast<AffineDimExpr>(result))
    return dim.getPosition();
  return kRelative;
}

AffineMap OnlineAttentionOp::getBiasMap() {
  return getBias() ? mapAt(getIndexingMaps(), 3) : AffineMap();
}

AffineMap OnlineAttentionOp::getKeyValidMap() {
  return getKeyValid() ? mapAt(getIndexingMaps(), getBias() ? 4 : 3)
                       : AffineMap();
}

AffineMap OnlineAttentionOp::getRelativeMap() {
  return getRelative() ? mapAt(getIndexingMaps(), getIndexingMaps().size() - 1)
                       : AffineMap();
}

namespace {
constexpr const char *kDimNames[] = {"g", "i", "j", "d", "e", "j - i"};

/// Sees `j - i` of a map as one more dimension; a map of another form becomes
/// null.
AffineMap replaceRelative(AffineMap map) {
  MLIRContext *context = map.getContext();
  if (map.getNumDims() != D::kNumDims)
    return map;
  AffineExpr difference =
      getAffineDimExpr(D::kKey, context) - getAffineDimExpr(D::kQuery, context);
  auto results = llvm::map_to_vector(map.getResults(), [&](AffineExpr expr) {
    return expr == difference ? getAffineDimExpr(D::kRelative, context) : expr;
  });
  return AffineMap::get(D::kRelative + 1, map.getNumSymbols(), results,
                        context);
}

/// An operand as messages name it, with its map, in which `j - i` is a
/// dimension.
struct MappedOperand {
  StringRef name;
  Value value;
  AffineMap map;
  SmallVector<unsigned> required, allowed;
};

SmallVector<MappedOperand> getMappedOperands(OnlineAttentionOp op) {
  // A group of one needs no dimension.
  bool isSingle = cast<ShapedType>(op.getAcc().getType()).getShape()[0] == 1;
  SmallVector<unsigned> query{D::kQuery, D::kHeadSize};
  if (!isSingle)
    query.push_back(D::kGroup);
  ArrayAttr maps = op.getIndexingMaps();
  SmallVector<MappedOperand> operands{
      {"query", op.getQuery(), mapAt(maps, 0), query, {D::kGroup}},
      {"key", op.getKey(), mapAt(maps, 1), {D::kKey, D::kHeadSize}, {}},
      {"value", op.getValue(), mapAt(maps, 2), {D::kKey, D::kValueSize}, {}}};
  if (op.getBias()) {
    AffineMap map = replaceRelative(op.getBiasMap());
    if (map.isFunctionOfDim(D::kRelative))
      operands.push_back(
          {"bias", op.getBias(), map, {D::kRelative}, {D::kGroup}});
    else
      operands.push_back(
          {"bias", op.getBias(), map, {}, {D::kGroup, D::kQuery, D::kKey}});
  }
  if (op.getKeyValid())
    operands.push_back(
        {"key_valid", op.getKeyValid(), op.getKeyValidMap(), {D::kKey}, {}});
  if (op.getRelative())
    operands.push_back({"relative",
                        op.getRelative(),
                        replaceRelative(op.getRelativeMap()),
                        {D::kRelative, D::kHeadSize},
                        {}});
  return operands;
}

/// C2: maps one by one.
LogicalResult verifyMaps(OnlineAttentionOp op,
                         ArrayRef<MappedOperand> operands) {
  for (const MappedOperand &one : operands)
    if (failed(verifyTileMap(op, one.name, one.map, one.value,
                             one.map.getNumDims() == D::kRelative + 1
                                 ? D::kRelative + 1
                                 : D::kNumDims,
                             one.required, one.allowed, "C2")))
      return failure();
  if (!op.getRelative() != !op.getRelativeQuery() ||
      (op.getRelative() &&
       op.getRelativeQuery().getType() != op.getQuery().getType()))
    return op.emitOpError()
           << "expected a query of the type of query with relative (C2)";
  return success();
}

/// C5: static extents of one dimension agree, and the state has room for them.
LogicalResult verifyExtents(OnlineAttentionOp op,
                            ArrayRef<MappedOperand> operands) {
  std::array<int64_t, D::kNumDims> extents;
  extents.fill(ShapedType::kDynamic);
  for (const MappedOperand &one : operands)
    for (auto [expr, extent] :
         llvm::zip_equal(one.map.getResults(),
                         cast<ShapedType>(one.value.getType()).getShape())) {
      unsigned dim = cast<AffineDimExpr>(expr).getPosition();
      if (dim == D::kRelative || ShapedType::isDynamic(extent))
        continue;
      if (!ShapedType::isDynamic(extents[dim]) && extents[dim] != extent)
        return op.emitOpError() << "expected extent " << extents[dim] << " for "
                                << kDimNames[dim] << " in " << one.name
                                << " (C5), got " << extent;
      extents[dim] = extent;
    }
  ArrayRef<int64_t> state = cast<ShapedType>(op.getAcc().getType()).getShape();
  if (!ShapedType::isDynamic(extents[D::kGroup]) &&
      extents[D::kGroup] != state[0])
    return op.emitOpError() << "expected a state of the " << extents[D::kGroup]
                            << " heads of the group (C5), got " << state[0];
  for (auto [dim, position] :
       {std::pair(D::kQuery, 1), std::pair(D::kValueSize, 2)})
    if (!ShapedType::isDynamic(extents[dim]) && extents[dim] > state[position])
      return op.emitOpError()
             << "expected a state with room for " << extents[dim] << " of "
             << kDimNames[dim] << " (C5), got " << state[position];
  return success();
}

/// C6: element types.
LogicalResult verifyTypes(OnlineAttentionOp op) {
  auto element = [](Value value) {
    return cast<ShapedType>(value.getType()).getElementType();
  };
  Type type = element(op.getQuery());
  if (!type.isF16() && !type.isBF16() && !type.isF32() && !type.isF64())
    return op.emitOpError()
           << "expected operands of f16, bf16, f32 or f64 (C6), got " << type;
  for (Value value : {op.getKey(), op.getValue(), op.getRelative()})
    if (value && element(value) != type)
      return op.emitOpError() << "expected query, key, value and relative to "
                                 "have one element type (C6), got "
                              << type << " and " << element(value);
  if (op.getKeyValid() && !element(op.getKeyValid()).isInteger(1))
    return op.emitOpError() << "expected key_valid of i1 (C6), got "
                            << element(op.getKeyValid());
  if (op.getBias() && !isa<FloatType>(element(op.getBias())))
    return op.emitOpError() << "expected a floating-point bias (C6), got "
                            << element(op.getBias());
  return success();
}
} // namespace

LogicalResult OnlineAttentionOp::verify() {
  unsigned numMaps = 3 + (getBias() ? 1 : 0) + (getKeyValid() ? 1 : 0) +
                     (getRelative() ? 1 : 0);
  if (getIndexingMaps().size() != numMaps)
    return emitOpError() << "expected " << numMaps
                         << " indexing maps (C1), got "
                         << getIndexingMaps().size();
  if (failed(verifySoftmaxState(getOperation(), getAcc(), getMax(), getSum(),
                                "C3",
                                /*isStatic=*/true)))
    return failure();
  SmallVector<MappedOperand> operands = getMappedOperands(*this);
  if (failed(verifyMaps(*this, operands)) ||
      failed(verifyExtents(*this, operands)) || failed(verifyTypes(*this)) ||
      failed(verifyScoreMod(
          *this, getScoreMod(),
          cast<ShapedType>(getAcc().getType()).getElementType(), "C7")))
    return failure();
  if (!std::isfinite(getScale().convertToDouble()))
    return emitOpError() << "expected a finite scale (C7)";
  if (getSoftcap() && !(getSoftcap()->convertToDouble() > 0 &&
                        std::isfinite(getSoftcap()->convertToDouble())))
    return emitOpError() << "expected a positive, finite softcap (C7), got "
                         << getSoftcap()->convertToDouble();
  return verifyTileResults(*this, "C4");
}

void OnlineAttentionOp::getEffects(TileEffects &effects) {
  addTileEffects(*this, /*readsInits=*/true, effects);
}

Speculation::Speculatability OnlineAttentionOp::getSpeculatability() {
  return getTileSpeculatability(*this);
}
