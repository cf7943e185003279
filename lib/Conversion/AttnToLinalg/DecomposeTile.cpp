//===- DecomposeTile.cpp - tile-level operations as linalg ----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The meaning of attn.online_attention, attn.merge and attn.finalize, with
// exponents of base 2.
//
//===----------------------------------------------------------------------===//

#include "Decompositions.h"
#include "ScoreBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <limits>
#include <numbers>

using namespace mlir;
using namespace mlir::attn;

namespace {
constexpr double kInfinity = std::numeric_limits<double>::infinity();
using Online = OnlineAttentionOp;

/// The part of the state that the tile's rows and columns have, and back.
struct StateSlice {
  SmallVector<OpFoldResult> offsets, sizes, strides;

  StateSlice(OpBuilder &builder, ArrayRef<OpFoldResult> sizes)
      : offsets(sizes.size(), builder.getIndexAttr(0)), sizes(sizes),
        strides(sizes.size(), builder.getIndexAttr(1)) {}

  Value extract(OpBuilder &builder, Location loc, Value whole) {
    return tensor::ExtractSliceOp::create(builder, loc, whole, offsets, sizes,
                                          strides);
  }
  Value insert(OpBuilder &builder, Location loc, Value part, Value whole) {
    return tensor::InsertSliceOp::create(builder, loc, part, whole, offsets,
                                         sizes, strides);
  }
};

ScoreBuilder makeScoreBuilder(OpBuilder &builder, OnlineAttentionOp op) {
  Location loc = op.getLoc();
  ScoreBuilder score(builder, loc);
  auto mapAt = [&](unsigned index) {
    return cast<AffineMapAttr>(op.getIndexingMaps()[index]).getValue();
  };
  score.query = op.getQuery(), score.key = op.getKey(),
  score.value = op.getValue();
  score.bias = op.getBias(), score.keyValid = op.getKeyValid();
  score.queryMap = mapAt(0), score.keyMap = mapAt(1), score.valueMap = mapAt(2);
  score.biasMap = op.getBiasMap(), score.keyValidMap = op.getKeyValidMap();
  score.relative = op.getRelative(), score.relativeMap = op.getRelativeMap();
  score.relativeQuery = op.getRelativeQuery();
  score.queryDim = Online::kQuery, score.keyDim = Online::kKey,
  score.headSizeDim = Online::kHeadSize,
  score.valueSizeDim = Online::kValueSize;
  score.rowDims = {Online::kGroup, Online::kQuery};
  score.extents.resize(Online::kNumDims);
  for (auto [operand, map] : {std::pair(score.query, score.queryMap),
                              std::pair(score.value, score.valueMap)})
    for (auto [position, expr] : llvm::enumerate(map.getResults()))
      score.extents[cast<AffineDimExpr>(expr).getPosition()] =
          tensor::getMixedSize(builder, loc, operand, position);
  score.scale = op.getScale().convertToDouble();
  if (op.getSoftcap())
    score.softcap = op.getSoftcap()->convertToDouble();
  score.exponentUnit = std::numbers::log2e;
  if (op.getMask())
    score.mask = *op.getMask();
  if (!op.getScoreMod().empty())
    score.scoreMod = &op.getScoreMod();
  score.numQueries = op.getNumQueries(), score.numKeys = op.getNumKeys();
  score.type = cast<FloatType>(
      cast<RankedTensorType>(op.getAcc().getType()).getElementType());
  score.position = [op, loc](OpBuilder &b, ArrayRef<Value> indices) mutable {
    auto add = [&](Value base, Value index) -> Value {
      return arith::AddIOp::create(b, loc, base, index);
    };
    return PairPosition{op.getBatch(),
                        add(op.getHead(), indices[Online::kGroup]),
                        add(op.getFirstQuery(), indices[Online::kQuery]),
                        add(op.getFirstKey(), indices[Online::kKey])};
  };
  return score;
}

/// `destination` * 2 ^ (oldMax - newMax): what was summed so far, in units of
/// the new maximum.
Value rescale(OpBuilder &builder, Location loc, const ScoreBuilder &score,
              ArrayRef<unsigned> dims, Value destination, Value oldMax,
              Value newMax) {
  AffineMap rowMap = score.mapOf(score.rowDims);
  return buildGeneric(
      builder, loc, dims, {oldMax, newMax}, {rowMap, rowMap, score.mapOf(dims)},
      destination, [](OpBuilder &b, Location l, ValueRange arguments) -> Value {
        Value exponent = arith::SubFOp::create(b, l, arguments[0],
                                               finiteMax(b, l, arguments[1]));
        return arith::MulFOp::create(b, l, arguments[2],
                                     math::Exp2Op::create(b, l, exponent));
      });
}
} // namespace

SmallVector<Value> mlir::attn::decomposeOnlineAttention(OpBuilder &builder,
                                                        OnlineAttentionOp op) {
  Location loc = op.getLoc();
  ScoreBuilder score = makeScoreBuilder(builder, op);
  SmallVector<unsigned> rowDims(score.rowDims),
      accDims = score.rowsAnd(Online::kValueSize);
  StateSlice rows(builder, score.sizesOf(rowDims)),
      columns(builder, score.sizesOf(accDims));
  Value oldMax = rows.extract(builder, loc, op.getMax());
  Value oldSum = rows.extract(builder, loc, op.getSum());
  Value oldAcc = columns.extract(builder, loc, op.getAcc());

  Value scores = score.buildScores();
  Value max = score.buildMax(scores, oldMax);
  Value weights = score.buildWeights(scores, max);
  Value sum = score.buildSum(
      weights, rescale(builder, loc, score, rowDims, oldSum, oldMax, max));
  Value acc = score.buildAccumulator(
      scores, weights,
      rescale(builder, loc, score, accDims, oldAcc, oldMax, max));
  return {columns.insert(builder, loc, acc, op.getAcc()),
          rows.insert(builder, loc, max, op.getMax()),
          rows.insert(builder, loc, sum, op.getSum())};
}

