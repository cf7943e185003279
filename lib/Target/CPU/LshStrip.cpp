//===- LshStrip.cpp - sorted chunks: a strip of queries -------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scores, softmax and the product with the values for a few queries of a chunk.
// What a query sees is a range of ranks, so masks are loop bounds. Keys are
// unit vectors, which bounds a score by the query's length: where that is
// small, exponents need no maximum, and rounds merge by adding.
//
//===----------------------------------------------------------------------===//

#include "LshChunks.h"

#include "attn/Target/CPU/MicroKernel.h"
#include "attn/Target/CPU/VectorizeBlock.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

namespace {
constexpr double kLog2E = 1.4426950408889634, kLn2 = 0.6931471805599453;
/// Scores up to this, in units of log2, are exponents as they are: 2^64 times
/// the keys of a window is far from the largest number, and 2^-64 from the
/// smallest.
constexpr double kMaxExponent = 64;
/// As in RowSoftmax.cpp: what a masked score becomes, and what a maximum is at
/// most if every score was masked.
constexpr double kMasked = -1e30, kEmptyRow = -1e29;
} // namespace

/// What the parts of a row's softmax need.
struct LshChunksEmitter::Row {
  Value number;     ///< in the strip
  Value position;   ///< in the sequence
  Range columns;    ///< of the scores' row that it sees
  Value self;       ///< its own column, which it does not see
  Value firstScore; ///< column of the window that is column 0 of the scores
  SmallVector<Value> codes; ///< its own, by round, repeated to all lanes
  Value isSmall; ///< its scores are exponents as they are; null: none is
};

/// The ranks that a query sees, but for its own.
LshChunksEmitter::Range LshChunksEmitter::rowRanks(const Strip &strip,
                                                   Value rank) {
  SmallVector<Value> at{batch, head, round, rank};
  Value begin = strip.low, end = strip.limit;
  if (op.getFirst())
    begin = k.max(begin, toIndex(k, k.load(op.getFirst(), at)));
  if (op.getFirst() && op.getCausal())
    end = rank;
  else if (op.getEnd())
    end = k.min(end, toIndex(k, k.load(op.getEnd(), at)));
  return {begin, end};
}

void LshChunksEmitter::packQueries(const Strip &strip) {
  double scale = op.getScale().convertToDouble() * (hasScoreMod() ? 1 : kLog2E);
  Value factor = k.constant(vectorType, scale);
  k.forLoop(k.index(0), k.index(headSize), lanes, [&](Value d) {
    for (auto [row, position] : llvm::enumerate(strip.position))
      k.store(k.mulf(factor, k.load(vectorType, x.memref,
                                    x.at(batch, head, position, d))),
              queries, {k.index(row), d});
  });
}

/// Scores of the strip's columns; column 0 is the first of them.
void LshChunksEmitter::emitScores(const Strip &strip) {
  auto product = [&](int64_t vectors, Value column) {
    Value zero = k.index(0);
    emitMicroKernel(k, {strip.rows, vectors, lanes}, {queries, {zero, zero}},
                    {keys, {zero, k.add(strip.columns.begin, column)}},
                    {scores, {zero, column}}, {zero, k.index(headSize)},
                    /*accumulate=*/false);
  };
  Value pairs = k.ceilDiv(
      k.max(k.index(0), k.sub(strip.length, k.index(lanes))), 2 * lanes);
  Value rest = k.mul(pairs, 2 * lanes);
  k.forLoop(k.index(0), rest, 2 * lanes,
            [&](Value column) { product(2, column); });
  k.ifThen(k.less(rest, strip.length), [&] { product(1, rest); });
}

