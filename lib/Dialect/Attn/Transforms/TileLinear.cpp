//===- TileLinear.cpp - linear attention as loops over chunks -------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Part of the pass attn-tile. A head is one task: its keys go into the state,
// then its queries read it; under a causal mask both happen chunk by chunk.
// Where heads are few, stretches of the sequence are tasks too: their states
// are made first, and each starts from the sum of those before it. Stretches
// depend on extents alone, so results do not depend on the number of threads.
//
//===----------------------------------------------------------------------===//

#include "TileLinear.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
/// Below every exponent, and finite.
constexpr double kLowest = -1e30;
/// Rows for which a state of its own is worth making.
constexpr int64_t kMinStretch = 1024;
} // namespace

LinearTiler::LinearTiler(LinearAttentionOp op, OpBuilder &builder,
                         const AttnTilePassOptions &options)
    : IndexMath(builder, op.getLoc()), op(op), options(options),
      type(op.getAccumulatorType()), features(op.getNumFeatures()),
      isSoftmax(op.hasSoftmaxMap()),
      needsEps(isSoftmax && op.getEffectiveFeatureEps() != 0) {
  columns =
      llvm::alignTo(op.getStaticExtent(D::kValueSize), options.columnAlign);
  bool isPerHead =
      op.getProjection() &&
      cast<RankedTensorType>(op.getProjection().getType()).getRank() == 3;
  stateGroup = isPerHead ? 1 : op.getGroupSize();
}

Value LinearTiler::ifFirst(Value stretch, Value value, Value other) {
  if (isSingle)
    return value;
  Value isFirst = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                        stretch, index(0));
  return arith::SelectOp::create(b, loc, isFirst, value, other);
}

void LinearTiler::chooseSizes() {
  auto extent = [&](D dim) {
    return getValueOrCreateConstantIndexOp(b, loc, op.getExtent(b, loc, dim));
  };
  batches = extent(D::kBatch), heads = extent(D::kHead);
  queries = extent(D::kQuery), keys = extent(D::kKey);
  chunk = op.getChunk().value_or(op.getProjection() && !op.getCausal()
                                     ? options.featureChunk
                                     : options.linearChunk);
  int64_t n = op.getStaticExtent(D::kQuery), m = op.getStaticExtent(D::kKey);
  if (!ShapedType::isDynamic(n) && !ShapedType::isDynamic(m))
    chunk = std::max<int64_t>(
        1, std::min(chunk, op.getCausal() ? n : std::max(n, m)));
  isAligned = op.getCausal() && (*op.getCausal() == Alignment::TopLeft ||
                                 (n == m && !ShapedType::isDynamic(n)));
  offset = isAligned || !op.getCausal() ? index(0) : sub(keys, queries);
  firstRow = min(max(sub(index(0), offset), index(0)), queries);
  int64_t staticHeads = op.getStaticExtent(D::kHead),
          staticBatches = op.getStaticExtent(D::kBatch);
  int64_t known = (ShapedType::isDynamic(staticHeads) ? 1 : staticHeads) *
                  (ShapedType::isDynamic(staticBatches) ? 1 : staticBatches);
  isSingle = known >= options.linearTasks ||
             (!ShapedType::isDynamic(n) && n <= kMinStretch);
  Value rows = op.getCausal() ? sub(queries, firstRow) : queries;
  stretches = index(1);
  if (!isSingle) {
    Value tasks = max(mul(batches, heads), index(1));
    stretches = max(min(ceilDiv(index(options.linearTasks), tasks),
                        ceilDiv(rows, index(kMinStretch))),
                    index(1));
  }
  auto even = [&](Value extent) {
    Value chunks = ceilDiv(ceilDiv(extent, index(chunk)), stretches);
    return mul(chunks, index(chunk));
  };
  perStretch = even(rows);
  keyStretch = even(keys);
}

