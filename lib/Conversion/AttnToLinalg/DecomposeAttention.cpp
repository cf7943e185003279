//===- DecomposeAttention.cpp - attn.attention as linalg ------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The meaning of attn.attention: scores of all pairs, softmax with base e,
// weighted sum. Sums are kept in the accumulator's type and rounded once, at
// the end.
//
//===----------------------------------------------------------------------===//

#include "Decompositions.h"
#include "ScoreBuilder.h"
#include "SplitDocuments.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;

/// The parts of the keys or values as one tensor.
static Value concatenate(OpBuilder &builder, Location loc, ValueRange parts,
                         AffineMap map) {
  if (parts.size() == 1)
    return parts.front();
  unsigned position = *map.getResultPosition(
      getAffineDimExpr(AttentionOp::kKey, builder.getContext()));
  return tensor::ConcatOp::create(builder, loc, position, parts);
}

static ScoreBuilder makeScoreBuilder(OpBuilder &builder, AttentionOp op) {
  Location loc = op.getLoc();
  ScoreBuilder score(builder, loc);
  SmallVector<Value> keys, values;
  for (auto [key, value] : op.getKeyParts()) {
    keys.push_back(key);
    values.push_back(value);
  }
  score.query = op.getQuery();
  score.key = concatenate(builder, loc, keys, op.getKeyMap());
  score.value = concatenate(builder, loc, values, op.getValueMap());
  score.relative = op.getRelative(), score.relativeMap = op.getRelativeMap();
  score.relativeQuery = op.getRelativeQuery();
  score.bias = op.getBias(), score.keyValid = op.getKeyValid();
  score.queryMap = op.getQueryMap(), score.keyMap = op.getKeyMap(),
  score.valueMap = op.getValueMap();
  score.biasMap = op.getBiasMap(), score.keyValidMap = op.getKeyValidMap();
  score.queryDim = AttentionOp::kQuery;
  score.keyDim = AttentionOp::kKey;
  score.headSizeDim = AttentionOp::kHeadSize;
  score.valueSizeDim = AttentionOp::kValueSize;
  for (unsigned dim :
       {AttentionOp::kBatch, AttentionOp::kHead, AttentionOp::kQuery})
    if (op.getOutputMap().isFunctionOfDim(dim))
      score.rowDims.push_back(dim);
  for (unsigned dim = 0; dim < AttentionOp::kNumDims; ++dim)
    score.extents.push_back(op.getExtent(builder, loc, AttentionOp::Dim(dim)));
  score.scale = op.getEffectiveScale();
  if (op.getSoftcap())
    score.softcap = op.getSoftcap()->convertToDouble();
  if (op.getMask())
    score.mask = *op.getMask();
  if (!op.getScoreMod().empty())
    score.scoreMod = &op.getScoreMod();
  score.numQueries = getValueOrCreateConstantIndexOp(
      builder, loc, score.extents[AttentionOp::kQuery]);
  score.numKeys = getValueOrCreateConstantIndexOp(
      builder, loc, score.extents[AttentionOp::kKey]);
  score.type = op.getAccumulatorType();
  score.position = [loc](OpBuilder &b, ArrayRef<Value> indices) {
    auto orZero = [&](Value index) {
      return index ? index : Value(arith::ConstantIndexOp::create(b, loc, 0));
    };
    return PairPosition{orZero(indices[AttentionOp::kBatch]),
                        orZero(indices[AttentionOp::kHead]),
                        indices[AttentionOp::kQuery],
                        indices[AttentionOp::kKey]};
  };
  return score;
}

SmallVector<Value> mlir::attn::decomposeAttention(OpBuilder &builder,
                                                  AttentionOp op) {
  if (op.getDocuments())
    return splitDocuments(builder, op, [](OpBuilder &b, AttentionOp document) {
      SmallVector<Value> results = decomposeAttention(b, document);
      document.erase();
      return results;
    });
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Location loc = op.getLoc();
  ScoreBuilder score = makeScoreBuilder(builder, op);
  FloatType type = score.type;
  SmallVector<unsigned> rowDims(score.rowDims),
      outputDims = score.rowsAnd(AttentionOp::kValueSize);
  AffineMap rowMap = score.mapOf(rowDims);

  Value scores = score.buildScores();
  Value max =
      score.buildMax(scores, filledTensor(builder, loc, score.sizesOf(rowDims),
                                          type, -infinity));
  Value weights = score.buildWeights(scores, max);
  Value sum = score.buildSum(
      weights, filledTensor(builder, loc, score.sizesOf(rowDims), type, 0));
  Value acc = score.buildAccumulator(
      scores, weights,
      filledTensor(builder, loc, score.sizesOf(outputDims), type, 0));

  auto isZero = [&](OpBuilder &b, Value value) {
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, value,
                                 floatConstant(b, loc, type, 0));
  };
  SmallVector<Value> results;
  auto elementType = cast<FloatType>(
      cast<RankedTensorType>(op.getOutput().getType()).getElementType());
  results.push_back(buildGeneric(
      builder, loc, outputDims, {acc, sum},
      {score.mapOf(outputDims), rowMap, op.getOutputMap()}, op.getOutput(),
      [&](OpBuilder &b, Location l, ValueRange arguments) -> Value {
        Value ratio = arith::DivFOp::create(b, l, arguments[0], arguments[1]);
        Value isEmpty = isZero(b, arguments[1]);
        Value result = arith::SelectOp::create(
            b, l, isEmpty, floatConstant(b, l, type, 0), ratio);
        return convertFloat(b, l, result, elementType);
      }));
  if (!op.getLse())
    return results;
  // A sum of 0 belongs to an empty row: its logarithm is -inf, as is its
  // maximum.
  results.push_back(buildGeneric(
      builder, loc, rowDims, {max, sum}, {rowMap, rowMap, op.getLseMap()},
      op.getLse(),
      [&](OpBuilder &b, Location l, ValueRange arguments) -> Value {
        Value log = math::LogOp::create(b, l, arguments[1]);
        return arith::AddFOp::create(b, l, finiteMax(b, l, arguments[0]), log);
      }));
  return results;
}
