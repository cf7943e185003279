//===- TileOverKeys.cpp - attention of few queries ------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Decoding has one query a head and thousands of keys: the keys are what
// threads share. Every range of keys gets a state of its own, and a second loop
// merges them (Flash-Decoding, Dao et al. 2023). The ranges depend on the
// length alone, so results do not depend on the number of threads.
//
//===----------------------------------------------------------------------===//

#include "Tiler.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;
using namespace mlir::attn;

bool Tiler::hasFewQueries() {
  int64_t extent = op.getStaticExtent(D::kQuery);
  int64_t perGroup = isGrouped() ? op.getGroupSize() : 1;
  // Only one range of keys, for all heads, can be cut into tasks.
  if (MaskAttrInterface whole = op.getMaskAttr();
      whole && (!whole.isContiguous() || whole.dependsOnHead()))
    return false;
  // Positions between few queries and all keys are a product of panels.
  return !ShapedType::isDynamic(extent) && extent > 0 && !op.getRelative() &&
         extent * perGroup <= options.fewRows;
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

ValueRange Tiler::tileOverKeys() {
  chooseSizes();
  check();
  mask = op.getMaskAttr();
  rows = op.getStaticExtent(D::kQuery);
  firstQuery = attr(0);
  count = attr(rows);
  keyTile = std::min(options.keySplit, 2 * options.keyTile);
  if (int64_t extent = op.getStaticExtent(D::kKey);
      keyTile != kAllKeys && !ShapedType::isDynamic(extent))
    keyTile = std::max<int64_t>(1, std::min(keyTile, extent));
  keepWithinPages();
  AffineExpr s0 = b.getAffineSymbolExpr(0), s1 = b.getAffineSymbolExpr(1);
  batch = head = attr(0);
  KeyRange range = buildKeyRanges().front();
  Value first = range.begin, end = range.end;
  Value length = b.createOrFold<arith::MaxSIOp>(
      loc, value(attr(0)), b.createOrFold<arith::SubIOp>(loc, end, first));
  OpFoldResult splits =
      apply(s0.ceilDiv(options.keySplit), {OpFoldResult(length)});
  auto split = [&](scf::ForallOp loop) {
    SmallVector<Value> ids = loop.getInductionVars();
    placeHeads(ids[0], ids[1]);
    OpFoldResult begin = apply(s0 + s1 * options.keySplit,
                               {OpFoldResult(first), OpFoldResult(ids[2])});
    auto map =
        AffineMap::get(0, 2, {s0 + options.keySplit, s1}, b.getContext());
    OpFoldResult stop = affine::makeComposedFoldedAffineMin(
        b, loc, map, {begin, OpFoldResult(end)});
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
