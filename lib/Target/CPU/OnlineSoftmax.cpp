//===- OnlineSoftmax.cpp - the streaming softmax on packed tiles ----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits attn.online_packed: for some strips of query rows at a time, scores
// into a tile that stays in cache, softmax row by row, and the product with the
// values. Masks become exact key ranges per strip of rows; only the first and
// the last vectors of a row are ever compared with a mask (what this buys is
// measured in docs/Rationale/StreamingSoftmax.md).
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Kernels.h"
#include "attn/Target/CPU/MicroKernel.h"
#include "attn/Target/CPU/ScoreModifier.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

namespace {
/// Strips of register tiles that share a score tile: 96 x 256 f32 scores are 96
/// KiB, of which a panel's part is in L1.
constexpr int64_t kStripsPerScoreTile = 8;
/// What a masked score becomes: finite, so that differences of scores never are
/// NaN, and 2^x of it is 0.
constexpr double kMasked = -1e30;
/// At or below this the maximum of a row means that every key so far was
/// masked.
constexpr double kEmptyRow = -1e29;

/// A half-open range of keys, relative to the tile's first key.
struct KeySpan {
  Value begin, end;
};

class OnlinePackedEmitter {
public:
  OnlinePackedEmitter(KernelBuilder &k, OnlinePackedOp op,
                      const CpuTarget &target)
      : k(k), op(op), modifier(k, op),
        accType(cast<MemRefType>(op.getAcc().getType())),
        element(accType.getElementType()),
        lanes(target.lanes(element.getIntOrFloatBitWidth())),
        stripRows(target.tileRows()), vectorType(k.vectorOf(lanes, element)) {
    isPaired =
        cast<MemRefType>(op.getKey().getType()).getElementType() != element;
    key = isPaired ? flattenPairs(op.getKey()) : op.getKey();
    value = isPaired ? flattenPairs(op.getValue()) : op.getValue();
    panelColumns =
        cast<MemRefType>(key.getType()).getShape().back() / (isPaired ? 2 : 1);
    if (op.getScale() && !modifier.isNeeded())
      scoreScale = op.getScale()->convertToDouble();
    scoreRows =
        std::min(kStripsPerScoreTile * stripRows, accType.getDimSize(1));
  }

  void emit();

private:
  KeySpan keyRange(Value firstRow, Value lastRow);
  void emitScoreTile(Value group, Value firstRow, Value step);
  void emitScores(Value group, Value firstRow, Value rows, KeySpan tile,
                  Value column0);
  void emitSoftmaxRow(Value group, Value row, Value localRow, KeySpan strip,
                      Value column0);
  void maskVectors(Value localRow, Value from, Value to, Value firstAllowed,
                   Value endAllowed);
  Value emitRowMax(Value localRow, Value from, Value to);
  Value emitExponentials(Value localRow, Value from, Value to,
                         Value subtrahend);
  void emitRescale(Value group, Value row, Value factor);
  void emitValues(Value group, Value firstRow, Value rows, KeySpan tile,
                  Value column0);
  KeySpan stripRange(Value firstRow, Value strip, Value rows, KeySpan tile);
  /// Runs `body` under a condition that always holds without a mask.
  void ifMasked(Value condition, function_ref<void()> body) {
    op.getMaskAttr() ? k.ifThen(condition, body) : body();
  }

  /// Pairs of bf16 as neighbours in a row.
  Value flattenPairs(Value memref) {
    int64_t rank = cast<MemRefType>(memref.getType()).getRank();
    SmallVector<ReassociationIndices> groups;
    for (int64_t i = 0; i + 1 < rank; ++i)
      groups.push_back({i});
    groups.back().push_back(rank - 1);
    return memref::CollapseShapeOp::create(k.b, k.loc, memref, groups);
  }

  KernelBuilder &k;
  OnlinePackedOp op;
  ScoreModifier modifier;
  MemRefType accType;
  Type element;
  int64_t lanes, stripRows, panelColumns, scoreRows;
  VectorType vectorType;
  bool isPaired;
  double scoreScale =
      1; ///< what scores are still to be multiplied by, within the exponent
  Value key, value;    ///< with pairs flattened
  Value scores;        ///< [scoreRows][keys of the tile], accumulator type
  Value probabilities; ///< the same memory, or bf16 where the value product
                       ///< reads pairs
};
} // namespace