/// Where the rows of a causal stretch begin.
Value LinearTiler::rowAt(Value stretch) {
  return min(add(firstRow, mul(stretch, perStretch)), queries);
}

/// The key that a row of that number sees last, plus one, is keyAt(row) + 1.
Value LinearTiler::keyAt(Value row) {
  return min(max(add(row, offset), index(0)), keys);
}

LinearTiler::Range LinearTiler::rowsOf(Value stretch) {
  Value next = add(stretch, index(1));
  if (op.getCausal())
    return {rowAt(stretch), rowAt(next)};
  return {min(mul(stretch, perStretch), queries),
          min(mul(next, perStretch), queries)};
}

/// The keys whose state is made for a stretch.
LinearTiler::Range LinearTiler::keysOf(Value stretch) {
  Value next = add(stretch, index(1));
  if (op.getCausal())
    return {ifFirst(stretch, index(0), keyAt(rowAt(stretch))),
            keyAt(rowAt(next))};
  return {min(mul(stretch, keyStretch), keys),
          min(mul(next, keyStretch), keys)};
}

/// sum [R, E'], norm [R'], reference [A + E'].
RankedTensorType LinearTiler::stateType(unsigned part) {
  int64_t align = options.columnAlign;
  if (part == 0)
    return RankedTensorType::get({features, columns}, type);
  int64_t size =
      part == 1 ? llvm::alignTo(features, align) + align : align + columns;
  return RankedTensorType::get({size}, type);
}

SmallVector<Value> LinearTiler::buildEmptyState() {
  SmallVector<Value> state;
  Value zero = arith::ConstantOp::create(b, loc, b.getFloatAttr(type, 0));
  for (unsigned part = 0; part < 3; ++part) {
    Value empty =
        tensor::EmptyOp::create(b, loc, stateType(part), ValueRange());
    state.push_back(linalg::FillOp::create(b, loc, zero, empty).getResult(0));
  }
  if (!isSoftmax)
    return state;
  Value lowest =
      arith::ConstantOp::create(b, loc, b.getFloatAttr(type, kLowest));
  for (int64_t position = 0; position < 2; ++position)
    state[2] =
        tensor::InsertOp::create(b, loc, lowest, state[2], index(position));
  return state;
}

/// The state before the first key: the op's, or that of no key.
SmallVector<Value> LinearTiler::buildInitialState() {
  SmallVector<Value> state = buildEmptyState();
  if (op.getInitial().empty())
    return state;
  SmallVector<OpFoldResult> outer;
  if (op.getOutputMap().isFunctionOfDim(D::kBatch))
    outer.push_back(batch);
  if (op.getOutputMap().isFunctionOfDim(D::kHead))
    outer.push_back(head);
  for (unsigned part = 0; part < 2; ++part) {
    Value source = op.getInitial()[part];
    auto sourceType = cast<RankedTensorType>(source.getType());
    ArrayRef<int64_t> shape = sourceType.getShape().drop_front(outer.size());
    SmallVector<OpFoldResult> offsets(outer),
        sizes(outer.size(), b.getIndexAttr(1));
    SmallVector<OpFoldResult> zeros(shape.size(), b.getIndexAttr(0)), extents;
    for (int64_t extent : shape)
      extents.push_back(b.getIndexAttr(extent));
    llvm::append_range(offsets, zeros);
    llvm::append_range(sizes, extents);
    SmallVector<OpFoldResult> strides(sizes.size(), b.getIndexAttr(1)),
        ones(shape.size(), b.getIndexAttr(1));
    Value own = tensor::ExtractSliceOp::create(
        b, loc, RankedTensorType::get(shape, type), source, offsets, sizes,
        strides);
    state[part] = tensor::InsertSliceOp::create(b, loc, own, state[part], zeros,
                                                extents, ones);
  }
  if (isSoftmax) {
    SmallVector<Value> at;
    for (OpFoldResult position : outer)
      at.push_back(getValueOrCreateConstantIndexOp(b, loc, position));
    Value own = tensor::ExtractOp::create(b, loc, op.getInitial()[2], at);
    state[2] = tensor::InsertOp::create(b, loc, own, state[2], index(0));
  }
  return state;
}

