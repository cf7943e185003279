//===- LowRankSlots.cpp - keys and values added up into slots -------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A parallel loop over tasks of some slots of some heads. A task meets the
// positions in tiles; the tile of the projection serves all of its heads, and
// the sums of one task stay in cache (docs/Rationale/LowRank.md).
//
//===----------------------------------------------------------------------===//

#include "LowRankTiler.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;

/// Positions of a task when blocks are small.
static constexpr int64_t kTaskPositions = 2048;

OpFoldResult LowRankTiler::clip(int64_t limit, OpFoldResult begin,
                                OpFoldResult end) {
  // Begins are multiples of the limit.
  std::optional<int64_t> last = getConstantIntValue(end);
  if (last && *last % limit == 0)
    return attr(limit);
  AffineExpr s0 = b.getAffineSymbolExpr(0), s1 = b.getAffineSymbolExpr(1);
  auto map = AffineMap::get(0, 2, {b.getAffineConstantExpr(limit), s1 - s0},
                            b.getContext());
  return affine::makeComposedFoldedAffineMin(b, loc, map, {begin, end});
}

/// Tasks of even size, of which there are enough for all, and no fewer slots
/// than keep the positions from being read too often.
void LowRankTiler::chooseSizes(SlotSide &side) {
  AffineExpr s0 = b.getAffineSymbolExpr(0);
  size = op.getStaticExtent(D(side.sizeDim));
  paddedSize = llvm::alignTo(size, options.columnAlign);
  int64_t heads = side.hasHead ? op.getStaticExtent(D::kHead) / slotSharing : 1;
  slotHeads = side.hasHead ? apply(s0.floorDiv(slotSharing),
                                   {op.getExtent(b, loc, D::kHead)})
                           : attr(1);
  bool hasOwnHeads = op.getMapOf(*side.projection).isFunctionOfDim(D::kHead);
  bool areHeadsKnown =
      !side.hasHead || !ShapedType::isDynamic(op.getStaticExtent(D::kHead));
  headTile = hasOwnHeads || !areHeadsKnown
                 ? 1
                 : std::min<int64_t>(options.headTile, heads);
  int64_t longest = op.getStaticExtent(D::kKey);
  positionTile = options.positionTile;
  if (block)
    positionTile = std::min(positionTile, block);
  if (!ShapedType::isDynamic(longest) && longest > 0)
    positionTile = std::min(positionTile, longest);
  slotTile = perBlock;
  if (block) {
    partBlocks = std::max<int64_t>(1, kTaskPositions / block);
    slotTiles = attr(1);
    parts = apply(s0.ceilDiv(partBlocks), {blocks});
    return;
  }
  int64_t batches = side.hasBatch ? op.getStaticExtent(D::kBatch) : 1;
  int64_t others = 1;
  if (areHeadsKnown && !ShapedType::isDynamic(batches))
    others = std::max<int64_t>(1, batches * llvm::divideCeil(heads, headTile));
  int64_t most = llvm::divideCeil(perBlock, 4 * options.rowAlign);
  int64_t number = std::clamp<int64_t>(
      llvm::divideCeil<int64_t>(options.minTiles, others), 1, most);
  number =
      std::max<int64_t>(number, llvm::divideCeil(perBlock, options.slotTile));
  slotTile = std::min<int64_t>(
      perBlock,
      llvm::alignTo(llvm::divideCeil(perBlock, number), options.rowAlign));
  slotTiles = attr(llvm::divideCeil(perBlock, slotTile));
  parts = attr(1);
}

static unsigned dimOf(AffineExpr expr) {
  if (auto binary = dyn_cast<AffineBinaryOpExpr>(expr))
    expr = binary.getLHS();
  return cast<AffineDimExpr>(expr).getPosition();
}

static int64_t divisorOf(AffineExpr expr) {
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  return binary ? cast<AffineConstantExpr>(binary.getRHS()).getValue() : 1;
}