/// Lanes from `column` on that the row sees.
Value LshChunksEmitter::emitKept(const Row &row, Value column) {
  Value lane = laneNumbers(k, idType);
  auto all = [&](Value index) {
    return k.broadcast(idType, toInteger(k, index));
  };
  auto compare = [&](arith::CmpIPredicate predicate, Value a, Value b) {
    return arith::CmpIOp::create(k.b, k.loc, predicate, a, b);
  };
  auto both = [&](Value a, Value b) {
    return arith::AndIOp::create(k.b, k.loc, a, b);
  };
  // Unsigned, so that one comparison sees both ends.
  Value at = arith::AddIOp::create(k.b, k.loc, lane,
                                   all(k.sub(column, row.columns.begin)));
  Value span = k.max(k.index(0), k.sub(row.columns.end, row.columns.begin));
  Value kept = compare(arith::CmpIPredicate::ult, at, all(span));
  if (op.getCausal() && !op.getFirst()) {
    Value position = k.load(idType, positions, {k.add(row.firstScore, column)});
    auto before =
        hasOwnKeys() ? arith::CmpIPredicate::sle : arith::CmpIPredicate::slt;
    return both(kept, compare(before, position, all(row.position)));
  }
  if (op.getCausal() || hasOwnKeys())
    return kept;
  Value self = all(k.sub(row.self, row.columns.begin));
  return both(kept, compare(arith::CmpIPredicate::ne, at, self));
}

/// A vector of scores in units of log2 after the score mod; lanes whose score
/// is -inf are no longer kept.
Value LshChunksEmitter::emitScore(const Row &row, Value column, Value &kept) {
  Value score = k.load(vectorType, scores, {row.number, column});
  if (!hasScoreMod())
    return score;
  auto indexType = VectorType::get({lanes}, k.b.getIndexType());
  Block &block = op.getScoreMod().front();
  IRMapping mapping;
  mapping.map(block.getArgument(0), score);
  mapping.map(block.getArgument(1), k.broadcast(indexType, batch));
  mapping.map(block.getArgument(2), k.broadcast(indexType, head));
  mapping.map(block.getArgument(3), k.broadcast(indexType, row.position));
  Value key = k.load(idType, positions, {k.add(row.firstScore, column)});
  mapping.map(block.getArgument(4),
              arith::IndexCastOp::create(k.b, k.loc, indexType, key));
  FailureOr<SmallVector<Value>> modified =
      vectorizeScalarBlock(k.b, block, mapping, {lanes});
  if (failed(modified))
    return score; // the pass has checked that it can be vectorised
  score = k.mulf(modified->front(), k.constant(vectorType, kLog2E));
  Value isNumber =
      arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::UGT, score,
                            k.constant(vectorType, kMasked));
  kept = arith::AndIOp::create(k.b, k.loc, kept, isNumber);
  return score;
}

/// 1 / the number of rounds that meet each pair, for kept lanes.
Value LshChunksEmitter::emitDuplicates(const Row &row, Value column) {
  Value number = splat(k, codeType, 0);
  for (int64_t r = 0; r < rounds; ++r) {
    Value key =
        k.load(codeType, codes, {k.index(r), k.add(row.firstScore, column)});
    Value distance = arith::SubIOp::create(k.b, k.loc, row.codes[r], key);
    if (ahead)
      distance = arith::AddIOp::create(k.b, k.loc, distance,
                                       splat(k, codeType, ahead));
    Value isMet =
        arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::ule, distance,
                              splat(k, codeType, back + ahead));
    number = arith::AddIOp::create(
        k.b, k.loc, number,
        arith::ExtUIOp::create(k.b, k.loc, codeType, isMet));
  }
  if (codeType.getElementType() != idType.getElementType())
    number = arith::ExtUIOp::create(k.b, k.loc, idType, number);
  // A table in a register, where one instruction looks up 16 numbers.
  bool hasTable = element.isF32() && lanes == 16 && rounds < lanes;
  if (!hasTable) {
    Value real = arith::UIToFPOp::create(k.b, k.loc, vectorType, number);
    return k.divf(k.constant(vectorType, 1), real);
  }
  SmallVector<float> inverse{0};
  for (int64_t count = 1; count < lanes; ++count)
    inverse.push_back(1.0f / count);
  Value table = arith::ConstantOp::create(
      k.b, k.loc, DenseElementsAttr::get(vectorType, ArrayRef(inverse)));
  return LLVM::CallIntrinsicOp::create(
             k.b, k.loc, vectorType,
             k.b.getStringAttr("llvm.x86.avx512.permvar.sf.512"),
             ValueRange{table, number})
      .getResult(0);
}

