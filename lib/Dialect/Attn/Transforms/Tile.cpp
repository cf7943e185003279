//===- Tile.cpp - attention as loops over tiles ---------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pass attn-tile: attn.attention becomes a parallel loop over tiles of queries
// around a loop over tiles of keys, with the state of the streaming softmax
// carried in between (FlashAttention-2, Dao 2023, algorithm 1).
//
//===----------------------------------------------------------------------===//

#include "TileLinear.h"
#include "TilePages.h"
#include "Tiler.h"

#include "attn/Conversion/AttnToLinalg/AttnToLinalg.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/MathExtras.h"

#define DEBUG_TYPE "attn-tile"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNTILEPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

using D = AttentionOp::Dim;

/// Rows of a tile: few enough for the caches, even over the sequence, and small
/// enough that there are tasks for all.
void Tiler::chooseQueryTile() {
  queryBlock = mask ? mask.getQueryBlock() : 0;
  tileOrigin = firstOfPiece;
  if (queryBlock != 0)
    return chooseBlockTile();
  int64_t extent =
      getConstantIntValue(pieceQueries).value_or(ShapedType::kDynamic);
  int64_t align = rowAlign();
  int64_t headSize = std::max(op.getStaticExtent(D::kHeadSize),
                              op.getStaticExtent(D::kValueSize));
  // Beyond `full-head-size`, larger heads get fewer rows for the same bytes.
  int64_t limit = options.queryTile * options.fullHeadSize /
                  std::max<int64_t>(options.fullHeadSize, headSize) / group;
  if (mask && mask.getMaxSpan())
    limit = std::min(limit, options.queryTile / 2);
  limit = std::max(align, std::min(limit, mostRelativeRows()) / align * align);
  AffineExpr s0 = b.getAffineSymbolExpr(0), s1 = b.getAffineSymbolExpr(1);
  // Enough tiles for `min-tiles` tasks, but none below 8 strips of rows.
  OpFoldResult others =
      apply(s0 * s1, {batches, apply(s0.floorDiv(group), {heads})});
  OpFoldResult wanted = affine::makeComposedFoldedAffineMin(
      b, loc,
      AffineMap::get(
          0, 2,
          {(s1.ceilDiv(8 * align)), b.getAffineConstantExpr(options.minTiles)},
          b.getContext()),
      {others, pieceQueries});
  Value perHead = arith::CeilDivUIOp::create(
      b, loc, value(wanted),
      arith::MaxUIOp::create(b, loc, value(others), value(attr(1))));
  Value byCache = value(apply(s0.ceilDiv(limit), {pieceQueries}));
  Value number = b.createOrFold<arith::MaxUIOp>(loc, perHead, byCache);
  number = b.createOrFold<arith::MaxUIOp>(loc, number, value(attr(1)));
  Value even =
      b.createOrFold<arith::CeilDivUIOp>(loc, value(pieceQueries), number);
  step = apply(s0.ceilDiv(align) * align, {OpFoldResult(even)});
  step = OpFoldResult(
      b.createOrFold<arith::MaxUIOp>(loc, value(step), value(attr(align))));
  tiles = OpFoldResult(b.createOrFold<arith::CeilDivUIOp>(
      loc, value(pieceQueries), value(step)));
  if (std::optional<int64_t> constant = getConstantIntValue(step)) {
    step = attr(*constant);
    rows = *constant;
  } else {
    rows = ShapedType::isDynamic(extent)
               ? limit
               : std::min<int64_t>(limit, llvm::alignTo(extent, align));
  }
  if (std::optional<int64_t> constant = getConstantIntValue(tiles))
    tiles = attr(*constant);
}

/// Whether queries have heads of their own where keys share theirs.
bool Tiler::isGrouped() {
  return op.getQueryMap().isFunctionOfDim(D::kHead) &&
         op.getOutputMap().isFunctionOfDim(D::kHead);
}