/// A slice of which unit dimensions are dropped.
static Value dropSlice(OpBuilder &b, Location loc, Value source,
                       ArrayRef<OpFoldResult> offsets,
                       ArrayRef<OpFoldResult> sizes, ArrayRef<bool> isDropped) {
  SmallVector<int64_t> shape;
  for (auto [extent, dropped] : llvm::zip_equal(sizes, isDropped))
    if (!dropped)
      shape.push_back(
          getConstantIntValue(extent).value_or(ShapedType::kDynamic));
  SmallVector<OpFoldResult> strides(sizes.size(), b.getIndexAttr(1));
  auto type = RankedTensorType::get(shape, getElementTypeOrSelf(source));
  return tensor::ExtractSliceOp::create(b, loc, type, source, offsets, sizes,
                                        strides);
}

/// The rows of one head, and their map over (s, t, d).
Value LowRankTiler::sliceSource(SlotSide &side, OpFoldResult head,
                                OpFoldResult position, OpFoldResult count,
                                AffineMap &map) {
  SmallVector<OpFoldResult> offsets, sizes;
  SmallVector<bool> isDropped;
  SmallVector<AffineExpr> results;
  AffineExpr s0 = b.getAffineSymbolExpr(0);
  for (AffineExpr expr : op.getMapOf(*side.source).getResults()) {
    unsigned dim = dimOf(expr);
    bool dropped = dim == D::kBatch || dim == D::kHead;
    isDropped.push_back(dropped);
    if (dim == D::kBatch)
      offsets.push_back(batch);
    else if (dim == D::kHead)
      // From heads of the slots to those of the source.
      offsets.push_back(
          apply((s0 * slotSharing).floorDiv(divisorOf(expr)), {head}));
    else
      offsets.push_back(dim == D::kKey ? position : attr(0));
    sizes.push_back(dropped ? attr(1) : dim == D::kKey ? count : attr(size));
    if (!dropped)
      results.push_back(b.getAffineDimExpr(dim == D::kKey ? 1 : 2));
  }
  map = AffineMap::get(3, 0, results, b.getContext());
  return dropSlice(b, loc, side.source->get(), offsets, sizes, isDropped);
}

/// The weights of the task's slots, and their map over (s, t, d).
Value LowRankTiler::sliceWeights(SlotSide &side, OpFoldResult position,
                                 OpFoldResult count, AffineMap &map) {
  SmallVector<OpFoldResult> offsets, sizes;
  SmallVector<bool> isDropped;
  SmallVector<AffineExpr> results;
  AffineExpr s0 = b.getAffineSymbolExpr(0);
  for (AffineExpr expr : op.getMapOf(*side.projection).getResults()) {
    unsigned dim = dimOf(expr);
    isDropped.push_back(dim == D::kHead);
    if (dim == D::kHead) {
      offsets.push_back(
          apply((s0 * slotSharing).floorDiv(divisorOf(expr)), {firstHead}));
      sizes.push_back(attr(1));
      continue;
    }
    offsets.push_back(dim == D::kKey ? position : firstSlot);
    sizes.push_back(dim == D::kKey ? count : slotCount);
    results.push_back(b.getAffineDimExpr(dim == D::kKey ? 1 : 0));
  }
  map = AffineMap::get(3, 0, results, b.getContext());
  return dropSlice(b, loc, side.projection->get(), offsets, sizes, isDropped);
}

/// The sums of one head of the task.
Value LowRankTiler::sliceHead(Value acc, Value head) {
  return dropSlice(b, loc, acc, {OpFoldResult(head), attr(0), attr(0)},
                   {attr(1), slotCount, attr(paddedSize)},
                   {true, false, false});
}

/// The flags of a tile of positions.
Value LowRankTiler::sliceValid(OpFoldResult position, OpFoldResult count) {
  if (!op.getKeyValid())
    return Value();
  SmallVector<OpFoldResult> offsets, sizes;
  SmallVector<bool> isDropped;
  for (AffineExpr expr : op.getKeyValidMap().getResults()) {
    bool isBatch = dimOf(expr) == D::kBatch;
    offsets.push_back(isBatch ? batch : position);
    sizes.push_back(isBatch ? attr(1) : count);
    isDropped.push_back(isBatch);
  }
  return dropSlice(b, loc, op.getKeyValid(), offsets, sizes, isDropped);
}

