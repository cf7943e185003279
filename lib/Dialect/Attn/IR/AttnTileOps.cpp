//===- AttnTileOps.cpp - operations on tiles ------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifiers and memory effects of the tile-level operations but for
// attn.online_attention, which has a file of its own, and what they share.
//
//===----------------------------------------------------------------------===//

#include "TileOps.h"

using namespace mlir;
using namespace mlir::attn;

using Effects = TileEffects;

void mlir::attn::addTileEffects(DestinationStyleOpInterface op, bool readsInits,
                                TileEffects &effects) {
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<MemRefType>(operand.get().getType()))
      continue;
    bool isInit = op.isDpsInit(&operand);
    if (!isInit || readsInits)
      effects.emplace_back(MemoryEffects::Read::get(), &operand, 0, true,
                           SideEffects::DefaultResource::get());
    if (isInit)
      effects.emplace_back(MemoryEffects::Write::get(), &operand, 0, true,
                           SideEffects::DefaultResource::get());
  }
}

Speculation::Speculatability
mlir::attn::getTileSpeculatability(DestinationStyleOpInterface op) {
  return op.hasPureTensorSemantics() ? Speculation::Speculatable
                                     : Speculation::NotSpeculatable;
}

LogicalResult mlir::attn::verifyTileResults(DestinationStyleOpInterface op,
                                            StringRef constraint) {
  SmallVector<Type> expected;
  for (Value init : op.getDpsInits())
    if (isa<RankedTensorType>(init.getType()))
      expected.push_back(init.getType());
  if (!llvm::equal(op->getResultTypes(), expected))
    return op->emitOpError()
           << "expected result types equal to the types of the destinations ("
           << constraint << ")";
  return success();
}

LogicalResult mlir::attn::verifySoftmaxState(Operation *op, Value acc,
                                             Value max, Value sum,
                                             StringRef constraint,
                                             bool isStatic) {
  auto accType = cast<ShapedType>(acc.getType()),
       maxType = cast<ShapedType>(max.getType());
  auto sumType = cast<ShapedType>(sum.getType());
  if (accType.getRank() != 3 ||
      maxType.getShape() != accType.getShape().drop_back() ||
      sumType.getShape() != maxType.getShape())
    return op->emitOpError()
           << "expected a state of acc [G, T, E], max [G, T], sum [G, T] ("
           << constraint << "), got " << accType << ", " << maxType << ", "
           << sumType;
  Type element = accType.getElementType();
  if ((!element.isF32() && !element.isF64()) ||
      maxType.getElementType() != element ||
      sumType.getElementType() != element)
    return op->emitOpError() << "expected a state of f32 or f64 (" << constraint
                             << "), got " << element;
  if (isStatic && !accType.hasStaticShape())
    return op->emitOpError() << "expected a state of static shape ("
                             << constraint << "), got " << accType;
  return success();
}

LogicalResult mlir::attn::verifyTileMap(Operation *op, StringRef name,
                                        AffineMap map, Value operand,
                                        unsigned numDims,
                                        ArrayRef<unsigned> required,
                                        ArrayRef<unsigned> allowed,
                                        StringRef constraint) {
  int64_t rank = cast<ShapedType>(operand.getType()).getRank();
  if (map.getNumDims() != numDims || map.getNumSymbols() != 0 ||
      map.getNumResults() != rank || !map.isProjectedPermutation())
    return op->emitOpError()
           << "expected the map of " << name << " to take " << numDims
           << " dimensions to " << rank << " distinct ones (" << constraint
           << "), got " << AffineMapAttr::get(map);
  for (unsigned dim : required)
    if (!map.isFunctionOfDim(dim))
      return op->emitOpError() << "expected the map of " << name << " to use d"
                               << dim << " (" << constraint << ")";
  for (unsigned dim = 0; dim < numDims; ++dim)
    if (map.isFunctionOfDim(dim) && !llvm::is_contained(required, dim) &&
        !llvm::is_contained(allowed, dim))
      return op->emitOpError()
             << "expected the map of " << name << " not to use d" << dim << " ("
             << constraint << ")";
  return success();
}

static AffineMap mapAt(ArrayAttr maps, unsigned index) {
  return cast<AffineMapAttr>(maps[index]).getValue();
}

//===----------------------------------------------------------------------===//
// online_packed
//===----------------------------------------------------------------------===//

LogicalResult OnlinePackedOp::verify() {
  auto query = cast<ShapedType>(getQuery().getType()),
       key = cast<ShapedType>(getKey().getType());
  auto value = cast<ShapedType>(getValue().getType()),
       acc = cast<ShapedType>(getAcc().getType());
  if (failed(verifySoftmaxState(getOperation(), getAcc(), getMax(), getSum(),
                                "C1",
                                /*isStatic=*/true)))
    return failure();
  if (query.getRank() != 3 || !query.hasStaticShape() ||
      query.getShape().drop_back() != acc.getShape().drop_back())
    return emitOpError()
           << "expected a static query [G, T, D] with G and T of acc (C1), got "
           << query;
  bool isRows = key.getRank() == 2 && getKeyLimit().value_or(0) > 0;
  if (!isRows && (key.getRank() < 3 || !key.hasStaticShape()))
    return emitOpError()
           << "expected static panels [P, D, NR] as key (C1), got " << key;
  if (value.getRank() < 2)
    return emitOpError() << "expected rows [K, E] as value (C1), got " << value;
  if (!getRelative() != !getRelativeQuery() ||
      !getRelative() != !getPositions())
    return emitOpError() << "expected relative with a query (C1)";
  if (getRelative()) {
    auto relative = cast<ShapedType>(getRelative().getType());
    if (isRows || relative.getRank() != key.getRank() ||
        relative.getShape().drop_front() != key.getShape().drop_front() ||
        getRelativeQuery().getType() != getQuery().getType())
      return emitOpError()
             << "expected panels like those of key as relative (C1), got "
             << relative << " for " << key;
  }
  return verifyTileResults(*this, "C2");
}

