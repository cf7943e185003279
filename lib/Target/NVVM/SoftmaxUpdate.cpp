//===- SoftmaxUpdate.cpp - between the products of attention --------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Masks, modifiers and the streaming update, on the fragments of a lane.
//
//===----------------------------------------------------------------------===//

#include "SoftmaxUpdate.h"
#include "Numbers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

SoftmaxUpdate::SoftmaxUpdate(OpBuilder &b, OnlineAttentionOp op, Kernel &kernel)
    : op(op), kernel(kernel), f(b, op.getLoc(), kernel.at, kernel.products),
      access(f, kernel, cast<MemRefType>(op.getAcc().getType())),
      queryMap(mapAt(0)), keyMap(mapAt(1)), valueMap(mapAt(2)),
      element(cast<MemRefType>(op.getKey().getType()).getElementType()),
      numRows(dim(op.getQuery(), positionOf(queryMap, D::kQuery))),
      numKeys(dim(op.getKey(), positionOf(keyMap, D::kKey))),
      modifier(f, op, numRows, numKeys) {
  if (!op->hasAttr(kPagedAttr))
    return;
  pagedKeys.emplace(f, op.getKey());
  pagedValues.emplace(f, op.getValue());
}

RowOrigin SoftmaxUpdate::queryOrigin(Value row) {
  auto accType = cast<MemRefType>(op.getAcc().getType());
  int64_t groups = accType.getDimSize(0), perGroup = accType.getDimSize(1);
  bool isGrouped = queryMap.isFunctionOfDim(D::kGroup);
  bool groupFirst = isGrouped && positionOf(queryMap, D::kGroup) <
                                     positionOf(queryMap, D::kQuery);
  Value isThere = f.less(row, f.index(groups * perGroup));
  row = f.min(row, f.index(groups * perGroup - 1));
  Value group = f.b.createOrFold<arith::DivUIOp>(f.loc, row, f.index(perGroup));
  Value i = f.b.createOrFold<arith::RemUIOp>(f.loc, row, f.index(perGroup));
  isThere = f.both(isThere, f.less(i, numRows));
  i = f.min(i, f.sub(numRows, f.index(1)));
  if (!isGrouped)
    return {isThere, {i}};
  return groupFirst ? RowOrigin{isThere, {group, i}}
                    : RowOrigin{isThere, {i, group}};
}

RowOrigin SoftmaxUpdate::keyOrigin(Value firstKey, Value row, bool isValue) {
  Value key = f.add(firstKey, row);
  Value isThere = f.less(key, numKeys);
  if (Value valid = isValue ? modifier.isValid(key) : Value())
    isThere = f.both(isThere, valid);
  key = f.min(key, f.sub(numKeys, f.index(1)));
  if (pagedKeys)
    return (isValue ? pagedValues : pagedKeys)->locate(f, row, key, isThere);
  return {isThere, {key}};
}

bool SoftmaxUpdate::enterTile(std::optional<PagedRows> &paged, Value firstKey) {
  if (paged)
    paged->enter(f, firstKey, keyTile);
  return paged.has_value();
}

void SoftmaxUpdate::describeRows() {
  bool isGrouped = cast<MemRefType>(op.getAcc().getType()).getDimSize(0) > 1;
  SmallVector<Value> begins, ends;
  for (const StateRow &row : access.getRows()) {
    rows.push_back(modifier.describe(row, isGrouped));
    begins.push_back(rows.back().begin);
    ends.push_back(rows.back().end);
  }
  fullEnd = rows.front().end;
  if (!hasRanges())
    return;
  fullEnd = reduceWarp(f, ends, /*isMax=*/false);
  hullEnd = reduceWarp(f, ends, /*isMax=*/true);
  bool fromFirst = llvm::all_of(
      begins, [](Value begin) { return getConstantIntValue(begin) == 0; });
  if (!fromFirst) {
    fullBegin = reduceWarp(f, begins, /*isMax=*/true);
    hullBegin = reduceWarp(f, begins, /*isMax=*/false);
  }
  if (rangesAt)
    keepRanges();
}

int64_t SoftmaxUpdate::rangeBytes() {
  return hasRanges() ? 8 * kernel.at.warps * kernel.warpRows() : 0;
}

/// Where the begin or the end of a row of the lane is kept.
Value SoftmaxUpdate::rangeAt(int64_t half, bool isEnd) {
  Value row = f.add(f.mul(kernel.at.warp, kernel.warpRows()), kernel.at.group);
  int64_t at = 8 * half + (isEnd ? 0 : kernel.at.warps * kernel.warpRows());
  return f.offset(f.offset(rangesAt, f.mul(row, 4)), 4 * at);
}

void SoftmaxUpdate::keepRanges() {
  Value isFirst =
      f.compare(arith::CmpIPredicate::eq, kernel.at.quad, f.index(0));
  f.ifThen(isFirst, [&] {
    for (auto [half, row] : llvm::enumerate(rows)) {
      LLVM::StoreOp::create(f.b, f.loc, row.end, rangeAt(half, true));
      if (fullBegin)
        LLVM::StoreOp::create(f.b, f.loc, row.begin, rangeAt(half, false));
    }
  });
}