void Tiler::chooseSizes() {
  batches = op.getExtent(b, loc, D::kBatch);
  heads = op.getExtent(b, loc, D::kHead);
  queries = op.getExtent(b, loc, D::kQuery);
  keys = op.getExtent(b, loc, D::kKey);
  sharing = op.getGroupSize();
  // Heads that see different keys do not share a tile.
  bool seeTheSame = !op.getMaskAttr() || !op.getMaskAttr().dependsOnHead();
  group = isGrouped() && seeTheSame ? sharing : 1;
}

/// Keys of a tile: those of a whole range where it is short, so that its
/// softmax is done in one step.
int64_t Tiler::chooseKeyTile(const KeyRange &range) {
  if (options.keyTile == kAllKeys)
    return kAllKeys;
  auto mask = dyn_cast_or_null<MaskAttrInterface>(range.mask);
  int64_t size =
      range.length ? std::min(*range.length, options.keyTile) : options.keyTile;
  if (mask && mask.getMaxSpan())
    if (int64_t all = llvm::alignTo(*mask.getMaxSpan() + rows, 64);
        all <= options.windowKeys)
      size = range.length ? std::min(*range.length, all) : all;
  if (int64_t extent = op.getStaticExtent(D::kKey);
      !ShapedType::isDynamic(extent))
    size = std::min(size, extent);
  return std::max<int64_t>(1, size);
}

/// Where the tile stands; on the key side heads are shared and dropped, on the
/// query side they are the group.
Box Tiler::boxAt(OpFoldResult firstKey, OpFoldResult keyCount, bool isKeySide) {
  Box box;
  box[D::kBatch] = {batch, attr(1), true};
  box[D::kHead] =
      isKeySide ? Span{keyHead, attr(1), true} : Span{head, attr(group), false};
  box[D::kQuery] = {firstQuery, count};
  box[D::kKey] = {firstKey, keyCount};
  box[D::kHeadSize] = {attr(0), attr(op.getStaticExtent(D::kHeadSize))};
  box[D::kValueSize] = {attr(0), attr(op.getStaticExtent(D::kValueSize))};
  return box;
}

static unsigned dimOf(AffineExpr expr) { return AttentionOp::getDimOf(expr); }

SlicePosition Tiler::positionIn(AffineMap map, const Box &box) {
  return attn::positionIn(b, map, box, AttentionOp::getDimOf);
}

/// The map of a slice over the tile's dimensions, which are `order` of the
/// attention domain.
AffineMap Tiler::tileMap(AffineMap map, const Box &box,
                         ArrayRef<unsigned> order) {
  SmallVector<AffineExpr> results;
  auto placeOf = [&](unsigned dim) {
    return b.getAffineDimExpr(llvm::find(order, dim) - order.begin());
  };
  for (AffineExpr expr : map.getResults())
    if (dimOf(expr) == D::kRelative)
      results.push_back(placeOf(D::kKey) - placeOf(D::kQuery));
    else if (!box[dimOf(expr)].isDropped)
      results.push_back(placeOf(dimOf(expr)));
  return AffineMap::get(order.size(), 0, results, b.getContext());
}

/// acc [G, T, E'], then max and sum [G, T].
RankedTensorType Tiler::stateType(unsigned part) {
  SmallVector<int64_t> shape{group, rows};
  if (part == 0)
    shape.push_back(
        llvm::alignTo(op.getStaticExtent(D::kValueSize), options.columnAlign));
  return RankedTensorType::get(shape, op.getAccumulatorType());
}

SmallVector<Value> Tiler::buildInitialState() {
  SmallVector<Value> state;
  for (unsigned part = 0; part < 3; ++part) {
    Value empty =
        tensor::EmptyOp::create(b, loc, stateType(part), ValueRange());
    state.push_back(buildIdentity(b, loc, part, empty));
  }
  return state;
}

