//===- TileOverKeys.cpp - attention of few queries ------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Decoding has one query a head and thousands of keys: the keys are what
// threads share. Every range of keys gets a state of its own, and a second loop
// merges them (Flash-Decoding, Dao et al. 2023). So it is where more queries,
// of few heads, are not tasks enough. The ranges depend on shapes alone, so
// results do not depend on the number of threads.
//
//===----------------------------------------------------------------------===//

#include "Tiler.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;

/// Tiles of keys of a task: its state is written and read once more.
static constexpr int64_t kLeastTiles = 4;

/// Whether the keys can be cut into tasks: there is one range of them, for all
/// heads.
bool Tiler::canSplitKeys() {
  MaskAttrInterface whole = op.getMaskAttr();
  // Positions between few queries and all keys are a product of panels.
  return !op.getRelative() &&
         (!whole || (whole.isContiguous() && !whole.dependsOnHead()));
}

bool Tiler::hasFewQueries() {
  int64_t extent = op.getStaticExtent(D::kQuery);
  int64_t perGroup = isGrouped() ? op.getGroupSize() : 1;
  return !ShapedType::isDynamic(extent) && extent > 0 && canSplitKeys() &&
         extent * perGroup <= options.fewRows;
}

int64_t Tiler::countKeyTasks() {
  if (hasFewQueries())
    return kTasksByLength;
  int64_t extent = op.getStaticExtent(D::kQuery);
  int64_t all = op.getStaticExtent(D::kBatch) * op.getStaticExtent(D::kHead);
  bool isBounded = op.getMaskAttr() && op.getMaskAttr().getMaxSpan();
  for (D dim : {D::kQuery, D::kBatch, D::kHead})
    if (ShapedType::isDynamic(op.getStaticExtent(dim)) ||
        op.getStaticExtent(dim) == 0)
      return 0;
  if (!canSplitKeys() || isBounded || options.keyTile == kAllKeys ||
      !op.getSegments().empty())
    return 0;
  // One tile holds all queries of a key head. Smaller tiles, which pack the
  // keys again each, are as good where they already make the tasks.
  int64_t perGroup = isGrouped() ? op.getGroupSize() : 1;
  int64_t headSize = std::max<int64_t>({64, op.getStaticExtent(D::kHeadSize),
                                        op.getStaticExtent(D::kValueSize)});
  int64_t smallest = std::max<int64_t>(1, extent / (8 * rowAlign()));
  int64_t heads = std::max<int64_t>(1, all / perGroup);
  int64_t keys = op.getStaticExtent(D::kKey);
  if (extent * perGroup > options.queryTile * 64 / headSize ||
      heads * smallest >= options.minTiles ||
      (!ShapedType::isDynamic(keys) && keys <= kLeastTiles * options.keyTile))
    return 0;
  return llvm::divideCeil(options.minTiles, heads);
}

OpFoldResult Tiler::keyHeads() {
  return apply(b.getAffineSymbolExpr(0).floorDiv(group), {heads});
}

SmallVector<Value> Tiler::buildPartials(OpFoldResult splits) {
  SmallVector<Value> partials;
  for (unsigned part = 0; part < 3; ++part) {
    SmallVector<OpFoldResult> sizes{batches, keyHeads(), splits};
    for (int64_t extent : stateType(part).getShape())
      sizes.push_back(attr(extent));
    partials.push_back(
        tensor::EmptyOp::create(b, loc, sizes, op.getAccumulatorType()));
  }
  return partials;
}

/// Of one batch and key head, which `ids` begins with, `number` splits.
SlicePosition Tiler::partialPosition(unsigned part, ValueRange ids,
                                     OpFoldResult split, OpFoldResult number) {
  SlicePosition at{{ids[0], ids[1], split}, {attr(1), attr(1), number}, {}};
  for (int64_t extent : stateType(part).getShape()) {
    at.offsets.push_back(attr(0));
    at.sizes.push_back(attr(extent));
  }
  at.strides.assign(at.sizes.size(), attr(1));
  return at;
}