/// The keys of this tile that rows [firstRow, lastRow] may see.
KeySpan OnlinePackedEmitter::keyRange(Value firstRow, Value lastRow) {
  if (!op.getMaskAttr())
    return {k.index(0), op.getKeys()};
  Value first = k.add(op.getFirstQuery(), firstRow),
        last = k.add(op.getFirstQuery(), lastRow);
  auto [begin, end] = op.getMaskAttr().buildKeyRange(
      k.b, k.loc, first, last, op.getNumQueries(), op.getNumKeys());
  Value zero = k.index(0);
  return {k.max(zero, k.sub(begin, op.getFirstKey())),
          k.min(op.getKeys(), k.sub(end, op.getFirstKey()))};
}

KeySpan OnlinePackedEmitter::stripRange(Value firstRow, Value strip, Value rows,
                                        KeySpan tile) {
  if (!op.getMaskAttr())
    return tile;
  Value begin = k.mul(strip, stripRows);
  Value last = k.sub(k.min(k.add(begin, stripRows), rows), k.index(1));
  return keyRange(k.add(firstRow, begin), k.add(firstRow, last));
}

void OnlinePackedEmitter::emit() {
  int64_t columns =
      cast<MemRefType>(key.getType()).getDimSize(0) * panelColumns;
  if (op.getMaskAttr())
    if (std::optional<int64_t> span = op.getMaskAttr().getMaxSpan())
      columns = std::min<int64_t>(
          columns, llvm::alignTo(*span + scoreRows, lanes) + 2 * panelColumns);
  scores = k.scratch({scoreRows, columns}, element);
  Type stored = cast<MemRefType>(value.getType()).getElementType();
  probabilities =
      stored == element ? scores : k.scratch({scoreRows, columns}, stored);
  // Score tiles of even height, rather than a last one of a strip.
  Value number = k.max(k.ceilDiv(op.getRows(), scoreRows), k.index(1));
  Value even =
      k.b.createOrFold<arith::CeilDivUIOp>(k.loc, op.getRows(), number);
  Value step =
      k.max(k.mul(k.ceilDiv(even, stripRows), stripRows), k.index(stripRows));
  k.forLoop(k.index(0), k.index(accType.getDimSize(0)), 1, [&](Value group) {
    k.forLoop(k.index(0), op.getRows(), step,
              [&](Value firstRow) { emitScoreTile(group, firstRow, step); });
  });
}

void OnlinePackedEmitter::emitScoreTile(Value group, Value firstRow,
                                        Value step) {
  Value rows = k.min(step, k.sub(op.getRows(), firstRow));
  KeySpan tile = keyRange(firstRow, k.sub(k.add(firstRow, rows), k.index(1)));
  auto body = [&] {
    Value column0 =
        op.getMaskAttr() ? k.alignDown(tile.begin, panelColumns) : k.index(0);
    emitScores(group, firstRow, rows, tile, column0);
    Value strips = k.ceilDiv(rows, stripRows);
    k.forLoop(k.index(0), strips, 1, [&](Value strip) {
      KeySpan range = stripRange(firstRow, strip, rows, tile);
      Value begin = k.mul(strip, stripRows),
            end = k.min(rows, k.add(begin, stripRows));
      auto softmax = [&] {
        k.forLoop(begin, end, 1, [&](Value localRow) {
          emitSoftmaxRow(group, k.add(firstRow, localRow), localRow, range,
                         column0);
        });
      };
      ifMasked(k.less(range.begin, range.end), softmax);
    });
    emitValues(group, firstRow, rows, tile, column0);
  };
  ifMasked(k.less(tile.begin, tile.end), body);
}

/// Scores of a strip against a panel where they meet, panel by panel so that a
/// panel stays in L1 for all strips.
void OnlinePackedEmitter::emitScores(Value group, Value firstRow, Value rows,
                                     KeySpan tile, Value column0) {
  auto queryType = cast<MemRefType>(op.getQuery().getType());
  Value depth = k.index(queryType.getDimSize(2) / (isPaired ? 2 : 1));
  MicroKernelShape shape{stripRows, panelColumns / lanes, lanes};
  Value strips = k.ceilDiv(rows, stripRows), zero = k.index(0);
  k.forLoop(column0, tile.end, panelColumns, [&](Value column) {
    Value panel =
        k.b.createOrFold<arith::DivUIOp>(k.loc, column, k.index(panelColumns));
    k.forLoop(zero, strips, 1, [&](Value strip) {
      Value row = k.mul(strip, stripRows);
      KeySpan range = stripRange(firstRow, strip, rows, tile);
      auto product = [&] {
        emitMicroKernel(k, shape,
                        {op.getQuery(), {group, k.add(firstRow, row), zero}},
                        {key, {panel, zero, zero}},
                        {scores, {row, k.sub(column, column0)}}, depth,
                        /*accumulate=*/false);
      };
      Value meets = arith::AndIOp::create(
          k.b, k.loc, k.less(column, range.end),
          k.less(range.begin, k.add(column, panelColumns)));
      ifMasked(meets, product);
    });
  });
}