/// The keys of the tile that begins at `firstKey`.
OpFoldResult Tiler::countKeys(Value firstKey, const KeyRange &range) {
  if (keyTile != kAllKeys)
    return clip(keyTile, firstKey, range.end);
  AffineExpr s0 = b.getAffineSymbolExpr(0), s1 = b.getAffineSymbolExpr(1);
  OpFoldResult begin = getAsOpFoldResult(firstKey),
               end = getAsOpFoldResult(range.end);
  if (getConstantIntValue(begin) == 0) // no range ends before the first key
    return end;
  auto atLeastNone = AffineMap::get(0, 2, {s1 - s0, b.getAffineConstantExpr(0)},
                                    b.getContext());
  return affine::makeComposedFoldedAffineMax(b, loc, atLeastNone, {begin, end});
}

/// One tile of keys: attn.online_attention on slices.
SmallVector<Value> Tiler::buildStep(Value firstKey, const KeyRange &range,
                                    ValueRange state) {
  OpFoldResult keyCount = countKeys(firstKey, range);
  Box queryBox = boxAt(firstKey, keyCount, false),
      keyBox = boxAt(firstKey, keyCount, true), partBox = keyBox;
  partBox[D::kKey].offset =
      apply(b.getAffineSymbolExpr(0) - b.getAffineSymbolExpr(1),
            {OpFoldResult(firstKey), partFirst});
  SmallVector<unsigned> order{D::kHead, D::kQuery, D::kKey, D::kHeadSize,
                              D::kValueSize};
  SmallVector<Attribute> maps;
  auto take = [&](Value source, AffineMap map, Box box) -> Value {
    if (!source)
      return Value();
    if (AttentionOp::isRelative(map))
      box[D::kRelative] = relativeSpan(source, map, firstKey, keyCount);
    maps.push_back(AffineMapAttr::get(tileMap(map, box, order)));
    return slice(source, map, box);
  };
  Value query = take(op.getQuery(), op.getQueryMap(), queryBox);
  Value key = take(partKey, op.getKeyMap(), partBox),
        tileValue = take(partValue, op.getValueMap(), partBox);
  Value bias = take(op.getBias(), op.getBiasMap(), queryBox);
  Value valid = take(op.getKeyValid(), op.getKeyValidMap(), keyBox);
  Value relative = take(op.getRelative(), op.getRelativeMap(), keyBox),
        relativeQuery;
  if (relative)
    relativeQuery = slice(op.getRelativeQuery(), op.getQueryMap(), queryBox);
  auto online = OnlineAttentionOp::create(
      b, loc, TypeRange(state), query, key, tileValue, bias, valid, state[0],
      state[1], state[2], value(batch), value(head), value(firstQuery),
      firstKey, value(queries), value(keys), relative, relativeQuery,
      b.getArrayAttr(maps), b.getF64FloatAttr(op.getEffectiveScale()),
      op.getSoftcapAttr(), dyn_cast_or_null<MaskAttrInterface>(range.mask));
  IRMapping mapping;
  op.getScoreMod().cloneInto(&online.getScoreMod(), mapping);
  return SmallVector<Value>(online.getResults());
}

/// The keys that the queries of this tile may see.
SmallVector<KeyRange> Tiler::buildKeyRanges() {
  if (!mask)
    return {{value(attr(0)), value(keys), Attribute(), std::nullopt}};
  AffineExpr s0 = b.getAffineSymbolExpr(0), s1 = b.getAffineSymbolExpr(1);
  Value last = value(apply(s0 + s1 - 1, {firstQuery, count}));
  MaskScope scope{value(head), value(queries), value(keys), queryBlock};
  return mask.buildKeyRanges(b, loc, scope, value(firstQuery), last);
}