/// What is subtracted from the row's scores; sets the factor by which its
/// output and sum so far are scaled.
Value LshChunksEmitter::emitReference(const Row &row, bool isBounded) {
  Value one = k.constant(element, 1), zero = k.constant(element, 0);
  if (isBounded) {
    k.store(one, factors, {row.number});
    return zero;
  }
  Value lowest = k.constant(element, kMasked),
        masked = k.constant(vectorType, kMasked);
  Value largest = k.forLoop(k.index(0), k.max(k.index(0), row.columns.end),
                            lanes, {masked}, [&](Value column, ValueRange old) {
                              Value kept = emitKept(row, column);
                              Value score = emitScore(row, column, kept);
                              return SmallVector<Value>{k.maxf(
                                  k.select(kept, score, masked), old[0])};
                            })[0];
  Value before =
      k.select(isFirst, lowest, k.load(op.getState(), maxAt(row.position)));
  Value after = k.maxf(k.reduceMax(largest), before);
  Value isEmpty = arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OLE,
                                        after, k.constant(element, kEmptyRow));
  Value reference = k.select(isEmpty, zero, after);
  Value factor = k.select(isEmpty, one, k.exp2(k.subf(before, after)));
  if (row.isSmall) {
    reference = k.select(row.isSmall, zero, reference);
    factor = k.select(row.isSmall, one, factor);
  }
  k.store(after, op.getState(), maxAt(row.position));
  k.store(factor, factors, {row.number});
  return reference;
}

/// Adds the row's sum to that of earlier rounds; the last round divides by it.
void LshChunksEmitter::finishRow(const Row &row, Value reference, Value sum) {
  Value zero = k.constant(element, 0), one = k.constant(element, 1);
  Value before = k.mulf(k.load(op.getState(), sumAt(row.position)),
                        k.load(factors, {row.number}));
  Value total = k.addf(sum, k.select(isFirst, zero, before));
  k.store(total, op.getState(), sumAt(row.position));
  Value isEmpty =
      arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OEQ, total, zero);
  Value inverse = k.select(isEmpty, zero, k.divf(one, total));
  k.store(k.select(isLast, inverse, one), finals, {row.number});
  if (!op.getLse())
    return;
  k.ifThen(isLast, [&] {
    Value log = math::Log2Op::create(k.b, k.loc, total);
    Value lse = k.mulf(k.addf(reference, log), k.constant(element, kLn2));
    Value lowest =
        k.constant(element, -std::numeric_limits<double>::infinity());
    k.store(k.select(isEmpty, lowest, lse), op.getLse(),
            TokenView{op.getLse(), op.getMap(3)}.at(batch, head, row.position));
  });
}

