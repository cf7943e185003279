//===- OnlineSoftmax.cpp - the streaming softmax on tensor cores ----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits attn.online_attention for a block of warps: every warp has rows of
// queries of its own and walks over the keys, which all warps bring into shared
// memory a tile ahead. Scores and probabilities never leave registers.
//
//===----------------------------------------------------------------------===//

#include "RelativePositions.h"
#include "ScoreModifier.h"
#include "Staging.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

namespace {
constexpr double kLog2E = 1.4426950408889634;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
/// Registers of a lane that may hold queries; more stay in shared memory.
constexpr int64_t kQueryRegisters = 32;
/// Bytes of a row of keys, and columns of the accumulators of a lane, up to
/// which 64 keys make a tile, and not 32.
constexpr int64_t kShortRow = 256, kFewColumns = 128;
/// Shared memory of a block that every architecture has.
constexpr int64_t kSharedBytes = 99 * 1024;

/// A memref over some of the op's dimensions.
unsigned positionOf(AffineMap map, unsigned dim) {
  return *map.getResultPosition(getAffineDimExpr(dim, map.getContext()));
}

class OnlineEmitter {
public:
  OnlineEmitter(OpBuilder &b, OnlineAttentionOp op, Kernel &kernel)
      : op(op), kernel(kernel), f(b, op.getLoc(), kernel.at, kernel.products),
        access(f, kernel, cast<MemRefType>(op.getAcc().getType())),
        queryMap(mapAt(0)), keyMap(mapAt(1)), valueMap(mapAt(2)),
        element(cast<MemRefType>(op.getKey().getType()).getElementType()),
        numRows(dim(op.getQuery(), positionOf(queryMap, D::kQuery))),
        numKeys(dim(op.getKey(), positionOf(keyMap, D::kKey))),
        modifier(f, op, numRows, numKeys) {
    depth = FragmentBuilder::depthOf(element);
    headSize = llvm::alignTo(cast<MemRefType>(op.getKey().getType())
                                 .getDimSize(positionOf(keyMap, D::kHeadSize)),
                             depth);
    valueSize = 8 * access.getColumnFragments();
    int64_t rowBytes =
        std::max(headSize, valueSize) * element.getIntOrFloatBitWidth() / 8;
    bool isShort =
        rowBytes <= kShortRow && kernel.rowFragments * valueSize <= kFewColumns;
    // Ranges of rows take registers that scores of 64 keys need.
    isShort &= !op.getMaskAttr() || kernel.rowFragments == 1;
    keyTile = isShort ? 64 : 32;
    queryInRegisters = !element.isF32() &&
                       kernel.rowFragments * steps() * 4 <= kQueryRegisters;
    int64_t queryRows =
        queryInRegisters ? 0 : kernel.at.warps * kernel.warpRows();
    while (keyTile > 16 &&
           (queryRows + 4 * keyTile) * (rowBytes + 16) > kSharedBytes)
      keyTile /= 2;
    if (!op.getRelative())
      return;
    keyTile = RelativePositions::chooseKeyTile(rowBytes, queryInRegisters);
    relative.emplace(f, op, kernel, numRows, keyTile, headSize);
  }

  void emit();

private:
  using D = OnlineAttentionOp;
  using Scores = SmallVector<Accumulator>; ///< [row fragment][key fragment]

  AffineMap mapAt(unsigned index) {
    return cast<AffineMapAttr>(op.getIndexingMaps()[index]).getValue();
  }
  Value dim(Value memref, unsigned position) {
    return f.b.createOrFold<memref::DimOp>(f.loc, memref, int64_t(position));
  }
  int64_t steps() const { return headSize / depth; }
  int64_t keyFragments() const { return keyTile / 8; }

