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

#include "RowSoftmax.h"

#include "attn/Target/CPU/MicroKernel.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

namespace {
/// Values are read where they lie: the first strip of a tile brings them from
/// the last cache or from memory.
constexpr int64_t kPrefetchSteps = 24;

/// Strips of register tiles that share a score tile: 96 x 256 f32 scores are 96
/// KiB, of which a panel's part is in L1.
constexpr int64_t kStripsPerScoreTile = 8;
/// Of AMX, whose strips are higher: the same 96 rows.
constexpr int64_t kAmxStripsPerScoreTile = 3;

class OnlinePackedEmitter {
public:
  OnlinePackedEmitter(KernelBuilder &k, OnlinePackedOp op,
                      const CpuTarget &target)
      : k(k), op(op), softmax(k, op, target), accType(softmax.getAccType()),
        lanes(softmax.getLanes()),
        stripRows(target.stripRows(accType.getDimSize(1))) {
    auto keyType = cast<MemRefType>(op.getKey().getType());
    isPaired = keyType.getElementType() != softmax.getElement();
    isAmx = isPaired && target.usesAmx(accType.getDimSize(1));
    if (isAmx) {
      stripRows = CpuTarget::amxStripRows;
      softmax.setDepthUnit(2 * CpuTarget::amxRows);
    }
    key = isPaired ? flattenPairs(op.getKey()) : op.getKey();
    value = isPaired ? flattenPairs(op.getValue()) : op.getValue();
    panelColumns =
        cast<MemRefType>(key.getType()).getShape().back() / (isPaired ? 2 : 1);
    if (op.getRelative())
      relative = isPaired ? flattenPairs(op.getRelative()) : op.getRelative();
    scoreRows = std::min(
        (isAmx ? kAmxStripsPerScoreTile : kStripsPerScoreTile) * stripRows,
        accType.getDimSize(1));
  }

  void emit();

private:
  void emitScoreTile(Value group, Value firstRow, Value step);
  void emitScores(Value group, Value firstRow, Value rows, KeySpan tile,
                  Value column0);
  void emitValues(Value group, Value firstRow, Value rows, KeySpan tile,
                  Value column0);
  void emitRelative(Value group, Value row, KeySpan range, Value column0,
                    Value localRow);
  KeySpan stripRange(Value group, Value firstRow, Value strip, Value rows,
                     KeySpan tile);
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
  RowSoftmax softmax;
  MemRefType accType;
  int64_t lanes, stripRows, panelColumns, scoreRows;
  bool isPaired, isAmx;
  Value key, value, relative; ///< with pairs flattened
  Value relativeScores;       ///< [strip rows][lanes + columns]
};
} // namespace

KeySpan OnlinePackedEmitter::stripRange(Value group, Value firstRow,
                                        Value strip, Value rows, KeySpan tile) {
  if (!op.getMaskAttr())
    return tile;
  Value begin = k.mul(strip, stripRows);
  Value last = k.sub(k.min(k.add(begin, stripRows), rows), k.index(1));
  return softmax.keyRange(group, k.add(firstRow, begin), k.add(firstRow, last));
}