void OnlinePackedOp::getEffects(Effects &effects) {
  addTileEffects(*this, /*readsInits=*/true, effects);
}

Speculation::Speculatability OnlinePackedOp::getSpeculatability() {
  return getTileSpeculatability(*this);
}

//===----------------------------------------------------------------------===//
// merge
//===----------------------------------------------------------------------===//

LogicalResult MergeOp::verify() {
  if (failed(verifySoftmaxState(getOperation(), getAcc(), getMax(), getSum(),
                                "C2",
                                /*isStatic=*/false)))
    return failure();
  std::optional<int64_t> splits;
  for (auto [partial, whole] : {std::pair(getPartialAcc(), getAcc()),
                                std::pair(getPartialMax(), getMax()),
                                std::pair(getPartialSum(), getSum())}) {
    auto partialType = cast<ShapedType>(partial.getType()),
         wholeType = cast<ShapedType>(whole.getType());
    if (partialType.getRank() != wholeType.getRank() + 1 ||
        partialType.getShape().drop_front() != wholeType.getShape() ||
        partialType.getElementType() != wholeType.getElementType() ||
        (splits && *splits != partialType.getShape().front()))
      return emitOpError() << "expected partial states of the state's shape "
                              "with one more leading extent (C1), got "
                           << partialType << " for " << wholeType;
    splits = partialType.getShape().front();
  }
  return verifyTileResults(*this, "C3");
}

void MergeOp::getEffects(Effects &effects) {
  addTileEffects(*this, /*readsInits=*/false, effects);
}

Speculation::Speculatability MergeOp::getSpeculatability() {
  return getTileSpeculatability(*this);
}

//===----------------------------------------------------------------------===//
// finalize
//===----------------------------------------------------------------------===//

LogicalResult FinalizeOp::verify() {
  if (failed(verifySoftmaxState(getOperation(), getAcc(), getMax(), getSum(),
                                "C1",
                                /*isStatic=*/false)))
    return failure();
  ArrayAttr maps = getIndexingMaps();
  if (maps.size() != (getLse() ? 2u : 1u))
    return emitOpError() << "expected one map per destination (C2), got "
                         << maps.size();
  // A group of one needs no dimension.
  bool isSingle = cast<ShapedType>(getAcc().getType()).getShape()[0] == 1;
  SmallVector<unsigned> output{0, 1, 2}, lse{0, 1};
  ArrayRef<unsigned> outputDims(output), lseDims(lse);
  if (failed(verifyTileMap(getOperation(), "output", mapAt(maps, 0),
                           getOutput(), 3, outputDims.drop_front(isSingle), {0},
                           "C2")))
    return failure();
  if (getLse() &&
      failed(verifyTileMap(getOperation(), "lse", mapAt(maps, 1), getLse(), 3,
                           lseDims.drop_front(isSingle), {0}, "C2")))
    return failure();
  return verifyTileResults(*this, "C3");
}

void FinalizeOp::getEffects(Effects &effects) {
  addTileEffects(*this, /*readsInits=*/false, effects);
}

Speculation::Speculatability FinalizeOp::getSpeculatability() {
  return getTileSpeculatability(*this);
}

//===----------------------------------------------------------------------===//
// pack
//===----------------------------------------------------------------------===//

LogicalResult PackOp::verify() {
  if (failed(verifyTileMap(getOperation(), "source", getMap(), getSource(), 3,
                           {1, 2}, {0}, "C1")))
    return failure();
  auto dest = cast<ShapedType>(getDest().getType()),
       source = cast<ShapedType>(getSource().getType());
  bool isPanels = getLayout() == PackLayout::Panels,
       hasGroup = getMap().isFunctionOfDim(0);
  int64_t plainRank = (isPanels ? 3 : 2) + (hasGroup ? 1 : 0);
  bool isPaired =
      dest.getRank() == plainRank + 1 && dest.getShape().back() == 2;
  if (dest.getRank() != plainRank && !isPaired)
    return emitOpError() << "expected a destination of rank " << plainRank
                         << ", or one more with pairs (C2), got " << dest;
  for (auto [position, extent] : llvm::enumerate(dest.getShape()))
    if (ShapedType::isDynamic(extent) &&
        (isPanels || position != (hasGroup ? 1u : 0u)))
      return emitOpError() << "expected static extents of the destination but "
                              "for rows (C2), got "
                           << dest;
  auto sourceExtent = [&](unsigned dim) {
    std::optional<unsigned> position =
        getMap().getResultPosition(getAffineDimExpr(dim, getContext()));
    return position ? source.getDimSize(*position) : ShapedType::kDynamic;
  };
  if (ShapedType::isDynamic(sourceExtent(2)))
    return emitOpError() << "expected a static extent of depth (d2) in the "
                            "source (C3), got "
                         << source;
  int64_t depth =
      dest.getDimSize((hasGroup ? 1 : 0) + 1) * (isPanels && isPaired ? 2 : 1);
  if (sourceExtent(2) > depth ||
      (hasGroup && !ShapedType::isDynamic(sourceExtent(0)) &&
       sourceExtent(0) != dest.getDimSize(0)))
    return emitOpError()
           << "expected the source to fit the destination (C3), got " << source
           << " for " << dest;
  return verifyTileResults(*this, "C4");
}

void PackOp::getEffects(Effects &effects) {
  addTileEffects(*this, /*readsInits=*/false, effects);
}

Speculation::Speculatability PackOp::getSpeculatability() {
  return getTileSpeculatability(*this);
}