  void planShared();
  SharedTile tileAt(Value base, int64_t rows, int64_t columns) {
    return {base, rows, columns, element};
  }
  SharedTile queryTile(bool isRelative);
  void stageQuery(bool isRelative);
  void stageKeys(Value firstKey, Value base);
  void loadQuery();
  Operand leftOperand(int64_t m, int64_t step, bool isRelative = false);
  void describeRows();
  SoftmaxState emitTiles(const SoftmaxState &state);
  SoftmaxState emitTile(Value firstKey, Value base, const SoftmaxState &state);
  Scores emitScores(Value firstKey, const SharedTile &keys);
  Scores restrict(Scores scores, Value firstKey);
  Scores applyRanges(Scores scores, Value firstKey);
  /// Calls with every element of the scores, its row and its column.
  void forEach(Scores &scores,
               function_ref<Value(Value, const ScoreRow &, int64_t column)> to);
  void updateRow(Scores &scores, SoftmaxState &state, int64_t half);
  void emitValues(const SharedTile &values, Scores &scores,
                  SoftmaxState &state);
  Value reduceWarp(ArrayRef<Value> values, bool isMax);

  OnlineAttentionOp op;
  Kernel &kernel;
  FragmentBuilder f;
  StateAccess access;
  AffineMap queryMap, keyMap, valueMap;
  Type element;
  Value numRows, numKeys;
  ScoreModifier modifier;
  int64_t depth, headSize, valueSize, keyTile;
  bool queryInRegisters;
  int64_t keyBytes = 0, stageBytes = 0;
  Value queryBase;
  SmallVector<Operand> query; ///< [row fragment][step], if in registers
  std::optional<RelativePositions> relative;
  SmallVector<Operand> relativeQuery; ///< as `query`
  SmallVector<ScoreRow> rows;         ///< [row fragment][upper, lower half]
  Value fullBegin, fullEnd;           ///< keys that all rows of the warp see
  Value hullBegin, hullEnd;           ///< keys outside of which no row sees any
};
} // namespace

/// Two stages of keys and values, and the positions. Queries that end up in
/// registers pass through the second stage and what follows, empty by then.
void OnlineEmitter::planShared() {
  keyBytes = tileAt({}, keyTile, headSize).bytes();
  stageBytes = keyBytes + tileAt({}, keyTile, valueSize).bytes();
  int64_t queryBytes =
      tileAt({}, kernel.at.warps * kernel.warpRows(), headSize).bytes();
  int64_t end = 2 * stageBytes;
  if (relative) {
    relative->placeAt(f.offset(kernel.at.shared, end));
    end += relative->bytes();
    queryBytes *= 2;
  }
  int64_t queryAt = queryInRegisters ? stageBytes : end;
  queryBase = f.offset(kernel.at.shared, queryAt);
  kernel.requireShared(std::max(end, queryAt + queryBytes));
}

/// Where queries, or those of relative positions, are at first or stay.
SharedTile OnlineEmitter::queryTile(bool isRelative) {
  SharedTile tile =
      tileAt(queryBase, kernel.at.warps * kernel.warpRows(), headSize);
  if (isRelative)
    tile.base = f.offset(queryBase, tile.bytes());
  return tile;
}

/// Rows of all groups below each other, as in the state.
void OnlineEmitter::stageQuery(bool isRelative) {
  auto accType = cast<MemRefType>(op.getAcc().getType());
  int64_t groups = accType.getDimSize(0), perGroup = accType.getDimSize(1);
  GlobalRows source(f, isRelative ? op.getRelativeQuery() : op.getQuery(),
                    positionOf(queryMap, D::kHeadSize));
  bool isGrouped = queryMap.isFunctionOfDim(D::kGroup);
  bool groupFirst = isGrouped && positionOf(queryMap, D::kGroup) <
                                     positionOf(queryMap, D::kQuery);
  stage(f, queryTile(isRelative), source, [&](Value row) {
    Value isThere = f.less(row, f.index(groups * perGroup));
    row = f.min(row, f.index(groups * perGroup - 1));
    Value group =
        f.b.createOrFold<arith::DivUIOp>(f.loc, row, f.index(perGroup));
    Value i = f.b.createOrFold<arith::RemUIOp>(f.loc, row, f.index(perGroup));
    isThere = f.both(isThere, f.less(i, numRows));
    i = f.min(i, f.sub(numRows, f.index(1)));
    if (!isGrouped)
      return RowOrigin{isThere, {i}};
    return groupFirst ? RowOrigin{isThere, {group, i}}
                      : RowOrigin{isThere, {i, group}};
  });
}