/// Columns [from, to) outside of [firstAllowed, endAllowed) become masked,
/// vector by vector.
void OnlinePackedEmitter::maskVectors(Value localRow, Value from, Value to,
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
Value OnlinePackedEmitter::emitRowMax(Value localRow, Value from, Value to) {
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
Value OnlinePackedEmitter::emitExponentials(Value localRow, Value from,
                                            Value to, Value subtrahend) {
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

void OnlinePackedEmitter::emitRescale(Value group, Value row, Value factor) {
  Value all = k.broadcast(vectorType, factor);
  for (int64_t column = 0; column < accType.getDimSize(2); column += lanes) {
    Value at = k.index(column);
    k.store(k.mulf(all, k.load(vectorType, op.getAcc(), {group, row, at})),
            op.getAcc(), {group, row, at});
  }
}

void OnlinePackedEmitter::emitSoftmaxRow(Value group, Value row, Value localRow,
                                         KeySpan strip, Value column0) {
  Value from = k.sub(k.alignDown(strip.begin, lanes), column0),
        to = k.alignUp(k.sub(strip.end, column0), lanes);
  KeySpan allowed = keyRange(row, row);
  Value first = k.sub(allowed.begin, column0),
        end = k.sub(allowed.end, column0);
  modifier.emitRow(scores, localRow, group, row, column0, from, to, vectorType,
                   kMasked);
  maskVectors(localRow, from, k.min(to, k.alignUp(first, lanes)), first, end);
  maskVectors(localRow, k.max(from, k.alignDown(end, lanes)), to, first, end);

  SmallVector<Value> at{group, row};
  Value oldMax = k.load(op.getMax(), at), lowest = k.constant(element, kMasked);
  oldMax = k.maxf(oldMax, lowest);
  Value rowMax = emitRowMax(localRow, from, to);
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
}

/// acc += probabilities * values, the depth of a strip being exactly its keys.
void OnlinePackedEmitter::emitValues(Value group, Value firstRow, Value rows,
                                     KeySpan tile, Value column0) {
  Value strips = k.ceilDiv(rows, stripRows), zero = k.index(0);
  int64_t width = accType.getDimSize(2);
  auto panel = [&](Value column, int64_t vectors) {
    k.forLoop(zero, strips, 1, [&](Value strip) {
      KeySpan range = stripRange(firstRow, strip, rows, tile);
      Value row = k.mul(strip, stripRows), begin = range.begin,
            depth = k.max(zero, k.sub(range.end, range.begin));
      Value valueColumn = column, valueRow = begin;
      if (isPaired) { // whole pairs: probabilities beyond the range are zero
        begin = k.alignDown(begin, 2);
        Value half = k.index(2);
        depth = k.b.createOrFold<arith::DivUIOp>(
            k.loc, k.alignUp(k.max(zero, k.sub(range.end, begin)), 2), half);
        valueRow = k.b.createOrFold<arith::DivUIOp>(k.loc, begin, half);
        valueColumn = k.mul(column, 2);
      }
      emitMicroKernel(k, {stripRows, vectors, lanes},
                      {probabilities, {row, k.sub(begin, column0)}},
                      {value, {valueRow, valueColumn}},
                      {op.getAcc(), {group, k.add(firstRow, row), column}},
                      depth, /*accumulate=*/true);
    });
  };
  int64_t step = CpuTarget::tileVectors * lanes, whole = width / step * step;
  if (whole > 0)
    k.forLoop(zero, k.index(whole), step,
              [&](Value column) { panel(column, CpuTarget::tileVectors); });
  if (whole < width)
    panel(k.index(whole), (width - whole) / lanes);
}

void attn::cpu::emitOnlinePacked(KernelBuilder &k, OnlinePackedOp op,
                                 const CpuTarget &target) {
  OnlinePackedEmitter(k, op, target).emit();
}