/// The outputs from all partial states.
ValueRange Tiler::mergePartials(ValueRange partials, OpFoldResult splits) {
  SmallVector<Value> outputs(op.getDpsInits());
  auto merged =
      buildForall({batches, keyHeads()}, outputs, [&](scf::ForallOp loop) {
        SmallVector<Value> ids = loop.getInductionVars(), parts, state;
        placeHeads(ids[0], ids[1]);
        for (unsigned part = 0; part < 3; ++part) {
          SlicePosition at = partialPosition(part, ids, attr(0), splits);
          SmallVector<int64_t> shape{
              getConstantIntValue(splits).value_or(ShapedType::kDynamic)};
          llvm::append_range(shape, stateType(part).getShape());
          auto type = RankedTensorType::get(shape, op.getAccumulatorType());
          parts.push_back(tensor::ExtractSliceOp::create(
              b, loc, type, partials[part], at.offsets, at.sizes, at.strides));
          state.push_back(
              tensor::EmptyOp::create(b, loc, stateType(part), ValueRange()));
        }
        auto merge =
            MergeOp::create(b, loc, ValueRange(state).getTypes(), parts[0],
                            parts[1], parts[2], state[0], state[1], state[2]);
        buildFinish(merge.getResults(), loop.getRegionOutArgs());
      });
  return merged.getResults();
}

/// Keys of a task, and the tiles of them that it takes.
OpFoldResult Tiler::chooseKeySplit(int64_t tasks, Value length) {
  int64_t extent = op.getStaticExtent(D::kKey);
  keyTile = tasks == kTasksByLength
                ? std::min(options.keySplit, 2 * options.keyTile)
                : options.keyTile;
  if (keyTile != kAllKeys && !ShapedType::isDynamic(extent))
    keyTile = std::max<int64_t>(1, std::min(keyTile, extent));
  if (tasks == kTasksByLength)
    return attr(options.keySplit);
  AffineExpr s0 = b.getAffineSymbolExpr(0);
  Value even =
      value(apply(s0.ceilDiv(tasks).ceilDiv(options.keyTile) * options.keyTile,
                  {getAsOpFoldResult(length)}));
  return getAsOpFoldResult(b.createOrFold<arith::MaxUIOp>(
      loc, even, value(attr(kLeastTiles * options.keyTile))));
}

ValueRange Tiler::tileOverKeys() {
  int64_t tasks = countKeyTasks();
  chooseSizes();
  check();
  mask = op.getMaskAttr();
  int64_t extent = op.getStaticExtent(D::kQuery);
  rows = tasks == kTasksByLength ? extent : llvm::alignTo(extent, rowAlign());
  firstQuery = attr(0);
  count = attr(extent);
  AffineExpr s0 = b.getAffineSymbolExpr(0), s1 = b.getAffineSymbolExpr(1),
             s2 = b.getAffineSymbolExpr(2);
  batch = head = attr(0);
  KeyRange range = buildKeyRanges().front();
  Value first = range.begin, end = range.end;
  Value length = b.createOrFold<arith::MaxSIOp>(
      loc, value(attr(0)), b.createOrFold<arith::SubIOp>(loc, end, first));
  OpFoldResult perTask = chooseKeySplit(tasks, length);
  keepWithinPages();
  OpFoldResult splits = getAsOpFoldResult(
      b.createOrFold<arith::CeilDivUIOp>(loc, length, value(perTask)));
  auto split = [&](scf::ForallOp loop) {
    SmallVector<Value> ids = loop.getInductionVars();
    placeHeads(ids[0], ids[1]);
    OpFoldResult begin = apply(s0 + s1 * s2, {getAsOpFoldResult(first),
                                              OpFoldResult(ids[2]), perTask});
    auto map = AffineMap::get(0, 3, {s0 + s2, s1}, b.getContext());
    OpFoldResult stop = affine::makeComposedFoldedAffineMin(
        b, loc, map, {begin, getAsOpFoldResult(end), perTask});
    SmallVector<Value> state =
        buildKeyLoop({value(begin), value(stop), range.mask, std::nullopt},
                     buildInitialState());
    SmallVector<SlicePosition> positions;
    for (unsigned part = 0; part < 3; ++part)
      positions.push_back(partialPosition(part, ids, ids[2], attr(1)));
    insertInParallel(state, loop.getRegionOutArgs(), positions);
  };
  auto partial =
      buildForall({batches, keyHeads(), splits}, buildPartials(splits), split);
  return mergePartials(partial.getResults(), splits);
}
