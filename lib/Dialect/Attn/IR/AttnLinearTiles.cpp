//===- AttnLinearTiles.cpp - the state recurrence on tiles ----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifiers and memory effects of the tile-level operations of linear
// attention.
//
//===----------------------------------------------------------------------===//

#include "TileOps.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
/// A map over (i, j, d, e) whose results are `dims` in any order.
LogicalResult verifyMap(Operation *op, StringRef name, Attribute attr,
                        Value value, ArrayRef<unsigned> dims) {
  AffineMap map = cast<AffineMapAttr>(attr).getValue();
  bool isGood = map.getNumDims() == 4 && map.getNumSymbols() == 0 &&
                map.getNumResults() == dims.size() &&
                cast<ShapedType>(value.getType()).getRank() ==
                    static_cast<int64_t>(dims.size()) &&
                map.isProjectedPermutation();
  for (unsigned dim : dims)
    isGood = isGood && map.isFunctionOfDim(dim);
  if (isGood)
    return success();
  return op->emitOpError() << "expected a map of " << name
                           << " over (i, j, d, e) that uses its dimensions "
                              "once each (C1), got "
                           << attr << " for " << value.getType();
}

struct MapRule {
  StringRef name;
  Value value;
  SmallVector<unsigned> dims;
};

LogicalResult verifyMaps(Operation *op, ArrayAttr maps,
                         ArrayRef<MapRule> rules) {
  SmallVector<MapRule> present;
  for (const MapRule &rule : rules)
    if (rule.value)
      present.push_back(rule);
  if (maps.size() != present.size())
    return op->emitOpError() << "expected " << present.size()
                             << " maps (C1), got " << maps.size();
  for (auto [rule, attr] : llvm::zip_equal(present, maps))
    if (failed(verifyMap(op, rule.name, attr, rule.value, rule.dims)))
      return failure();
  return success();
}

/// C2 and C3, for all of them.
template <typename OpTy> LogicalResult verifyState(OpTy op) {
  auto sum = cast<ShapedType>(op.getSum().getType()),
       norm = cast<ShapedType>(op.getNorm().getType()),
       reference = cast<ShapedType>(op.getReference().getType());
  Type element = sum.getElementType();
  bool isGood =
      sum.getRank() == 2 && norm.getRank() == 1 && reference.getRank() == 1 &&
      sum.hasStaticShape() && norm.hasStaticShape() &&
      reference.hasStaticShape() && norm.getDimSize(0) >= sum.getDimSize(0) &&
      (element.isF32() || element.isF64()) &&
      norm.getElementType() == element && reference.getElementType() == element;
  if (!isGood)
    return op.emitOpError() << "expected static sum [R, E], norm [R'] and "
                               "reference of f32 or f64 (C2), got "
                            << sum << ", " << norm << ", " << reference;
  return verifyTileResults(op, "C3");
}

enum Dim : unsigned { kQuery, kKey, kHeadSize, kValueSize };
} // namespace

LogicalResult LinearStateOp::verify() {
  if (failed(verifyMaps(getOperation(), getIndexingMaps(),
                        {{"key", getKey(), {kKey, kHeadSize}},
                         {"value", getValue(), {kKey, kValueSize}},
                         {"key_valid", getKeyValid(), {kKey}}})))
    return failure();
  return verifyState(*this);
}

LogicalResult LinearOutputOp::verify() {
  if (failed(verifyMaps(getOperation(), getIndexingMaps(),
                        {{"query", getQuery(), {kQuery, kHeadSize}},
                         {"output", getOutput(), {kQuery, kValueSize}}})))
    return failure();
  return verifyState(*this);
}

LogicalResult LinearChunkOp::verify() {
  if (failed(verifyMaps(getOperation(), getIndexingMaps(),
                        {{"query", getQuery(), {kQuery, kHeadSize}},
                         {"key", getKey(), {kKey, kHeadSize}},
                         {"value", getValue(), {kKey, kValueSize}},
                         {"key_valid", getKeyValid(), {kKey}},
                         {"output", getOutput(), {kQuery, kValueSize}}})))
    return failure();
  return verifyState(*this);
}

LogicalResult LinearMergeOp::verify() {
  int64_t count = cast<ShapedType>(getPartialSum().getType()).getDimSize(0);
  for (auto [partial, whole] :
       {std::pair(getPartialSum(), getSum()),
        std::pair(getPartialNorm(), getNorm()),
        std::pair(getPartialReference(), getReference())}) {
    auto partialType = cast<ShapedType>(partial.getType()),
         wholeType = cast<ShapedType>(whole.getType());
    if (partialType.getRank() != wholeType.getRank() + 1 ||
        partialType.getShape().drop_front() != wholeType.getShape() ||
        partialType.getElementType() != wholeType.getElementType())
      return emitOpError() << "expected partial states of the state's shape "
                              "with one more leading extent (C1), got "
                           << partialType << " for " << wholeType;
    if (partialType.getDimSize(0) != count)
      return emitOpError() << "expected one number of partial states (C1), got "
                           << count << " and " << partialType.getDimSize(0);
  }
  return verifyState(*this);
}

void LinearStateOp::getEffects(TileEffects &effects) {
  addTileEffects(*this, /*readsInits=*/true, effects);
}
void LinearOutputOp::getEffects(TileEffects &effects) {
  addTileEffects(*this, /*readsInits=*/false, effects);
}
void LinearChunkOp::getEffects(TileEffects &effects) {
  addTileEffects(*this, /*readsInits=*/true, effects);
}
void LinearMergeOp::getEffects(TileEffects &effects) {
  addTileEffects(*this, /*readsInits=*/true, effects);
}

Speculation::Speculatability LinearStateOp::getSpeculatability() {
  return getTileSpeculatability(*this);
}
Speculation::Speculatability LinearOutputOp::getSpeculatability() {
  return getTileSpeculatability(*this);
}
Speculation::Speculatability LinearChunkOp::getSpeculatability() {
  return getTileSpeculatability(*this);
}
Speculation::Speculatability LinearMergeOp::getSpeculatability() {
  return getTileSpeculatability(*this);
}
