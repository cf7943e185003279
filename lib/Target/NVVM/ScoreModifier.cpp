//===- ScoreModifier.cpp - what happens to scores before softmax ----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// In the order of the specification: softcap, score mod, bias, then to units of
// log2; masks and validity choose afterwards. Indices beyond the tile are
// clamped rather than branched around: what they give is masked anyway.
//
//===----------------------------------------------------------------------===//

#include "ScoreModifier.h"
#include "Numbers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

bool attn::nvvm::hasTableBias(OnlineAttentionOp op) {
  return op.getBias() && !op.getBiasMap().isProjectedPermutation();
}

Operation *attn::nvvm::findUnsupported(Region &scoreMod) {
  if (scoreMod.empty())
    return nullptr;
  for (Operation &op : scoreMod.front().without_terminator())
    if (op.getNumRegions() != 0 ||
        !isa<arith::ArithDialect, math::MathDialect>(op.getDialect()))
      return &op;
  return nullptr;
}

bool ScoreModifier::isScaleOnly() {
  return !op.getSoftcap() && op.getScoreMod().empty() && !op.getBias() &&
         op.getScale().convertToDouble() > 0;
}

bool ScoreModifier::needsPredicate() {
  return op.getMaskAttr() && !op.getMaskAttr().isContiguous();
}

ScoreRow ScoreModifier::describe(const StateRow &row, bool isGrouped) {
  ScoreRow result{isGrouped ? row.group : f.index(0), row.query, f.i32(0),
                  f.toI32(numKeys)};
  // Rows that the query lacks see all: they keep no one from the fast path.
  Value isThere = f.both(row.isThere, f.less(row.query, numRows));
  result.query = f.min(row.query, f.sub(numRows, f.index(1)));
  if (!op.getMaskAttr() || needsPredicate())
    return result;
  Value query = f.add(op.getFirstQuery(), result.query), zero = f.index(0);
  auto [begin, end] =
      op.getMaskAttr().buildKeyHull(f.b, f.loc, scopeOf(result), query, query);
  begin = f.max(zero, f.sub(begin, op.getFirstKey()));
  end = f.max(zero, f.min(numKeys, f.sub(end, op.getFirstKey())));
  // Rows that begin with the first key have the constant.
  if (getConstantIntValue(begin) != 0)
    result.begin =
        f.select(isThere, f.toI32(f.min(numKeys, begin)), result.begin);
  result.end = f.select(isThere, f.toI32(end), result.end);
  return result;
}

/// 1 - 2 / (e^(2 x) + 1): large x overflow to 1, and the error is absolute.
Value ScoreModifier::tanh(Value x) {
  Value power = f.exp2(f.mulf(x, f.f32(2 * kLog2E)));
  Value ratio =
      arith::DivFOp::create(f.b, f.loc, f.f32(2), f.addf(power, f.f32(1)));
  return f.subf(f.f32(1), ratio);
}

Value ScoreModifier::emitBias(Value score, const ScoreRow &row, Value key) {
  AffineMap map = op.getBiasMap();
  SmallVector<Value> at;
  Value isThere;
  for (auto [position, expr] : llvm::enumerate(map.getResults())) {
    unsigned dim = OnlineAttentionOp::getDimOf(expr);
    if (dim == OnlineAttentionOp::kRelative) {
      // Positions are counted from the first key and the last query.
      Value place =
          f.add(f.sub(f.sub(numRows, f.index(1)), row.query), inBounds(key));
      Value extent = f.b.createOrFold<memref::DimOp>(f.loc, op.getBias(),
                                                     int64_t(position));
      isThere = f.less(place, extent);
      at.push_back(f.min(place, f.sub(extent, f.index(1))));
      continue;
    }
    at.push_back(dim == OnlineAttentionOp::kGroup   ? row.group
                 : dim == OnlineAttentionOp::kQuery ? row.query
                                                    : inBounds(key));
  }
  Value bias = f.extend(memref::LoadOp::create(f.b, f.loc, op.getBias(), at));
  if (isThere)
    bias = f.select(isThere, bias, f.f32(0));
  return f.addf(score, bias);
}

Value ScoreModifier::emitScoreMod(Value score, const ScoreRow &row, Value key) {
  Block &block = op.getScoreMod().front();
  IRMapping mapping;
  mapping.map(block.getArgument(0), score);
  mapping.map(block.getArgument(1), op.getBatch());
  mapping.map(block.getArgument(2), f.add(op.getHead(), row.group));
  mapping.map(block.getArgument(3), f.add(op.getFirstQuery(), row.query));
  mapping.map(block.getArgument(4), f.add(op.getFirstKey(), key));
  for (Operation &one : block.without_terminator())
    f.b.clone(one, mapping);
  return mapping.lookupOrDefault(block.getTerminator()->getOperand(0));
}

Value ScoreModifier::modify(Value score, const ScoreRow &row, Value key) {
  score = f.mulf(score, f.f32(op.getScale().convertToDouble()));
  if (op.getSoftcap()) {
    double cap = op.getSoftcap()->convertToDouble();
    score = f.mulf(tanh(f.mulf(score, f.f32(1 / cap))), f.f32(cap));
  }
  if (!op.getScoreMod().empty())
    score = emitScoreMod(score, row, key);
  if (op.getBias())
    score = emitBias(score, row, key);
  return f.mulf(score, f.f32(kLog2E));
}

Value ScoreModifier::isValid(Value key) {
  if (!op.getKeyValid())
    return Value();
  return memref::LoadOp::create(f.b, f.loc, op.getKeyValid(),
                                ValueRange{inBounds(key)});
}

Value ScoreModifier::isAllowed(const ScoreRow &row, Value key) {
  Value allowed = isValid(key);
  if (!needsPredicate())
    return allowed;
  Value mask = op.getMaskAttr().buildAllowed(
      f.b, f.loc, scopeOf(row), f.add(op.getFirstQuery(), row.query),
      f.add(op.getFirstKey(), inBounds(key)));
  return allowed ? f.both(allowed, mask) : mask;
}