Value SoftmaxUpdate::boundOf(int64_t half, bool isEnd) {
  if (rangesAt && hasRanges())
    return f.loadShared(rangeAt(half, isEnd), f.b.getI32Type());
  return isEnd ? rows[half].end : rows[half].begin;
}

void SoftmaxUpdate::forEach(
    Scores &scores,
    function_ref<Value(Value, const ScoreRow &, int64_t column)> to) {
  for (int64_t m = 0; m < kernel.rowFragments; ++m)
    for (int64_t n = 0; n < keyFragments(); ++n)
      for (int64_t i = 0; i < 4; ++i) {
        Value &score = scores[m * keyFragments() + n][i];
        score = to(score, rows[2 * m + i / 2], 8 * n + i % 2);
      }
}

/// Scores outside of the key ranges of their rows become -inf.
SoftmaxUpdate::Scores SoftmaxUpdate::applyRanges(Scores scores,
                                                 Value firstKey) {
  Value first = f.toI32(f.add(firstKey, f.mul(kernel.at.quad, 2)));
  for (int64_t half = 0; half < 2 * kernel.rowFragments; ++half) {
    Value end = f.sub(boundOf(half, /*isEnd=*/true), first), begin;
    if (fullBegin)
      begin = f.sub(boundOf(half, /*isEnd=*/false), first);
    for (int64_t n = 0; n < keyFragments(); ++n)
      for (int64_t i : {0, 1}) {
        Value column = f.i32(8 * n + i);
        Value isSeen = f.less(column, end);
        if (begin)
          isSeen = f.both(isSeen, f.lessOrEqual(begin, column));
        Value &score =
            scores[half / 2 * keyFragments() + n][2 * (half % 2) + i];
        score = f.select(isSeen, score, f.f32(-kInfinity));
      }
  }
  return scores;
}

SoftmaxUpdate::Scores SoftmaxUpdate::restrict(Scores scores, Value firstKey) {
  Value first = f.add(firstKey, f.mul(kernel.at.quad, 2));
  if (!modifier.isScaleOnly() || modifier.needsPredicate() || op.getKeyValid())
    forEach(scores, [&](Value score, const ScoreRow &row, int64_t column) {
      Value key = f.add(first, column);
      if (!modifier.isScaleOnly())
        score = modifier.modify(score, row, key);
      if (Value allowed = modifier.isAllowed(row, key))
        score = f.select(allowed, score, f.f32(-kInfinity));
      return score;
    });
  Value from = f.toI32(firstKey), to = f.add(from, f.i32(keyTile));
  Value isPartial = f.less(fullEnd, to);
  if (fullBegin)
    isPartial = f.b.createOrFold<arith::OrIOp>(f.loc, isPartial,
                                               f.less(from, fullBegin));
  return unflatten(f.ifElse(isPartial, flatten(scores), [&] {
    return flatten(applyRanges(scores, firstKey));
  }));
}

Value SoftmaxUpdate::updateRow(Scores &scores, SoftmaxState &state,
                               int64_t half) {
  int64_t m = half / 2, first = 2 * (half % 2);
  auto own = MutableArrayRef(scores).slice(m * keyFragments(), keyFragments());
  // Rows of one fragment make too few chains of reductions to keep the lanes
  // busy: two of each then.
  int64_t chains = kernel.rowFragments == 1 ? 2 : 1;
  auto reduce = [&](Value(&sums)[2], int64_t chain, Value x, bool isMax) {
    Value &sum = sums[chain % chains];
    sum = !sum ? x : isMax ? f.maxf(sum, x) : f.addf(sum, x);
  };
  Value extremes[2], sums[2];
  for (Accumulator &part : own)
    for (int64_t i : {0, 1})
      reduce(extremes, i, part[first + i], /*isMax=*/true);
  if (extremes[1])
    extremes[0] = f.maxf(extremes[0], extremes[1]);
  Value largest = f.rowMax(extremes[0]);
  Value factor;
  if (modifier.isScaleOnly()) {
    factor = f.f32(op.getScale().convertToDouble() * kLog2E);
    largest = f.mulf(largest, factor);
  }
  Value max = f.maxf(state.max[half], largest);
  // Nothing seen so far: every difference is to be -inf and not NaN.
  Value subtrahend = f.maxf(max, f.f32(-std::numeric_limits<float>::max()));
  Value lowered = f.exp2(f.subf(state.max[half], subtrahend));
  Value negative = arith::NegFOp::create(f.b, f.loc, subtrahend);
  for (Accumulator &part : own)
    for (int64_t i : {0, 1}) {
      Value &score = part[first + i];
      Value exponent =
          factor ? f.fma(score, factor, negative) : f.addf(score, negative);
      score = f.exp2(exponent);
      reduce(sums, i, score, /*isMax=*/false);
    }
  Value sum = sums[1] ? f.addf(sums[0], sums[1]) : sums[0];
  state.max[half] = max;
  state.sum[half] = f.fma(state.sum[half], lowered, sum);
  return lowered;
}

void SoftmaxUpdate::lowerRow(SoftmaxState &state, int64_t half, Value factor) {
  int64_t columns = access.getColumnFragments(), first = 2 * (half % 2);
  for (Accumulator &part :
       MutableArrayRef(state.acc).slice(half / 2 * columns, columns))
    for (int64_t i : {first, first + 1})
      part[i] = f.mulf(part[i], factor);
}
