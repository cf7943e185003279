//===- TileLinearLoops.cpp - loops over chunks of linear attention --------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The three loops that the tiled form of linear attention is made of: keys into
// a state, queries reading it, and both at once under a causal mask.
//
//===----------------------------------------------------------------------===//

#include "TileLinear.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::attn;

/// A slice of the current head: `rows` of positions, batch and head dropped.
Value LinearTiler::slice(Value source, AffineMap map, Range rows,
                         SmallVectorImpl<OpFoldResult> *offsetsOut,
                         SmallVectorImpl<OpFoldResult> *sizesOut) {
  SmallVector<OpFoldResult> offsets, sizes;
  SmallVector<int64_t> kept;
  auto sourceType = cast<RankedTensorType>(source.getType());
  for (auto [position, expr] : llvm::enumerate(map.getResults())) {
    bool isShared = isa<AffineBinaryOpExpr>(expr);
    unsigned dim =
        isShared ? unsigned(D::kHead) : cast<AffineDimExpr>(expr).getPosition();
    if (dim == D::kBatch || dim == D::kHead) {
      offsets.push_back(dim == D::kBatch ? batch : isShared ? keyHead : head);
      sizes.push_back(b.getIndexAttr(1));
    } else if (dim == D::kQuery || dim == D::kKey) {
      offsets.push_back(rows.begin);
      sizes.push_back(getAsOpFoldResult(sub(rows.end, rows.begin)));
      kept.push_back(
          getConstantIntValue(sizes.back()).value_or(ShapedType::kDynamic));
    } else {
      offsets.push_back(b.getIndexAttr(0));
      sizes.push_back(b.getIndexAttr(sourceType.getDimSize(position)));
      kept.push_back(sourceType.getDimSize(position));
    }
  }
  if (offsetsOut) {
    *offsetsOut = offsets;
    *sizesOut = sizes;
  }
  SmallVector<OpFoldResult> strides(offsets.size(), b.getIndexAttr(1));
  return tensor::ExtractSliceOp::create(
      b, loc, RankedTensorType::get(kept, sourceType.getElementType()), source,
      offsets, sizes, strides);
}

/// Over (i, j, d, e), of a slice.
AffineMapAttr LinearTiler::tileMap(AffineMap map) {
  SmallVector<AffineExpr> results;
  for (AffineExpr expr : map.getResults())
    if (auto dim = dyn_cast<AffineDimExpr>(expr))
      if (dim.getPosition() >= D::kQuery)
        results.push_back(b.getAffineDimExpr(dim.getPosition() - D::kQuery));
  return AffineMapAttr::get(AffineMap::get(4, 0, results, b.getContext()));
}

/// The projection of the current head.
Value LinearTiler::projectionOf() {
  Value projection = op.getProjection();
  if (!projection)
    return projection;
  auto all = cast<RankedTensorType>(projection.getType());
  if (all.getRank() == 2)
    return projection;
  SmallVector<OpFoldResult> offsets{head, b.getIndexAttr(0), b.getIndexAttr(0)};
  SmallVector<OpFoldResult> sizes{b.getIndexAttr(1),
                                  b.getIndexAttr(all.getDimSize(1)),
                                  b.getIndexAttr(all.getDimSize(2))};
  SmallVector<OpFoldResult> strides(3, b.getIndexAttr(1));
  return tensor::ExtractSliceOp::create(
      b, loc, RankedTensorType::get(all.getShape().drop_front(), type),
      projection, offsets, sizes, strides);
}

namespace {
/// What all tile-level operations carry.
struct Attributes {
  FloatAttr scale, featureEps, denominatorEps;
  IntegerAttr chunk;
};
Attributes attributesOf(OpBuilder &b, LinearAttentionOp op, int64_t chunk) {
  return {b.getF64FloatAttr(op.getEffectiveScale()),
          b.getF64FloatAttr(op.getEffectiveFeatureEps()),
          b.getF64FloatAttr(op.getEffectiveDenominatorEps()),
          b.getI64IntegerAttr(chunk)};
}
void cloneRegion(Region &from, Region &to) {
  IRMapping mapping;
  from.cloneInto(&to, mapping);
}
} // namespace

SmallVector<Value> LinearTiler::forChunks(
    Range range, ValueRange initial,
    function_ref<SmallVector<Value>(Range, ValueRange)> step) {
  if (options.keyTile == 0)
    return step(range, initial);
  auto loop =
      scf::ForOp::create(b, loc, range.begin, range.end, index(chunk), initial);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value begin = loop.getInductionVar();
  Range tile{begin, min(add(begin, index(chunk)), range.end)};
  scf::YieldOp::create(b, loc, step(tile, loop.getRegionIterArgs()));
  return SmallVector<Value>(loop.getResults());
}