SmallVector<Value> Tiler::buildPartLoop(const KeyRange &range,
                                        ValueRange state) {
  if (keyTile == kAllKeys)
    return buildStep(range.begin, range, state);
  auto loop = scf::ForOp::create(b, loc, range.begin, range.end,
                                 value(attr(keyTile)), state);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  scf::YieldOp::create(
      b, loc,
      buildStep(loop.getInductionVar(), range, loop.getRegionIterArgs()));
  return SmallVector<Value>(loop.getResults());
}

/// attn.finalize into this tile's slices of the outputs.
FinalizeOp Tiler::buildOutputs(ValueRange state, ValueRange outputs,
                               SmallVectorImpl<SlicePosition> &positions) {
  Box box = boxAt(attr(0), attr(1), false);
  if (outputBox)
    for (unsigned dim : {D::kBatch, D::kHead, D::kQuery})
      box[dim].offset =
          apply(b.getAffineSymbolExpr(0) - b.getAffineSymbolExpr(1),
                {box[dim].offset, (*outputBox)[dim].offset});
  SmallVector<AffineMap> sourceMaps{op.getOutputMap()};
  if (op.getLse())
    sourceMaps.push_back(op.getLseMap());
  SmallVector<Attribute> maps;
  SmallVector<Value> slices;
  for (auto [output, sourceMap] : llvm::zip_equal(outputs, sourceMaps)) {
    slices.push_back(slice(output, sourceMap, box));
    positions.push_back(positionIn(sourceMap, box));
    maps.push_back(AffineMapAttr::get(
        tileMap(sourceMap, box, {D::kHead, D::kQuery, D::kValueSize})));
  }
  return FinalizeOp::create(
      b, loc, ValueRange(slices).getTypes(), state[0], state[1], state[2],
      slices[0], op.getLse() ? slices[1] : Value(), b.getArrayAttr(maps));
}

/// Ends a parallel body: what it made becomes part of the loop's results.
void Tiler::insertInParallel(ValueRange parts, ValueRange wholes,
                             ArrayRef<SlicePosition> positions) {
  auto terminator = scf::InParallelOp::create(b, loc);
  b.setInsertionPointToStart(terminator.getBody());
  for (auto [part, whole, at] : llvm::zip_equal(parts, wholes, positions))
    tensor::ParallelInsertSliceOp::create(b, loc, part, whole, at.offsets,
                                          at.sizes, at.strides);
}

void Tiler::buildFinish(ValueRange state, ValueRange outputs) {
  SmallVector<SlicePosition> positions;
  FinalizeOp finalize = buildOutputs(state, outputs, positions);
  insertInParallel(finalize.getResults(), outputs, positions);
}

void Tiler::placeHeads(Value batchId, Value headId) {
  AffineExpr s0 = b.getAffineSymbolExpr(0);
  batch = batchId;
  head = apply(s0 * group, {OpFoldResult(headId)});
  keyHead = group == sharing ? OpFoldResult(headId)
                             : apply(s0.floorDiv(sharing), {head});
}

/// The queries of the piece within the block that begins at `firstQuery`.
void Tiler::placeInBlock() {
  AffineExpr s0 = b.getAffineSymbolExpr(0), s1 = b.getAffineSymbolExpr(1),
             s2 = b.getAffineSymbolExpr(2), s3 = b.getAffineSymbolExpr(3);
  auto from = AffineMap::get(0, 2, {s0, s1}, b.getContext());
  OpFoldResult begin = affine::makeComposedFoldedAffineMax(
      b, loc, from, {firstQuery, firstOfPiece});
  auto length = AffineMap::get(
      0, 4,
      {s0 + queryBlock - s1, s2 + s3 - s1, b.getAffineConstantExpr(queryBlock)},
      b.getContext());
  count = affine::makeComposedFoldedAffineMin(
      b, loc, length, {firstQuery, begin, firstOfPiece, pieceQueries});
  firstQuery = begin;
}