/// One tile of positions for every head of the task.
Value LowRankTiler::buildProducts(SlotSide &side, Value weights,
                                  AffineMap weightMap, OpFoldResult position,
                                  OpFoldResult count, Value acc) {
  auto loop = scf::ForOp::create(b, loc, value(attr(0)), value(headCount),
                                 value(attr(1)), acc);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value head = loop.getInductionVar(), carried = loop.getRegionIterArg(0);
  AffineExpr s0 = b.getAffineSymbolExpr(0), s1 = b.getAffineSymbolExpr(1);
  AffineMap rowMap;
  Value rows =
      sliceSource(side, apply(s0 + s1, {firstHead, OpFoldResult(head)}),
                  position, count, rowMap);
  Value valid = sliceValid(position, count), sums = sliceHead(carried, head);
  auto project =
      ProjectOp::create(b, loc, TypeRange(sums.getType()), weights, rows, valid,
                        sums, b.getAffineMapArrayAttr({weightMap, rowMap}));
  SmallVector<OpFoldResult> offsets{OpFoldResult(head), attr(0), attr(0)},
      sizes{attr(1), slotCount, attr(paddedSize)}, strides(3, attr(1));
  Value next = tensor::InsertSliceOp::create(b, loc, project->getResult(0),
                                             carried, offsets, sizes, strides);
  scf::YieldOp::create(b, loc, next);
  return loop.getResult(0);
}

/// All positions of a block, or of the sequence.
Value LowRankTiler::buildPositions(SlotSide &side, OpFoldResult begin,
                                   OpFoldResult length, Value acc) {
  AffineExpr s0 = b.getAffineSymbolExpr(0), s1 = b.getAffineSymbolExpr(1);
  auto loop = scf::ForOp::create(b, loc, value(attr(0)), value(length),
                                 value(attr(positionTile)), acc);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  OpFoldResult at = loop.getInductionVar();
  OpFoldResult count = clip(positionTile, at, length);
  AffineMap weightMap;
  Value weights = sliceWeights(side, at, count, weightMap);
  scf::YieldOp::create(b, loc,
                       buildProducts(side, weights, weightMap,
                                     apply(s0 + s1, {begin, at}), count,
                                     loop.getRegionIterArg(0)));
  return loop.getResult(0);
}

/// The sums, in the type of the slots, into the task's part of them.
Value LowRankTiler::store(SlotSide &side, Value acc, OpFoldResult first,
                          Value tile) {
  Value sums = dropSlice(b, loc, acc, {attr(0), attr(0), attr(0)},
                         {headCount, slotCount, attr(size)},
                         {!side.hasHead, false, false});
  SmallVector<OpFoldResult> offsets{first, attr(0)},
      sizes{slotCount, attr(size)};
  if (side.hasHead) {
    offsets.insert(offsets.begin(), attr(0));
    sizes.insert(sizes.begin(), headCount);
  }
  SmallVector<OpFoldResult> strides(sizes.size(), attr(1));
  Value part =
      tensor::ExtractSliceOp::create(b, loc, tile, offsets, sizes, strides);
  int64_t rank = sizes.size();
  SmallVector<AffineMap> maps(2, b.getMultiDimIdentityMap(rank));
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  Type element = getElementTypeOrSelf(tile);
  auto generic = linalg::GenericOp::create(
      b, loc, part.getType(), sums, part, maps, iterators,
      [&](OpBuilder &nested, Location l, ValueRange arguments) {
        Value result = arguments[0];
        if (element != type)
          result = arith::TruncFOp::create(nested, l, element, result);
        linalg::YieldOp::create(nested, l, result);
      });
  return tensor::InsertSliceOp::create(b, loc, generic.getResult(0), tile,
                                       offsets, sizes, strides);
}

