//===- RowSoftmax.cpp - the streaming softmax of one row ------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Masks, maximum, rescaling and exponentials of a row of scores in cache. Masks
// are exact key ranges: only the first and the last vectors of a row are ever
// compared with one.
//
//===----------------------------------------------------------------------===//

#include "RowSoftmax.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

namespace {
/// What a masked score becomes: finite, so that differences of scores never are
/// NaN, and 2^x of it is 0.
constexpr double kMasked = -1e30;
/// At or below this the maximum of a row means that every key so far was
/// masked.
constexpr double kEmptyRow = -1e29;
} // namespace

/// The keys of this tile that rows [firstRow, lastRow] of a head may see.
KeySpan RowSoftmax::keyRange(Value group, Value firstRow, Value lastRow) {
  if (!op.getMaskAttr())
    return {k.index(0), op.getKeys()};
  Value first = k.add(op.getFirstQuery(), firstRow),
        last = k.add(op.getFirstQuery(), lastRow);
  auto [begin, end] = op.getMaskAttr().buildKeyHull(
      k.b, k.loc, getMaskScope(k, op, group), first, last);
  Value zero = k.index(0);
  return {k.max(zero, k.sub(begin, op.getFirstKey())),
          k.min(op.getKeys(), k.sub(end, op.getFirstKey()))};
}

/// Columns [from, to) outside of [firstAllowed, endAllowed) become masked,
/// vector by vector.
void RowSoftmax::maskVectors(Value localRow, Value from, Value to,
                             Value firstAllowed, Value endAllowed) {
  k.forLoop(from, to, lanes, [&](Value column) {
    Value below = k.maskBelow(lanes, k.sub(endAllowed, column));
    Value before = k.maskBelow(lanes, k.sub(firstAllowed, column));
    Value score = k.load(vectorType, scores, {localRow, column}),
          masked = k.constant(vectorType, kMasked);
    k.store(k.select(before, masked, k.select(below, score, masked)), scores,
            {localRow, column});
  });
}

/// The largest of the scores in vectors [from, to), as a scalar.
Value RowSoftmax::emitMax(Value localRow, Value from, Value to) {
  Value lowest = k.constant(vectorType, kMasked),
        twice = k.sub(to, k.index(lanes));
  SmallVector<Value> pair =
      k.forLoop(from, twice, 2 * lanes, {lowest, lowest},
                [&](Value column, ValueRange carried) {
                  Value first = k.load(vectorType, scores, {localRow, column});
                  Value second = k.load(vectorType, scores,
                                        {localRow, k.add(column, lanes)});
                  return SmallVector<Value>{k.maxf(first, carried[0]),
                                            k.maxf(second, carried[1])};
                });
  // An odd vector is left over; reading the last one again is harmless for a
  // maximum.
  Value last = k.load(vectorType, scores, {localRow, twice});
  return k.reduceMax(k.maxf(last, k.maxf(pair[0], pair[1])));
}

/// scores -> 2^(score - subtrahend) in place (or to bf16), four vectors at a
/// time; their sum as a scalar.
Value RowSoftmax::emitExponentials(Value localRow, Value from, Value to,
                                   Value subtrahend) {
  if (scoreScale != 1) // one fma
    subtrahend = arith::NegFOp::create(k.b, k.loc, subtrahend);
  Value shift = k.broadcast(vectorType, subtrahend),
        zero = k.constant(vectorType, 0);
  auto stored = k.vectorOf(
      lanes, cast<MemRefType>(probabilities.getType()).getElementType());
  auto step = [&](Value column) {
    Value score = k.load(vectorType, scores, {localRow, column});
    Value p =
        k.exp2(scoreScale == 1
                   ? k.subf(score, shift)
                   : k.fma(score, k.constant(vectorType, scoreScale), shift));
    Value kept =
        stored == vectorType
            ? p
            : arith::TruncFOp::create(k.b, k.loc, stored, p).getResult();
    k.store(kept, probabilities, {localRow, column});
    return p;
  };
  Value length = k.sub(to, from),
        fourfold = k.add(from, k.alignDown(length, 4 * lanes));
  SmallVector<Value> sums = k.forLoop(
      from, fourfold, 4 * lanes, {zero, zero},
      [&](Value column, ValueRange carried) {
        Value p[4];
        for (int64_t i = 0; i < 4; ++i)
          p[i] = step(k.add(column, i * lanes));
        return SmallVector<Value>{k.addf(carried[0], k.addf(p[0], p[1])),
                                  k.addf(carried[1], k.addf(p[2], p[3]))};
      });
  sums = k.forLoop(
      fourfold, to, lanes, sums, [&](Value column, ValueRange carried) {
        return SmallVector<Value>{k.addf(carried[0], step(column)), carried[1]};
      });
  return k.reduceAdd(k.addf(sums[0], sums[1]));
}

/// Probabilities of vectors [from, to) become zero.
void RowSoftmax::emitZeros(Value localRow, Value from, Value to) {
  auto type = k.vectorOf(
      lanes, cast<MemRefType>(probabilities.getType()).getElementType());
  k.forLoop(from, to, lanes, [&](Value column) {
    k.store(k.constant(type, 0), probabilities, {localRow, column});
  });
}

void RowSoftmax::emitRescale(Value group, Value row, Value factor) {
  Value all = k.broadcast(vectorType, factor);
  for (int64_t column = 0; column < accType.getDimSize(2); column += lanes) {
    Value at = k.index(column);
    k.store(k.mulf(all, k.load(vectorType, op.getAcc(), {group, row, at})),
            op.getAcc(), {group, row, at});
  }
}

void RowSoftmax::emitRow(Value group, Value row, Value localRow, KeySpan strip,
                         Value column0) {
  Value from = k.sub(k.alignDown(strip.begin, lanes), column0),
        to = k.alignUp(k.sub(strip.end, column0), lanes);
  KeySpan allowed = keyRange(group, row, row);
  Value first = k.sub(allowed.begin, column0),
        end = k.sub(allowed.end, column0);
  modifier.emitRow(scores, localRow, group, row, column0, from, to, vectorType,
                   kMasked);
  maskVectors(localRow, from, k.min(to, k.alignUp(first, lanes)), first, end);
  maskVectors(localRow, k.max(from, k.alignDown(end, lanes)), to, first, end);

  SmallVector<Value> at{group, row};
  Value oldMax = k.load(op.getMax(), at), lowest = k.constant(element, kMasked);
  oldMax = k.maxf(oldMax, lowest);
  Value rowMax = emitMax(localRow, from, to);
  if (scoreScale != 1)
    rowMax = k.mulf(rowMax, k.constant(element, scoreScale));
  k.ifThen(k.greater(rowMax, oldMax), [&] {
    Value factor = k.exp2(k.subf(oldMax, rowMax));
    k.store(rowMax, op.getMax(), at);
    k.store(k.mulf(factor, k.load(op.getSum(), at)), op.getSum(), at);
    emitRescale(group, row, factor);
  });
  Value newMax = k.maxf(rowMax, oldMax);
  Value isEmpty = arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OLE,
                                        newMax, k.constant(element, kEmptyRow));
  Value subtrahend = k.select(isEmpty, k.constant(element, 0), newMax);
  Value sum = emitExponentials(localRow, from, to, subtrahend);
  k.store(k.addf(sum, k.load(op.getSum(), at)), op.getSum(), at);
  if (depthUnit <= lanes)
    return;
  emitZeros(localRow, k.sub(k.alignDown(strip.begin, depthUnit), column0),
            from);
  emitZeros(localRow, to, k.sub(k.alignUp(strip.end, depthUnit), column0));
}