void OnlinePackedEmitter::emit() {
  int64_t columns =
      cast<MemRefType>(key.getType()).getDimSize(0) * panelColumns;
  if (op.getMaskAttr())
    if (std::optional<int64_t> span = op.getMaskAttr().getMaxSpan())
      columns = std::min<int64_t>(
          columns, llvm::alignTo(*span + scoreRows, lanes) + 2 * panelColumns);
  softmax.allocate(scoreRows, columns,
                   cast<MemRefType>(value.getType()).getElementType());
  if (relative) {
    // A strip sees as many positions more than keys as it has rows; vectors
    // begin up to one before the first and panels end after the last.
    int64_t positions =
        lanes + llvm::alignTo(columns + stripRows + lanes, panelColumns) +
        panelColumns;
    relativeScores = k.scratch({stripRows, positions}, softmax.getElement());
  }
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
  KeySpan tile = softmax.keyRange(group, firstRow,
                                  k.sub(k.add(firstRow, rows), k.index(1)));
  auto body = [&] {
    Value column0 =
        op.getMaskAttr() ? k.alignDown(tile.begin, panelColumns) : k.index(0);
    emitScores(group, firstRow, rows, tile, column0);
    Value strips = k.ceilDiv(rows, stripRows);
    k.forLoop(k.index(0), strips, 1, [&](Value strip) {
      KeySpan range = stripRange(group, firstRow, strip, rows, tile);
      Value begin = k.mul(strip, stripRows),
            end = k.min(rows, k.add(begin, stripRows));
      auto rowsOfStrip = [&] {
        if (relative)
          emitRelative(group, firstRow, range, column0, begin);
        k.forLoop(begin, end, 1, [&](Value localRow) {
          softmax.emitRow(group, k.add(firstRow, localRow), localRow, range,
                          column0);
        });
      };
      ifMasked(k.less(range.begin, range.end), rowsOfStrip);
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
  MicroKernelShape shape{stripRows, panelColumns / lanes, lanes, isAmx};
  Value strips = k.ceilDiv(rows, stripRows), zero = k.index(0);
  k.forLoop(column0, tile.end, panelColumns, [&](Value column) {
    Value panel =
        k.b.createOrFold<arith::DivUIOp>(k.loc, column, k.index(panelColumns));
    k.forLoop(zero, strips, 1, [&](Value strip) {
      Value row = k.mul(strip, stripRows);
      KeySpan range = stripRange(group, firstRow, strip, rows, tile);
      auto product = [&] {
        emitMicroKernel(
            k, shape, {op.getQuery(), {group, k.add(firstRow, row), zero}},
            {key, {panel, zero, zero}},
            {softmax.getScores(), {row, k.sub(column, column0)}}, {zero, depth},
            /*accumulate=*/false);
      };
      Value meets = arith::AndIOp::create(
          k.b, k.loc, k.less(column, range.end),
          k.less(range.begin, k.add(column, panelColumns)));
      ifMasked(meets, product);
    });
  });
}

/// Adds to the scores of a strip what its rows make of relative positions. Row
/// r meets key j at position rows - 1 - r + j: each row reads the products a
/// column further to the left than the row before.
void OnlinePackedEmitter::emitRelative(Value group, Value firstRow,
                                       KeySpan range, Value column0,
                                       Value localRow) {
  Value zero = k.index(0), first = k.add(firstRow, localRow);
  Value lastPosition = k.sub(op.getRows(), k.index(1));
  auto positionOf = [&](Value row, Value column) {
    return k.add(k.sub(lastPosition, row), column);
  };
  Value begin = k.alignDown(
      k.max(zero, positionOf(k.add(first, stripRows - 1), range.begin)),
      panelColumns);
  Value end = k.min(op.getPositions(), positionOf(first, range.end));
  auto queryType = cast<MemRefType>(op.getQuery().getType());
  Value depth = k.index(queryType.getDimSize(2) / (isPaired ? 2 : 1));
  k.forLoop(begin, end, panelColumns, [&](Value position) {
    Value panel = k.b.createOrFold<arith::DivUIOp>(k.loc, position,
                                                   k.index(panelColumns));
    emitMicroKernel(
        k, {stripRows, panelColumns / lanes, lanes, isAmx},
        {op.getRelativeQuery(), {group, first, zero}},
        {relative, {panel, zero, zero}},
        {relativeScores, {zero, k.add(k.sub(position, begin), lanes)}},
        {zero, depth}, /*accumulate=*/false);
  });
  auto type = k.vectorOf(lanes, softmax.getElement());
  Value nothing = k.constant(type, 0);
  Value from = k.alignDown(range.begin, lanes),
        to = k.alignUp(k.sub(range.end, column0), lanes);
  Value rows = k.min(k.index(stripRows), k.sub(op.getRows(), first));
  k.forLoop(zero, rows, 1, [&](Value row) {
    Value origin = positionOf(k.add(first, row), column0);
    k.forLoop(k.sub(from, column0), to, lanes, [&](Value column) {
      Value position = k.add(origin, column);
      Value part = k.load(type, relativeScores,
                          {row, k.add(k.sub(position, begin), lanes)});
      Value isThere = k.maskBelow(lanes, k.sub(op.getPositions(), position));
      SmallVector<Value> at{k.add(localRow, row), column};
      Value score = k.load(type, softmax.getScores(), at);
      k.store(k.addf(score, k.select(isThere, part, nothing)),
              softmax.getScores(), at);
    });
  });
}

/// acc += probabilities * values, the depth of a strip being exactly its keys.
void OnlinePackedEmitter::emitValues(Value group, Value firstRow, Value rows,
                                     KeySpan tile, Value column0) {
  Value strips = k.ceilDiv(rows, stripRows), zero = k.index(0);
  int64_t width = accType.getDimSize(2);
  auto panel = [&](Value column, int64_t vectors) {
    k.forLoop(zero, strips, 1, [&](Value strip) {
      KeySpan range = stripRange(group, firstRow, strip, rows, tile);
      Value row = k.mul(strip, stripRows), begin = range.begin,
            depth = k.max(zero, k.sub(range.end, range.begin));
      Value valueColumn = column, valueRow = begin;
      if (isPaired) { // whole pairs: probabilities beyond the range are zero
        int64_t unit = isAmx ? 2 * CpuTarget::amxRows : 2;
        begin = k.alignDown(begin, unit);
        Value half = k.index(2);
        // An empty range must not become one by its beginning.
        Value end = k.select(k.less(range.begin, range.end), range.end, begin);
        depth = k.b.createOrFold<arith::DivUIOp>(
            k.loc, k.alignUp(k.sub(end, begin), unit), half);
        valueRow = k.b.createOrFold<arith::DivUIOp>(k.loc, begin, half);
        valueColumn = k.mul(column, 2);
      }
      emitMicroKernel(
          k, {stripRows, vectors, lanes, isAmx, kPrefetchSteps},
          {softmax.getProbabilities(), {row, k.sub(begin, column0)}},
          {value, {valueRow, valueColumn}},
          {op.getAcc(), {group, k.add(firstRow, row), column}}, {zero, depth},
          /*accumulate=*/true);
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
  if (cast<MemRefType>(op.getKey().getType()).getRank() == 2)
    return emitOnlineFewRows(k, op, target);
  OnlinePackedEmitter(k, op, target).emit();
}