scf::ForallOp LinearTiler::buildForall(ArrayRef<Value> bounds,
                                       ValueRange outputs,
                                       function_ref<void(scf::ForallOp)> body) {
  SmallVector<OpFoldResult> folded;
  for (Value bound : bounds)
    folded.push_back(getAsOpFoldResult(bound));
  auto forall =
      scf::ForallOp::create(b, loc, folded, outputs, /*mapping=*/std::nullopt);
  OpBuilder::InsertionGuard guard(b);
  forall.getTerminator()->erase();
  b.setInsertionPointToStart(forall.getBody());
  body(forall);
  return forall;
}

/// `ids` are batch and query head, or batch and head of states.
void LinearTiler::placeHeads(ValueRange ids, bool isKeySide) {
  batch = ids[0];
  int64_t sharing = op.getGroupSize();
  auto divide = [&](Value x, int64_t by) -> Value {
    return by == 1 ? x : b.createOrFold<arith::DivUIOp>(loc, x, index(by));
  };
  head = isKeySide ? mul(ids[1], index(stateGroup)) : ids[1];
  keyHead = divide(getValueOrCreateConstantIndexOp(b, loc, head), sharing);
}

namespace {
/// Offsets and sizes of one state within [B, H, stretches, ...].
struct Place {
  SmallVector<OpFoldResult> offsets, sizes, strides;
};
Place placeOf(OpBuilder &b, ArrayRef<OpFoldResult> at, OpFoldResult count,
              ArrayRef<int64_t> shape) {
  Place place;
  place.offsets.assign(at.begin(), at.end());
  place.sizes.assign({b.getIndexAttr(1), b.getIndexAttr(1), count});
  for (int64_t extent : shape) {
    place.offsets.push_back(b.getIndexAttr(0));
    place.sizes.push_back(b.getIndexAttr(extent));
  }
  place.strides.assign(place.sizes.size(), b.getIndexAttr(1));
  return place;
}
} // namespace

/// The states of all stretches of keys: [B, H, stretches, ...], three parts.
SmallVector<Value> LinearTiler::buildPartials() {
  Value stateHeads =
      b.createOrFold<arith::DivUIOp>(loc, heads, index(stateGroup));
  SmallVector<Value> partials;
  for (unsigned part = 0; part < 3; ++part) {
    SmallVector<OpFoldResult> sizes{getAsOpFoldResult(batches),
                                    getAsOpFoldResult(stateHeads),
                                    getAsOpFoldResult(stretches)};
    for (int64_t extent : stateType(part).getShape())
      sizes.push_back(b.getIndexAttr(extent));
    partials.push_back(tensor::EmptyOp::create(b, loc, sizes, type));
  }
  auto loop = buildForall(
      {batches, stateHeads, stretches}, partials, [&](scf::ForallOp loop) {
        SmallVector<Value> ids = loop.getInductionVars();
        placeHeads(ids, /*isKeySide=*/true);
        SmallVector<Value> state = addKeys(keysOf(ids[2]), buildEmptyState());
        auto terminator = scf::InParallelOp::create(b, loc);
        b.setInsertionPointToStart(terminator.getBody());
        for (unsigned part = 0; part < 3; ++part) {
          Place place = placeOf(b, {ids[0], ids[1], ids[2]}, b.getIndexAttr(1),
                                stateType(part).getShape());
          tensor::ParallelInsertSliceOp::create(
              b, loc, state[part], loop.getRegionOutArgs()[part], place.offsets,
              place.sizes, place.strides);
        }
      });
  return SmallVector<Value>(loop.getResults());
}