/// The slots of one block of positions, or of all of them.
Value LowRankTiler::buildBlock(SlotSide &side, OpFoldResult begin,
                               OpFoldResult length, OpFoldResult first,
                               Value tile) {
  Value zero = arith::ConstantOp::create(b, loc, b.getFloatAttr(type, 0));
  Value empty = tensor::EmptyOp::create(
      b, loc, ArrayRef<int64_t>{headTile, slotTile, paddedSize}, type);
  Value acc = linalg::FillOp::create(b, loc, zero, empty).getResult(0);
  return store(side, buildPositions(side, begin, length, acc), first, tile);
}

/// The task's part of the slots.
Value LowRankTiler::buildTask(SlotSide &side, OpFoldResult part, Value tile) {
  if (!block)
    return buildBlock(side, attr(0), positions, attr(0), tile);
  AffineExpr s0 = b.getAffineSymbolExpr(0), s1 = b.getAffineSymbolExpr(1);
  OpFoldResult firstBlock = apply(s0 * partBlocks, {part});
  auto loop = scf::ForOp::create(b, loc, value(attr(0)),
                                 value(clip(partBlocks, firstBlock, blocks)),
                                 value(attr(1)), tile);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  OpFoldResult at = loop.getInductionVar();
  OpFoldResult begin = apply((s0 + s1) * block, {firstBlock, at});
  OpFoldResult length =
      op.getCausal() ? attr(block) : clip(block, begin, positions);
  scf::YieldOp::create(b, loc,
                       buildBlock(side, begin, length,
                                  apply(s0 * perBlock, {at}),
                                  loop.getRegionIterArg(0)));
  return loop.getResult(0);
}

/// The parallel loop over all tasks.
Value LowRankTiler::buildSlots(SlotSide &side) {
  chooseSizes(side);
  SmallVector<OpFoldResult> shape;
  if (side.hasBatch)
    shape.push_back(op.getExtent(b, loc, D::kBatch));
  if (side.hasHead)
    shape.push_back(slotHeads);
  shape.append({slots, attr(size)});
  Value init = tensor::EmptyOp::create(
      b, loc, shape, getElementTypeOrSelf(side.source->get()));
  AffineExpr s0 = b.getAffineSymbolExpr(0);
  SmallVector<OpFoldResult> bounds{side.hasBatch ? shape.front() : attr(1),
                                   apply(s0.ceilDiv(headTile), {slotHeads}),
                                   parts, slotTiles};
  auto forall = scf::ForallOp::create(b, loc, bounds, init, std::nullopt);
  forall.getTerminator()->erase();
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(forall.getBody());
  SmallVector<Value> ids(forall.getInductionVars());
  batch = ids[0];
  firstHead = apply(s0 * headTile, {OpFoldResult(ids[1])});
  headCount = clip(headTile, firstHead, slotHeads);
  firstSlot = apply(s0 * slotTile, {OpFoldResult(ids[3])});
  slotCount = clip(slotTile, firstSlot, attr(perBlock));
  OpFoldResult first = firstSlot, count = slotCount;
  if (block) {
    first = apply(s0 * (partBlocks * perBlock), {OpFoldResult(ids[2])});
    count = clip(partBlocks * perBlock, first, slots);
  }
  SmallVector<OpFoldResult> offsets, sizes;
  SmallVector<bool> isDropped;
  auto add = [&](OpFoldResult offset, OpFoldResult extent, bool dropped) {
    offsets.push_back(offset);
    sizes.push_back(extent);
    isDropped.push_back(dropped);
  };
  if (side.hasBatch)
    add(batch, attr(1), true);
  if (side.hasHead)
    add(firstHead, headCount, false);
  add(first, count, false);
  add(attr(0), attr(size), false);
  Value shared = forall.getRegionIterArgs()[0];
  Value tile = dropSlice(b, loc, shared, offsets, sizes, isDropped);
  Value done = buildTask(side, OpFoldResult(ids[2]), tile);
  auto terminator = scf::InParallelOp::create(b, loc);
  b.setInsertionPointToStart(terminator.getBody());
  SmallVector<OpFoldResult> strides(sizes.size(), attr(1));
  tensor::ParallelInsertSliceOp::create(b, loc, done, shared, offsets, sizes,
                                        strides);
  return forall.getResult(0);
}