SmallVector<Value> mlir::attn::decomposeMerge(OpBuilder &builder, MergeOp op) {
  // The domain is (split, g, i, e).
  Location loc = op.getLoc();
  auto mapOf = [&](ArrayRef<unsigned> dims) {
    auto exprs = llvm::map_to_vector(
        dims, [&](unsigned dim) { return builder.getAffineDimExpr(dim); });
    return AffineMap::get(4, 0, exprs, builder.getContext());
  };
  auto type = cast<FloatType>(
      cast<RankedTensorType>(op.getAcc().getType()).getElementType());
  auto fill = [&](Value destination, double value) {
    return linalg::FillOp::create(builder, loc,
                                  floatConstant(builder, loc, type, value),
                                  destination)
        .getResult(0);
  };
  Value max = buildGeneric(
      builder, loc, {1, 2, 0}, op.getPartialMax(),
      {mapOf({0, 1, 2}), mapOf({1, 2})}, fill(op.getMax(), -kInfinity),
      [](OpBuilder &b, Location l, ValueRange arguments) -> Value {
        return arith::MaximumFOp::create(b, l, arguments[1], arguments[0]);
      });
  auto addScaled = [](OpBuilder &b, Location l, ValueRange arguments) -> Value {
    Value exponent = arith::SubFOp::create(b, l, arguments[1],
                                           finiteMax(b, l, arguments[2]));
    Value part = arith::MulFOp::create(b, l, arguments[0],
                                       math::Exp2Op::create(b, l, exponent));
    return arith::AddFOp::create(b, l, arguments[3], part);
  };
  Value sum = buildGeneric(
      builder, loc, {1, 2, 0}, {op.getPartialSum(), op.getPartialMax(), max},
      {mapOf({0, 1, 2}), mapOf({0, 1, 2}), mapOf({1, 2}), mapOf({1, 2})},
      fill(op.getSum(), 0), addScaled);
  Value acc = buildGeneric(
      builder, loc, {1, 2, 3, 0}, {op.getPartialAcc(), op.getPartialMax(), max},
      {mapOf({0, 1, 2, 3}), mapOf({0, 1, 2}), mapOf({1, 2}), mapOf({1, 2, 3})},
      fill(op.getAcc(), 0), addScaled);
  return {acc, max, sum};
}

SmallVector<Value> mlir::attn::decomposeFinalize(OpBuilder &builder,
                                                 FinalizeOp op) {
  Location loc = op.getLoc();
  auto type = cast<FloatType>(
      cast<RankedTensorType>(op.getAcc().getType()).getElementType());
  auto outputType = cast<RankedTensorType>(op.getOutput().getType());
  auto mapAt = [&](unsigned index) {
    return cast<AffineMapAttr>(op.getIndexingMaps()[index]).getValue();
  };
  SmallVector<OpFoldResult> sizes(3);
  for (auto [position, expr] : llvm::enumerate(mapAt(0).getResults()))
    sizes[cast<AffineDimExpr>(expr).getPosition()] =
        tensor::getMixedSize(builder, loc, op.getOutput(), position);
  StateSlice columns(builder, sizes),
      rows(builder, ArrayRef(sizes).drop_back());
  Value acc = columns.extract(builder, loc, op.getAcc());
  Value max = rows.extract(builder, loc, op.getMax()),
        sum = rows.extract(builder, loc, op.getSum());

  AffineMap accMap = builder.getMultiDimIdentityMap(3),
            rowMap = accMap.getMajorSubMap(2);
  SmallVector<Value> results;
  results.push_back(buildGeneric(
      builder, loc, {0, 1, 2}, {acc, sum}, {accMap, rowMap, mapAt(0)},
      op.getOutput(),
      [&](OpBuilder &b, Location l, ValueRange arguments) -> Value {
        Value zero = floatConstant(b, l, type, 0);
        Value isEmpty = arith::CmpFOp::create(b, l, arith::CmpFPredicate::OEQ,
                                              arguments[1], zero);
        Value ratio = arith::DivFOp::create(b, l, arguments[0], arguments[1]);
        return convertFloat(b, l,
                            arith::SelectOp::create(b, l, isEmpty, zero, ratio),
                            cast<FloatType>(outputType.getElementType()));
      }));
  if (!op.getLse())
    return results;
  auto lseType = cast<FloatType>(
      cast<RankedTensorType>(op.getLse().getType()).getElementType());
  results.push_back(buildGeneric(
      builder, loc, {0, 1}, {max, sum}, {rowMap, rowMap, mapAt(1)}, op.getLse(),
      [&](OpBuilder &b, Location l, ValueRange arguments) -> Value {
        Value log = math::Log2Op::create(b, l, arguments[1]);
        Value total =
            arith::AddFOp::create(b, l, finiteMax(b, l, arguments[0]), log);
        Value natural = arith::MulFOp::create(
            b, l, total, floatConstant(b, l, type, std::numbers::ln2));
        return convertFloat(b, l, natural, lseType);
      }));
  return results;
}