/// The first `count` partial states of the current head, added to `state`.
SmallVector<Value> LinearTiler::mergePartials(ValueRange partials, Value count,
                                              SmallVector<Value> state) {
  OpFoldResult stateHead = getAsOpFoldResult(b.createOrFold<arith::DivUIOp>(
      loc, getValueOrCreateConstantIndexOp(b, loc, head), index(stateGroup)));
  SmallVector<Value> parts;
  OpFoldResult number = getAsOpFoldResult(stretches);
  for (unsigned part = 0; part < 3; ++part) {
    SmallVector<int64_t> shape{
        getConstantIntValue(number).value_or(ShapedType::kDynamic)};
    llvm::append_range(shape, stateType(part).getShape());
    Place place = placeOf(b, {batch, stateHead, b.getIndexAttr(0)}, number,
                          stateType(part).getShape());
    parts.push_back(tensor::ExtractSliceOp::create(
        b, loc, RankedTensorType::get(shape, type), partials[part],
        place.offsets, place.sizes, place.strides));
  }
  auto merge = LinearMergeOp::create(
      b, loc, ValueRange(state).getTypes(), parts[0], parts[1], parts[2], count,
      state[0], state[1], state[2], isSoftmax ? b.getUnitAttr() : UnitAttr(),
      needsEps ? b.getF64FloatAttr(op.getEffectiveFeatureEps()) : FloatAttr());
  return SmallVector<Value>(merge.getResults());
}

/// One stretch of one head: its output and, if asked for, its last state.
void LinearTiler::buildStretch(scf::ForallOp loop, ValueRange partials) {
  SmallVector<Value> ids = loop.getInductionVars();
  placeHeads(ids, /*isKeySide=*/false);
  Range rows = rowsOf(ids[2]);
  // Rows that see no key belong to the first stretch.
  bool hasEmptyRows = op.getCausal() && !isAligned;
  Range all{hasEmptyRows ? ifFirst(ids[2], index(0), rows.begin) : rows.begin,
            rows.end};
  SmallVector<OpFoldResult> offsets, sizes;
  Value output = slice(loop.getRegionOutArgs()[0], op.getOutputMap(), all,
                       &offsets, &sizes);
  SmallVector<Value> state = buildInitialState();
  if (!op.getCausal()) {
    state = partials.empty() ? addKeys({index(0), keys}, state)
                             : mergePartials(partials, stretches, state);
    output = readState(rows, state, output, rows.begin);
  } else {
    if (hasEmptyRows)
      output = readState({all.begin, rows.begin}, state, output, all.begin);
    if (!partials.empty())
      state = mergePartials(partials, ids[2], state);
    if (hasEmptyRows)
      state = addKeys(
          {ifFirst(ids[2], index(0), keyAt(rows.begin)), keyAt(rows.begin)},
          state);
    SmallVector<Value> after = buildChunks(rows, state, output, all.begin);
    output = after.pop_back_val();
    state = after;
  }
  SmallVector<Value> ends;
  if (!op.getFinal().empty())
    for (unsigned part = 0; part < op.getFinal().size(); ++part) {
      SmallVector<int64_t> shape{1};
      if (part < 2)
        shape[0] = features;
      if (part == 0)
        shape.push_back(op.getStaticExtent(D::kValueSize));
      SmallVector<OpFoldResult> zeros(shape.size(), b.getIndexAttr(0)), extents,
          ones(shape.size(), b.getIndexAttr(1));
      for (int64_t extent : shape)
        extents.push_back(b.getIndexAttr(extent));
      ends.push_back(tensor::ExtractSliceOp::create(
          b, loc, RankedTensorType::get(shape, type), state[part], zeros,
          extents, ones));
    }
  auto terminator = scf::InParallelOp::create(b, loc);
  b.setInsertionPointToStart(terminator.getBody());
  SmallVector<OpFoldResult> strides(offsets.size(), b.getIndexAttr(1));
  tensor::ParallelInsertSliceOp::create(
      b, loc, output, loop.getRegionOutArgs()[0], offsets, sizes, strides);
  for (auto [end, out] :
       llvm::zip_equal(ends, loop.getRegionOutArgs().drop_front())) {
    Place place = placeOf(b, {ids[0], ids[1], ids[2]}, b.getIndexAttr(1),
                          cast<RankedTensorType>(end.getType()).getShape());
    tensor::ParallelInsertSliceOp::create(b, loc, end, out, place.offsets,
                                          place.sizes, place.strides);
  }
}