/// Keys and values [firstKey, firstKey + keyTile). Values of keys that are not
/// valid become zero: 0 * NaN must not escape.
void OnlineEmitter::stageKeys(Value firstKey, Value base) {
  GlobalRows keys(f, op.getKey(), positionOf(keyMap, D::kHeadSize)),
      values(f, op.getValue(), positionOf(valueMap, D::kValueSize));
  auto origin = [&](Value row, bool isValue) {
    Value key = f.add(firstKey, row);
    Value isThere = f.less(key, numKeys);
    if (Value valid = isValue ? modifier.isValid(key) : Value())
      isThere = f.both(isThere, valid);
    return RowOrigin{isThere, {f.min(key, f.sub(numKeys, f.index(1)))}};
  };
  stage(f, tileAt(base, keyTile, headSize), keys,
        [&](Value row) { return origin(row, false); });
  stage(f, tileAt(f.offset(base, keyBytes), keyTile, valueSize), values,
        [&](Value row) { return origin(row, true); });
  commitStaging(f);
}

Operand OnlineEmitter::leftOperand(int64_t m, int64_t step, bool isRelative) {
  if (!query.empty())
    return (isRelative ? relativeQuery : query)[m * steps() + step];
  Value row = f.add(f.mul(kernel.at.warp, kernel.warpRows()),
                    m * FragmentBuilder::fragmentRows);
  return f.loadLeft(queryTile(isRelative), row, step);
}

void OnlineEmitter::loadQuery() {
  finishStaging(f);
  f.barrier();
  SmallVector<Operand> loaded;
  for (int64_t m = 0; m < kernel.rowFragments; ++m)
    for (int64_t step = 0; step < steps(); ++step) {
      loaded.push_back(leftOperand(m, step));
      if (relative)
        relativeQuery.push_back(leftOperand(m, step, /*isRelative=*/true));
    }
  query = std::move(loaded);
  // The second stage is written next.
  f.barrier();
}

/// The extreme of i32 values over all rows of the warp.
Value OnlineEmitter::reduceWarp(ArrayRef<Value> values, bool isMax) {
  auto extreme = [&](Value x, Value y) -> Value {
    if (isMax)
      return f.max(x, y);
    return f.min(x, y);
  };
  Value result = values.front();
  for (Value value : values.drop_front())
    result = extreme(result, value);
  for (int64_t mask : {4, 8, 16})
    result = extreme(result, f.shuffleXor(result, mask));
  return result;
}

void OnlineEmitter::describeRows() {
  bool isGrouped = cast<MemRefType>(op.getAcc().getType()).getDimSize(0) > 1;
  SmallVector<Value> begins, ends;
  for (const StateRow &row : access.getRows()) {
    rows.push_back(modifier.describe(row, isGrouped));
    begins.push_back(rows.back().begin);
    ends.push_back(rows.back().end);
  }
  fullEnd = hullEnd = rows.front().end;
  if (!op.getMaskAttr() || modifier.needsPredicate())
    return;
  fullBegin = reduceWarp(begins, /*isMax=*/true);
  fullEnd = reduceWarp(ends, /*isMax=*/false);
  hullBegin = reduceWarp(begins, /*isMax=*/false);
  hullEnd = reduceWarp(ends, /*isMax=*/true);
}