void Tiler::buildTile(ValueRange ids, ValueRange outputs) {
  AffineExpr s0 = b.getAffineSymbolExpr(0), s1 = b.getAffineSymbolExpr(1),
             s2 = b.getAffineSymbolExpr(2);
  placeHeads(ids[0], ids[1]);
  // Later queries see more keys under a causal mask: they go first, so that no
  // thread ends with the longest task.
  OpFoldResult tile = apply(s1 - s0 - 1, {OpFoldResult(ids[2]), tiles});
  OpFoldResult inPiece = apply(s0 * s1, {tile, step});
  firstQuery = apply(s0 + s1, {tileOrigin, inPiece});
  if (queryBlock != 0) {
    placeInBlock();
  } else {
    auto map = AffineMap::get(
        0, 3, {s2 - s1, s0, b.getAffineConstantExpr(rows)}, b.getContext());
    count = affine::makeComposedFoldedAffineMin(b, loc, map,
                                                {step, inPiece, pieceQueries});
  }
  SmallVector<KeyRange> ranges;
  if (!seesNothing)
    ranges = buildKeyRanges();
  SmallVector<Value> state = buildInitialState();
  if (std::optional<int64_t> most = findGatheredKeys(ranges)) {
    state = buildGatheredStep(ranges, *most, state);
    ranges.clear();
  }
  for (const KeyRange &range : ranges) {
    keyTile = chooseKeyTile(range);
    state = buildKeyLoop(range, state);
  }
  buildFinish(state, outputs);
}

/// A parallel loop whose body makes its own terminator.
scf::ForallOp Tiler::buildForall(ArrayRef<OpFoldResult> bounds,
                                 ValueRange outputs,
                                 function_ref<void(scf::ForallOp)> body) {
  auto forall =
      scf::ForallOp::create(b, loc, bounds, outputs, /*mapping=*/std::nullopt);
  OpBuilder::InsertionGuard guard(b);
  forall.getTerminator()->erase();
  b.setInsertionPointToStart(forall.getBody());
  body(forall);
  return forall;
}

/// A call with fewer keys than the mask speaks of, or lengths that do not fit
/// each other, is an error.
void Tiler::check() {
  checkLengths();
  int64_t least = op.getMaskAttr() ? op.getMaskAttr().getMinKeys() : 0;
  if (least == 0 || getConstantIntValue(keys))
    return;
  Value holds = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge,
                                      value(keys), value(attr(least)));
  cf::AssertOp::create(b, loc, holds,
                       "expected at least " + std::to_string(least) +
                           " keys for the global tokens of a mask");
}

SmallVector<QueryRange> Tiler::buildQueryRanges() {
  MaskAttrInterface whole = op.getMaskAttr();
  if (!whole)
    return {{value(attr(0)), value(queries), Attribute()}};
  return whole.buildQueryRanges(b, loc,
                                {value(attr(0)), value(queries), value(keys)});
}

/// A parallel loop over the tiles of some queries.
ValueRange Tiler::tileQueries(const QueryRange &piece, ValueRange outputs) {
  AffineExpr s0 = b.getAffineSymbolExpr(0), s1 = b.getAffineSymbolExpr(1);
  firstOfPiece = getAsOpFoldResult(piece.begin);
  pieceQueries = apply(s1 - s0, {firstOfPiece, getAsOpFoldResult(piece.end)});
  mask = dyn_cast_or_null<MaskAttrInterface>(piece.mask);
  seesNothing = piece.seesNothing;
  chooseQueryTile();
  auto forall = buildForall(
      {batches, keyHeads(), tiles}, outputs, [&](scf::ForallOp loop) {
        buildTile(loop.getInductionVars(), loop.getRegionOutArgs());
      });
  return forall.getResults();
}

SmallVector<Value> Tiler::tile() {
  chooseSizes();
  check();
  SmallVector<Value> outputs(op.getDpsInits());
  for (const QueryRange &piece : buildQueryRanges())
    outputs = SmallVector<Value>(tileQueries(piece, outputs));
  return outputs;
}