void LshChunksEmitter::emitRow(const Strip &strip, Value number,
                               bool isBounded) {
  Value rank = k.add(strip.first, number);
  prefetchNext(rank);
  Range ranks = rowRanks(strip, rank);
  Value origin = k.add(strip.base, strip.columns.begin);
  Row row{number,
          positionAt(rank),
          {k.sub(ranks.begin, origin), k.sub(ranks.end, origin)},
          k.sub(rank, origin),
          strip.columns.begin,
          {},
          Value()};
  if (codes)
    for (int64_t r = 0; r < rounds; ++r)
      row.codes.push_back(k.broadcast(
          codeType,
          k.load(op.getCode(), {batch, head, row.position, k.index(r)})));
  if (!hasScoreMod() && !isBounded) {
    double limit =
        kMaxExponent / (kLog2E * std::abs(op.getScale().convertToDouble()));
    Value unit = k.load(op.getUnit(), rowAt(row.position));
    row.isSmall = arith::CmpFOp::create(
        k.b, k.loc, arith::CmpFPredicate::OGE,
        k.mulf(unit, k.constant(element, limit)), k.constant(element, 1));
  }
  Value reference = emitReference(row, isBounded);
  Value shift = k.broadcast(vectorType, reference),
        none = k.constant(vectorType, 0);
  Value sum = k.forLoop(k.index(0), strip.length, lanes, {none},
                        [&](Value column, ValueRange old) {
                          Value kept = emitKept(row, column);
                          Value score = emitScore(row, column, kept);
                          Value weight =
                              k.exp2(isBounded ? score : k.subf(score, shift));
                          if (codes)
                            weight =
                                k.mulf(weight, emitDuplicates(row, column));
                          weight = k.select(kept, weight, none);
                          k.store(weight, scores, {number, column});
                          return SmallVector<Value>{k.addf(old[0], weight)};
                        })[0];
  finishRow(row, reference, k.reduceAdd(sum));
}

/// Whether all of the strip's scores can be exponents as they are.
Value LshChunksEmitter::areAllSmall(const Strip &strip) {
  double limit =
      kMaxExponent / (kLog2E * std::abs(op.getScale().convertToDouble()));
  Value all;
  for (Value position : strip.position) {
    Value unit = k.load(op.getUnit(), rowAt(position));
    Value isSmall = arith::CmpFOp::create(
        k.b, k.loc, arith::CmpFPredicate::OGE,
        k.mulf(unit, k.constant(element, limit)), k.constant(element, 1));
    all = all ? arith::AndIOp::create(k.b, k.loc, all, isSmall).getResult()
              : isSmall;
  }
  return all;
}

void LshChunksEmitter::emitSoftmax(const Strip &strip, bool isBounded) {
  k.forLoop(k.index(0), k.index(strip.rows), 1,
            [&](Value row) { emitRow(strip, row, isBounded); });
}

/// Columns [column, column + vectors * lanes) of the outputs, which stay in
/// registers over all keys.
void LshChunksEmitter::emitProduct(const Strip &strip, int64_t column,
                                   int64_t vectors) {
  auto at = [&](const TokenView &view, Value token, int64_t v) {
    return view.at(batch, head, token, k.index(column + v * lanes));
  };
  SmallVector<Value> sums;
  Value none = k.constant(vectorType, 0);
  for (auto [row, position] : llvm::enumerate(strip.position)) {
    Value factor = k.broadcast(vectorType, k.load(factors, {k.index(row)}));
    for (int64_t v = 0; v < vectors; ++v) {
      Value old = k.load(vectorType, output.memref, at(output, position, v));
      sums.push_back(k.select(isFirst, none, k.mulf(factor, old)));
    }
  }
  Value origin = k.add(strip.base, strip.columns.begin);
  sums = k.forLoop(
      k.index(0), strip.length, 1, sums, [&](Value step, ValueRange old) {
        Value key = keyAt(k.add(origin, step));
        SmallVector<Value> rows, next;
        for (int64_t v = 0; v < vectors; ++v)
          rows.push_back(k.load(vectorType, value.memref, at(value, key, v)));
        for (int64_t r = 0; r < strip.rows; ++r) {
          Value weight =
              k.broadcast(vectorType, k.load(scores, {k.index(r), step}));
          for (int64_t v = 0; v < vectors; ++v)
            next.push_back(k.fma(weight, rows[v], old[r * vectors + v]));
        }
        return next;
      });
  for (auto [row, position] : llvm::enumerate(strip.position)) {
    Value final = k.broadcast(vectorType, k.load(finals, {k.index(row)}));
    for (int64_t v = 0; v < vectors; ++v)
      k.store(k.mulf(final, sums[row * vectors + v]), output.memref,
              at(output, position, v));
  }
}

