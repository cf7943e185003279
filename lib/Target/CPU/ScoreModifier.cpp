//===- ScoreModifier.cpp - what happens to scores before softmax ----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One pass over a row of scores, in the order of the specification: softcap,
// score mod, bias, mask, validity, and then to units of log2. Rows that need
// none of it are left alone.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/ScoreModifier.h"
#include "attn/Target/CPU/VectorizeBlock.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

/// Where a vector of scores stands.
struct ScoreModifier::Position {
  Value group, row; ///< in the tile
  Value key;        ///< first key of the vector, in the tile
  Value keys;       ///< vector of `index`: the keys in the whole sequence
  Value inTile;     ///< vector of i1: lanes that are keys of the tile
  VectorType type;  ///< of the scores
  int64_t lanes() const { return type.getNumElements(); }
};

bool ScoreModifier::isNeeded() {
  bool isInLog2 =
      areScoresInLog2(op.getSoftcap().has_value(), !op.getScoreMod().empty(),
                      op.getBias() != nullptr);
  bool needsMask = op.getMaskAttr() && !op.getMaskAttr().isContiguous();
  return !isInLog2 || needsMask || op.getKeyValid();
}

namespace {
/// Loads lanes along dimension `position` of a memref; other lanes than `mask`
/// read nothing and are 0.
Value loadAlong(KernelBuilder &k, Value memref, SmallVector<Value> at,
                unsigned position, Value mask, int64_t lanes) {
  auto memrefType = cast<MemRefType>(memref.getType());
  auto type = k.vectorOf(lanes, memrefType.getElementType());
  Value zero = arith::ConstantOp::create(k.b, k.loc, k.b.getZeroAttr(type));
  bool isUnitStride =
      position + 1 == at.size() && memrefType.isLastDimUnitStride();
  // i1 takes a byte in memory but a bit in a vector, so it is gathered lane by
  // lane as well.
  if (isUnitStride && !memrefType.getElementType().isInteger(1))
    return vector::MaskedLoadOp::create(k.b, k.loc, type, memref, at, mask,
                                        zero);
  Value result = zero, first = at[position];
  for (int64_t lane = 0; lane < lanes; ++lane) {
    Value isSet = vector::ExtractOp::create(k.b, k.loc, mask, lane);
    at[position] = k.select(isSet, k.add(first, lane), first);
    result =
        vector::InsertOp::create(k.b, k.loc, k.load(memref, at), result, lane);
  }
  return result;
}
} // namespace

Value ScoreModifier::emitBias(Value score, const Position &at) {
  AffineMap map = *op.getBiasMap();
  SmallVector<Value> indices;
  std::optional<unsigned> keyPosition;
  Value isThere = at.inTile;
  for (auto [position, expr] : llvm::enumerate(map.getResults())) {
    unsigned dim = OnlineAttentionOp::getDimOf(expr);
    if (dim == OnlineAttentionOp::kKey || dim == OnlineAttentionOp::kRelative)
      keyPosition = position;
    if (dim == OnlineAttentionOp::kRelative) {
      // Positions are counted from the first key and the last query.
      Value last = k.sub(op.getRows(), k.index(1));
      Value first = k.add(k.sub(last, at.row), at.key);
      Value extent = k.dim(op.getBias(), position);
      isThere = arith::AndIOp::create(
          k.b, k.loc, isThere, k.maskBelow(at.lanes(), k.sub(extent, first)));
      indices.push_back(first);
      continue;
    }
    indices.push_back(dim == OnlineAttentionOp::kGroup   ? at.group
                      : dim == OnlineAttentionOp::kQuery ? at.row
                                                         : at.key);
  }
  Value bias;
  if (keyPosition)
    bias =
        loadAlong(k, op.getBias(), indices, *keyPosition, isThere, at.lanes());
  else
    bias = k.load(op.getBias(), indices);
  Type from = getElementTypeOrSelf(bias.getType()),
       to = at.type.getElementType();
  Type shaped = keyPosition ? Type(at.type) : to;
  if (from.getIntOrFloatBitWidth() < to.getIntOrFloatBitWidth())
    bias = arith::ExtFOp::create(k.b, k.loc, shaped, bias);
  else if (from.getIntOrFloatBitWidth() > to.getIntOrFloatBitWidth())
    bias = arith::TruncFOp::create(k.b, k.loc, shaped, bias);
  return k.addf(score, keyPosition ? bias : k.broadcast(at.type, bias));
}