/// Room for the last states of all stretches.
SmallVector<Value> LinearTiler::endStateTensors() {
  SmallVector<Value> made;
  for (unsigned part = 0; part < op.getFinal().size(); ++part) {
    SmallVector<OpFoldResult> sizes{
        getAsOpFoldResult(batches), getAsOpFoldResult(heads),
        getAsOpFoldResult(stretches), b.getIndexAttr(part < 2 ? features : 1)};
    if (part == 0)
      sizes.push_back(b.getIndexAttr(op.getStaticExtent(D::kValueSize)));
    made.push_back(tensor::EmptyOp::create(b, loc, sizes, type));
  }
  return made;
}

/// Those of the last stretch, in the layout of `final`.
SmallVector<Value> LinearTiler::finalStates(scf::ForallOp loop) {
  SmallVector<Value> results;
  Value last = sub(stretches, index(1));
  for (auto [end, init] :
       llvm::zip_equal(loop.getResults().drop_front(), op.getFinal())) {
    auto endType = cast<RankedTensorType>(end.getType());
    auto wanted = cast<RankedTensorType>(init.getType());
    SmallVector<OpFoldResult> offsets(endType.getRank(), b.getIndexAttr(0)),
        sizes, strides(endType.getRank(), b.getIndexAttr(1));
    offsets[2] = getAsOpFoldResult(last);
    for (int64_t position = 0; position < endType.getRank(); ++position)
      sizes.push_back(tensor::getMixedSize(b, loc, end, position));
    sizes[2] = b.getIndexAttr(1);
    SmallVector<int64_t> kept;
    for (auto [dim, position] :
         {std::pair(D::kBatch, 0), std::pair(D::kHead, 1)})
      if (op.getOutputMap().isFunctionOfDim(dim))
        kept.push_back(endType.getDimSize(position));
      else
        sizes[position] = b.getIndexAttr(1);
    unsigned number = results.size();
    if (number < 2)
      llvm::append_range(kept, endType.getShape().drop_front(3));
    Value own = tensor::ExtractSliceOp::create(
        b, loc, RankedTensorType::get(kept, type), end, offsets, sizes,
        strides);
    if (own.getType() != wanted)
      own = tensor::CastOp::create(b, loc, wanted, own);
    results.push_back(own);
  }
  return results;
}

SmallVector<Value> LinearTiler::tile() {
  chooseSizes();
  // States of stretches come first where several tasks share a head, or where
  // query heads share a state.
  SmallVector<Value> partials;
  bool sharesStates = !op.getCausal() && (stateGroup > 1 || needsEps);
  if (!isSingle || sharesStates)
    partials = buildPartials();
  // What the output held is not read: writing to a tensor that is the caller's
  // would take a copy of it first.
  Value output = op.getOutput();
  if (!output.getDefiningOp<tensor::EmptyOp>())
    output =
        tensor::EmptyOp::create(b, loc, tensor::getMixedSizes(b, loc, output),
                                getElementTypeOrSelf(output));
  SmallVector<Value> outputs{output};
  llvm::append_range(outputs, endStateTensors());
  auto loop =
      buildForall({batches, heads, stretches}, outputs,
                  [&](scf::ForallOp own) { buildStretch(own, partials); });
  SmallVector<Value> results{loop.getResult(0)};
  llvm::append_range(results, finalStates(loop));
  return results;
}