void LshChunksEmitter::emitProducts(const Strip &strip) {
  for (int64_t column = 0; column < valueSize;
       column += CpuTarget::tileVectors * lanes)
    emitProduct(strip, column,
                std::min(CpuTarget::tileVectors, (valueSize - column) / lanes));
}

/// A query that saw nothing in any round gives its own value.
void LshChunksEmitter::emitFallback(const Strip &strip) {
  if (hasOwnKeys())
    return; // it gives 0
  k.ifThen(isLast, [&] {
    k.forLoop(k.index(0), k.index(strip.rows), 1, [&](Value row) {
      Value isEmpty =
          arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OEQ,
                                k.load(finals, {row}), k.constant(element, 0));
      k.ifThen(isEmpty, [&] {
        Value position = positionAt(k.add(strip.first, row));
        k.forLoop(k.index(0), k.index(valueSize), lanes, [&](Value column) {
          Value own = k.load(vectorType, value.memref,
                             value.at(batch, head, position, column));
          k.store(own, output.memref, output.at(batch, head, position, column));
        });
      });
    });
  });
}

/// The tokens of the next chunk are scattered over memory, and so is what is
/// kept for each of them. A row at a time: all of a strip's lines at once would
/// be more than the processor can wait for while it computes.
void LshChunksEmitter::prefetchNext(Value rank) {
  Value next = k.add(rank, chunk);
  int64_t lineElements = 512 / element.getIntOrFloatBitWidth();
  auto fetch = [&](Value memref, ValueRange at, bool isWrite) {
    memref::PrefetchOp::create(k.b, k.loc, memref, at, isWrite,
                               /*localityHint=*/2, /*isDataCache=*/true);
  };
  k.ifThen(k.less(next, count), [&] {
    Value token = positionAt(next);
    auto fetchRow = [&](const TokenView &view, int64_t size, bool isWrite) {
      for (int64_t column = 0; column < size; column += lineElements)
        fetch(view.memref, view.at(batch, head, token, k.index(column)),
              isWrite);
    };
    fetchRow(x, headSize, false);
    if (!hasOwnKeys())
      fetchRow(value, valueSize, false);
    fetchRow(output, valueSize, true);
    fetch(op.getState(), sumAt(token), true);
    fetch(op.getUnit(), rowAt(token), false);
    if (codes)
      fetch(op.getCode(), {batch, head, token, k.index(0)}, false);
  });
}

void LshChunksEmitter::emitStrip(int64_t rows, Value rank, Value number) {
  Strip strip;
  strip.rows = rows;
  strip.first = rank;
  strip.base = k.mul(k.sub(number, k.index(back)), keyChunk);
  strip.low = k.max(k.index(0), strip.base);
  strip.limit = k.min(keyCount, k.mul(k.add(number, 1 + ahead), keyChunk));
  for (int64_t r = 0; r < rows; ++r)
    strip.position.push_back(positionAt(k.add(rank, r)));
  // Ranges of ranks rise with the rank: the first begins the strip's, the last
  // ends it.
  Value begin = rowRanks(strip, rank).begin,
        end = rowRanks(strip, k.add(rank, rows - 1)).end;
  strip.columns = {k.sub(begin, strip.base), k.sub(end, strip.base)};
  strip.length = k.max(k.index(0), k.sub(end, begin));
  packQueries(strip);
  emitScores(strip);
  if (hasScoreMod()) {
    emitSoftmax(strip, /*isBounded=*/false);
  } else {
    auto branch = scf::IfOp::create(k.b, k.loc, areAllSmall(strip),
                                    /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(k.b);
    k.b.setInsertionPointToStart(branch.thenBlock());
    emitSoftmax(strip, /*isBounded=*/true);
    k.b.setInsertionPointToStart(branch.elseBlock());
    emitSoftmax(strip, /*isBounded=*/false);
    k.b.setInsertionPointAfter(branch);
    emitProducts(strip);
    emitFallback(strip);
    return;
  }
  emitProducts(strip);
  emitFallback(strip);
}