OnlineEmitter::Scores OnlineEmitter::emitScores(Value firstKey,
                                                const SharedTile &keys) {
  Scores scores(kernel.rowFragments * keyFragments(), f.zero());
  if (relative) {
    scores.clear();
    for (int64_t m = 0; m < kernel.rowFragments; ++m)
      llvm::append_range(
          scores, relative->emit(firstKey, m, steps(), [&](int64_t step) {
            return leftOperand(m, step, /*isRelative=*/true);
          }));
  }
  for (int64_t step = 0; step < steps(); ++step) {
    SmallVector<Operand> left;
    for (int64_t m = 0; m < kernel.rowFragments; ++m)
      left.push_back(leftOperand(m, step));
    for (int64_t n = 0; n < keyFragments(); n += 2) {
      SmallVector<Operand> right = f.loadRight(keys, 8 * n, step);
      for (int64_t part = 0; part < 2; ++part)
        for (int64_t m = 0; m < kernel.rowFragments; ++m) {
          Accumulator &sum = scores[m * keyFragments() + n + part];
          sum = f.multiply(left[m], right[part], sum, element);
        }
    }
  }
  return scores;
}

void OnlineEmitter::forEach(
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
OnlineEmitter::Scores OnlineEmitter::applyRanges(Scores scores,
                                                 Value firstKey) {
  Value first = f.toI32(f.add(firstKey, f.mul(kernel.at.quad, 2)));
  forEach(scores, [&](Value score, const ScoreRow &row, int64_t column) {
    Value key = f.add(first, f.i32(column));
    Value isSeen = f.less(key, row.end);
    if (fullBegin)
      isSeen = f.both(isSeen, f.lessOrEqual(row.begin, key));
    return f.select(isSeen, score, f.f32(-kInfinity));
  });
  return scores;
}

/// Modifiers and predicates everywhere, ranges where a row of the warp does not
/// see all keys of the tile.
OnlineEmitter::Scores OnlineEmitter::restrict(Scores scores, Value firstKey) {
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
  SmallVector<Value> flat;
  for (Accumulator &part : scores)
    llvm::append_range(flat, part);
  flat = f.ifElse(isPartial, flat, [&] {
    SmallVector<Value> masked;
    for (Accumulator &part : applyRanges(scores, firstKey))
      llvm::append_range(masked, part);
    return masked;
  });
  for (size_t i = 0; i < scores.size(); ++i)
    scores[i] = Accumulator(ValueRange(flat).slice(4 * i, 4));
  return scores;
}

/// Row `half` of the lane: maximum, probabilities in place of scores, sum, and
/// the accumulator lowered to the new maximum.
void OnlineEmitter::updateRow(Scores &scores, SoftmaxState &state,
                              int64_t half) {
  int64_t m = half / 2, first = 2 * (half % 2);
  auto own = MutableArrayRef(scores).slice(m * keyFragments(), keyFragments());
  Value largest = own[0][first];
  for (Accumulator &part : own)
    largest = f.maxf(f.maxf(largest, part[first]), part[first + 1]);
  largest = f.rowMax(largest);
  Value factor;
  if (modifier.isScaleOnly()) {
    factor = f.f32(op.getScale().convertToDouble() * kLog2E);
    largest = f.mulf(largest, factor);
  }
  Value max = f.maxf(state.max[half], largest);
  // Nothing seen so far: every difference is to be -inf and not NaN.
  Value isEmpty = arith::CmpFOp::create(f.b, f.loc, arith::CmpFPredicate::OEQ,
                                        max, f.f32(-kInfinity));
  Value subtrahend = f.select(isEmpty, f.f32(0), max);
  Value lowered = f.exp2(f.subf(state.max[half], subtrahend));
  Value negative = arith::NegFOp::create(f.b, f.loc, subtrahend), sum;
  for (Accumulator &part : own)
    for (int64_t i : {first, first + 1}) {
      Value exponent =
          factor ? f.fma(part[i], factor, negative) : f.addf(part[i], negative);
      part[i] = f.exp2(exponent);
      sum = sum ? f.addf(sum, part[i]) : part[i];
    }
  state.max[half] = max;
  state.sum[half] = f.fma(state.sum[half], lowered, sum);
  int64_t columns = access.getColumnFragments();
  for (Accumulator &part :
       MutableArrayRef(state.acc).slice(m * columns, columns))
    for (int64_t i : {first, first + 1})
      part[i] = f.mulf(part[i], lowered);
}

void OnlineEmitter::emitValues(const SharedTile &values, Scores &scores,
                               SoftmaxState &state) {
  int64_t perStep = depth / 8, columns = access.getColumnFragments();
  for (int64_t n = 0; n < keyFragments(); n += perStep) {
    SmallVector<Operand> left;
    for (int64_t m = 0; m < kernel.rowFragments; ++m)
      left.push_back(f.toLeft(
          ArrayRef(scores).slice(m * keyFragments() + n, perStep), element));
    for (int64_t e = 0; e < columns; e += 2) {
      SmallVector<Operand> right = f.loadRightByRows(values, 8 * n, 8 * e);
      for (int64_t part = 0; part < 2; ++part)
        for (int64_t m = 0; m < kernel.rowFragments; ++m) {
          Accumulator &sum = state.acc[m * columns + e + part];
          sum = f.multiply(left[m], right[part], sum, element);
        }
    }
  }
}

SoftmaxState OnlineEmitter::emitTile(Value firstKey, Value base,
                                     const SoftmaxState &state) {
  auto body = [&] {
    SoftmaxState next = state;
    Scores scores = emitScores(firstKey, tileAt(base, keyTile, headSize));
    scores = restrict(std::move(scores), firstKey);
    for (int64_t half = 0; half < 2 * kernel.rowFragments; ++half)
      updateRow(scores, next, half);
    emitValues(tileAt(f.offset(base, keyBytes), keyTile, valueSize), scores,
               next);
    return next.flatten();
  };
  if (!hullBegin)
    return state.with(body());
  // Warps whose rows see nothing of the tile have nothing to do.
  Value from = f.toI32(firstKey), to = f.add(from, f.i32(keyTile));
  Value sees = f.both(f.less(from, hullEnd), f.less(hullBegin, to));
  return state.with(f.ifElse(sees, state.flatten(), body));
}

/// All tiles of keys; the next is on its way while one is worked on.
SoftmaxState OnlineEmitter::emitTiles(const SoftmaxState &state) {
  Value zero = f.index(0);
  stageQuery(/*isRelative=*/false);
  if (relative)
    stageQuery(/*isRelative=*/true);
  stageKeys(zero, kernel.at.shared);
  if (queryInRegisters)
    loadQuery();
  if (relative)
    relative->stageFirst();
  SmallVector<Value> carried = state.flatten();
  carried.push_back(zero); // where the stage to read begins
  carried = f.forLoop(zero, numKeys, keyTile, carried,
                      [&](Value firstKey, ValueRange values) {
                        Value at = values.back();
                        Value other = f.sub(f.index(stageBytes), at);
                        finishStaging(f);
                        f.barrier();
                        Value next = f.add(firstKey, keyTile);
                        f.ifThen(f.less(next, numKeys), [&] {
                          if (relative)
                            relative->stageNext(next);
                          stageKeys(next, f.offset(kernel.at.shared, other));
                        });
                        SmallVector<Value> after =
                            emitTile(firstKey, f.offset(kernel.at.shared, at),
                                     state.with(values.drop_back()))
                                .flatten();
                        after.push_back(other);
                        return after;
                      });
  carried.pop_back();
  return state.with(carried);
}

void OnlineEmitter::emit() {
  planShared();
  describeRows();
  SoftmaxState state = access.load(op.getAcc(), op.getMax(), op.getSum());
  // What was in shared memory before may still be read.
  f.barrier();
  Value isAny = f.less(f.index(0), numKeys);
  state = state.with(f.ifElse(isAny, state.flatten(),
                              [&] { return emitTiles(state).flatten(); }));
  access.store(state, op.getAcc(), op.getMax(), op.getSum());
}

void attn::nvvm::emitOnline(OpBuilder &b, OnlineAttentionOp op,
                            Kernel &kernel) {
  OnlineEmitter(b, op, kernel).emit();
}