/// Loops of one iteration are launches too, and not to be folded away.
static void mapToBlocks(scf::ForallOp loop) {
  constexpr int64_t most = gpu::getMaxEnumValForMappingId() -
                           static_cast<int64_t>(gpu::MappingId::LinearDim0);
  if (loop.getMapping() || loop.getRank() > most)
    return;
  SmallVector<Attribute> mapping;
  for (int64_t dim = 0; dim < loop.getRank(); ++dim)
    mapping.push_back(gpu::GPUBlockMappingAttr::get(
        loop.getContext(),
        static_cast<gpu::MappingId>(
            static_cast<int64_t>(gpu::MappingId::LinearDim0) + dim)));
  loop.setMappingAttr(ArrayAttr::get(loop.getContext(), mapping));
}

namespace {
struct TilePass : attn::impl::AttnTilePassBase<TilePass> {
  using AttnTilePassBase::AttnTilePassBase;

  void getDependentDialects(DialectRegistry &registry) const override {
    AttnTilePassBase::getDependentDialects(registry);
    registerDecompositionExternalModels(registry);
  }

  void runOnOperation() override {
    AttnTilePassOptions sizes{
        queryTile,    keyTile,     windowKeys,   rowAlign,     pairRowAlign,
        columnAlign,  minTiles,    fewRows,      keySplit,     linearChunk,
        featureChunk, linearTasks, fullHeadSize, relativeBytes};
    if (queryTile < 1 || keyTile < 0 || fullHeadSize < 1 || windowKeys < 1 ||
        rowAlign < 1 || pairRowAlign < 1 || columnAlign < 1 || minTiles < 1 ||
        fewRows < 0 || keySplit < 1 || linearChunk < 1 || featureChunk < 1 ||
        linearTasks < 1) {
      getOperation().emitError()
          << "expected positive tile sizes, got query-tile="
          << queryTile.getValue() << " key-tile=" << keyTile.getValue()
          << " window-keys=" << windowKeys.getValue()
          << " row-align=" << rowAlign.getValue()
          << " column-align=" << columnAlign.getValue()
          << " min-tiles=" << minTiles.getValue();
      return signalPassFailure();
    }
    SmallVector<AttentionOp> ops;
    getOperation().walk([&](AttentionOp op) { ops.push_back(op); });
    for (AttentionOp op : ops) {
      if (op.getDocuments()) {
        op.emitOpError() << "expected documents to be expanded before tiling";
        return signalPassFailure();
      }
      IRRewriter rewriter(op);
      Tiler tiler(op, rewriter, sizes);
      bool overKeys = tiler.countKeyTasks() != 0;
      numOverKeys += overKeys;
      rewriter.replaceOp(op, overKeys ? SmallVector<Value>(tiler.tileOverKeys())
                                      : tiler.tile());
      ++numTiled;
    }
    SmallVector<GatherPagesOp> pages;
    getOperation().walk([&](GatherPagesOp op) { pages.push_back(op); });
    IRRewriter settler(&getContext());
    for (GatherPagesOp op : pages)
      if (failed(settlePages(settler, op)))
        return signalPassFailure();
    SmallVector<LinearAttentionOp> linear;
    getOperation().walk([&](LinearAttentionOp op) { linear.push_back(op); });
    for (LinearAttentionOp op : linear) {
      IRRewriter rewriter(op);
      rewriter.replaceOp(op, LinearTiler(op, rewriter, sizes).tile());
      ++numLinear;
    }
    SmallVector<LinearStepOp> steps;
    getOperation().walk([&](LinearStepOp op) {
      if (op.hasHeads())
        steps.push_back(op);
    });
    for (LinearStepOp op : steps) {
      IRRewriter rewriter(op);
      rewriter.replaceOp(op, tileLinearStep(rewriter, op));
      ++numLinear;
    }
    if (sizes.keyTile == 0)
      getOperation().walk(mapToBlocks);
  }
};
} // namespace