Value ScoreModifier::emitScoreMod(Value score, const Position &at) {
  Block &block = op.getScoreMod().front();
  auto indexVector = VectorType::get(at.type.getShape(), k.b.getIndexType());
  Value head = k.add(op.getHead(), at.group),
        query = k.add(op.getFirstQuery(), at.row);
  IRMapping mapping;
  mapping.map(block.getArgument(0), score);
  mapping.map(block.getArgument(1), k.broadcast(indexVector, op.getBatch()));
  mapping.map(block.getArgument(2), k.broadcast(indexVector, head));
  mapping.map(block.getArgument(3), k.broadcast(indexVector, query));
  mapping.map(block.getArgument(4), at.keys);
  FailureOr<SmallVector<Value>> yielded =
      vectorizeScalarBlock(k.b, block, mapping, at.type.getShape());
  return succeeded(yielded)
             ? yielded->front()
             : score; // the pass has checked that it can be vectorised
}

Value ScoreModifier::emitValidity(const Position &at) {
  return loadAlong(k, op.getKeyValid(), {at.key}, 0, at.inTile, at.lanes());
}

void ScoreModifier::emitRow(Value scores, Value localRow, Value group,
                            Value row, Value column0, Value from, Value to,
                            VectorType type, double masked) {
  bool hasScoreMod = !op.getScoreMod().empty();
  bool isInLog2 = areScoresInLog2(op.getSoftcap().has_value(), hasScoreMod,
                                  op.getBias() != nullptr);
  bool needsMask = op.getMaskAttr() && !op.getMaskAttr().isContiguous();
  if (!isNeeded())
    return;
  int64_t lanes = type.getNumElements();
  auto indexVector = VectorType::get({lanes}, k.b.getIndexType());
  Value step = vector::StepOp::create(k.b, k.loc, indexVector),
        lowest = k.constant(type, masked);
  k.forLoop(from, to, lanes, [&](Value column) {
    Value key = k.add(column0, column);
    Value keys = arith::AddIOp::create(
        k.b, k.loc, step,
        k.broadcast(indexVector, k.add(op.getFirstKey(), key)));
    Position at{
        group, row, key, keys, k.maskBelow(lanes, k.sub(op.getKeys(), key)),
        type};
    Value score = k.load(type, scores, {localRow, column});
    if (op.getScale())
      score = k.mulf(score, k.constant(type, op.getScale()->convertToDouble()));
    if (op.getSoftcap()) {
      double cap = op.getSoftcap()->convertToDouble();
      Value ratio = k.mulf(score, k.constant(type, 1 / cap));
      score = k.mulf(math::TanhOp::create(k.b, k.loc, ratio),
                     k.constant(type, cap));
    }
    if (hasScoreMod)
      score = emitScoreMod(score, at);
    if (op.getBias())
      score = emitBias(score, at);
    if (!isInLog2)
      score = k.mulf(score, k.constant(type, 1.4426950408889634));
    // A score of -inf (an additive mask) is as good as a masked one, and must
    // not make differences NaN. A NaN stays.
    Value isAllowed = arith::CmpFOp::create(
        k.b, k.loc, arith::CmpFPredicate::UGT, score, lowest);
    if (needsMask) {
      Value query = k.add(op.getFirstQuery(), row);
      Value allowed = op.getMaskAttr().buildAllowed(
          k.b, k.loc, getMaskScope(k, op, group), query, keys);
      isAllowed = arith::AndIOp::create(k.b, k.loc, isAllowed, allowed);
    }
    if (op.getKeyValid())
      isAllowed =
          arith::AndIOp::create(k.b, k.loc, isAllowed, emitValidity(at));
    k.store(k.select(isAllowed, score, lowest), scores, {localRow, column});
  });
}