/// attn.linear_state over a range of keys.
SmallVector<Value> LinearTiler::addKeys(Range range, SmallVector<Value> state) {
  Value projection = projectionOf();
  return forChunks(range, state, [&](Range tile, ValueRange carried) {
    SmallVector<Attribute> maps{tileMap(op.getKeyMap()),
                                tileMap(op.getValueMap())};
    Value valid;
    if (op.getKeyValid()) {
      valid = slice(op.getKeyValid(), op.getKeyValidMap(), tile);
      maps.push_back(tileMap(op.getKeyValidMap()));
    }
    Attributes own = attributesOf(b, op, chunk);
    auto made = LinearStateOp::create(
        b, loc, carried.getTypes(), op.getFeatureMapAttr(),
        slice(op.getKey(), op.getKeyMap(), tile),
        slice(op.getValue(), op.getValueMap(), tile), projection, valid,
        carried[0], carried[1], carried[2], b.getArrayAttr(maps), own.scale,
        own.featureEps, own.denominatorEps, own.chunk);
    cloneRegion(op.getFeature(), made.getFeature());
    return SmallVector<Value>(made.getResults());
  });
}

/// A slice of rows of `output`, which begins at row `origin`.
static SmallVector<OpFoldResult> rowsOfOutput(OpBuilder &b, AffineMap map,
                                              RankedTensorType output,
                                              Value begin, Value size,
                                              bool isOffset) {
  SmallVector<OpFoldResult> result;
  for (auto [position, expr] : llvm::enumerate(map.getResults())) {
    bool isRow = expr == b.getAffineDimExpr(0);
    if (isRow)
      result.push_back(isOffset ? begin : size);
    else
      result.push_back(
          b.getIndexAttr(isOffset ? 0 : output.getDimSize(position)));
  }
  return result;
}

/// attn.linear_output over a range of rows; returns the output.
Value LinearTiler::readState(Range range, ValueRange state, Value output,
                             Value origin) {
  Value projection = projectionOf();
  return forChunks(range, output, [&](Range tile, ValueRange all) {
    Value carried = all[0];
    AffineMapAttr outputMap = tileMap(op.getOutputMap());
    auto outputType = cast<RankedTensorType>(output.getType());
    Value size = sub(tile.end, tile.begin), at = sub(tile.begin, origin);
    auto offsets =
             rowsOfOutput(b, outputMap.getValue(), outputType, at, size, true),
         sizes =
             rowsOfOutput(b, outputMap.getValue(), outputType, at, size, false);
    SmallVector<OpFoldResult> strides(2, b.getIndexAttr(1));
    Value dest = tensor::ExtractSliceOp::create(b, loc, carried, offsets, sizes,
                                                strides);
    Attributes own = attributesOf(b, op, chunk);
    auto made = LinearOutputOp::create(
        b, loc, TypeRange(dest.getType()), op.getFeatureMapAttr(),
        slice(op.getQuery(), op.getQueryMap(), tile), projection, state[0],
        state[1], state[2], dest,
        b.getArrayAttr({tileMap(op.getQueryMap()), outputMap}), own.scale,
        own.featureEps, own.denominatorEps, own.chunk);
    cloneRegion(op.getFeature(), made.getFeature());
    return SmallVector<Value>{tensor::InsertSliceOp::create(
        b, loc, made->getResult(0), carried, offsets, sizes, strides)};
  })[0];
}

/// attn.linear_chunk over a range of rows: the state, then the output.
SmallVector<Value> LinearTiler::buildChunks(Range range,
                                            SmallVector<Value> state,
                                            Value output, Value origin) {
  Value projection = projectionOf();
  SmallVector<Value> initial(state);
  initial.push_back(output);
  return forChunks(range, initial, [&](Range tile, ValueRange carried) {
    Value size = sub(tile.end, tile.begin), at = sub(tile.begin, origin);
    Value firstKey = keyAt(tile.begin);
    Range tileKeys{firstKey, min(add(firstKey, size), keys)};
    SmallVector<Attribute> maps{tileMap(op.getQueryMap()),
                                tileMap(op.getKeyMap()),
                                tileMap(op.getValueMap())};
    Value valid;
    if (op.getKeyValid()) {
      valid = slice(op.getKeyValid(), op.getKeyValidMap(), tileKeys);
      maps.push_back(tileMap(op.getKeyValidMap()));
    }
    AffineMapAttr outputMap = tileMap(op.getOutputMap());
    maps.push_back(outputMap);
    auto outputType = cast<RankedTensorType>(output.getType());
    auto offsets =
             rowsOfOutput(b, outputMap.getValue(), outputType, at, size, true),
         sizes =
             rowsOfOutput(b, outputMap.getValue(), outputType, at, size, false);
    SmallVector<OpFoldResult> strides(2, b.getIndexAttr(1));
    Value dest = tensor::ExtractSliceOp::create(b, loc, carried[3], offsets,
                                                sizes, strides);
    Attributes own = attributesOf(b, op, chunk);
    ValueRange state = carried.drop_back();
    SmallVector<Type> types(state.getTypes());
    types.push_back(dest.getType());
    auto made = LinearChunkOp::create(
        b, loc, types, op.getFeatureMapAttr(),
        slice(op.getQuery(), op.getQueryMap(), tile),
        slice(op.getKey(), op.getKeyMap(), tileKeys),
        slice(op.getValue(), op.getValueMap(), tileKeys), projection, valid,
        carried[0], carried[1], carried[2], dest, b.getArrayAttr(maps),
        own.scale, own.featureEps, own.denominatorEps, own.chunk);
    cloneRegion(op.getFeature(), made.getFeature());
    SmallVector<Value> next(made->getResults().drop_back());
    next.push_back(tensor::InsertSliceOp::create(
        b, loc, made->getResult(3), carried[3], offsets, sizes, strides));
    return next;
  });
}
