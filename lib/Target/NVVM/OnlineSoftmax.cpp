//===- OnlineSoftmax.cpp - the streaming softmax on tensor cores ----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits attn.online_attention for a block of warps: every warp has rows of
// queries of its own and walks over the keys, which all warps bring into shared
// memory. There is one tile of keys and one of values: each is replaced while
// the other is multiplied. Scores and probabilities never leave registers.
//
//===----------------------------------------------------------------------===//

#include "RelativePositions.h"
#include "SoftmaxUpdate.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

namespace {
/// Registers of a lane that may hold queries; more stay in shared memory.
constexpr int64_t kQueryRegisters = 32;
/// Bytes of a row of keys up to which 64 keys make a tile, and not 32; with a
/// bias whose places are computed.
constexpr int64_t kShortRow = 256, kShortRowWithTable = 128;
/// Shared memory of a block that every architecture has.
constexpr int64_t kSharedBytes = 99 * 1024;

class OnlineEmitter : SoftmaxUpdate {
public:
  OnlineEmitter(OpBuilder &b, OnlineAttentionOp op, Kernel &kernel)
      : SoftmaxUpdate(b, op, kernel) {
    depth = FragmentBuilder::depthOf(element);
    headSize = llvm::alignTo(cast<MemRefType>(op.getKey().getType())
                                 .getDimSize(positionOf(keyMap, D::kHeadSize)),
                             depth);
    valueSize = 8 * access.getColumnFragments();
    int64_t rowBytes =
        std::max(headSize, valueSize) * element.getIntOrFloatBitWidth() / 8;
    keyTile = rowBytes <= (hasTableBias(op) ? kShortRowWithTable : kShortRow)
                  ? 64
                  : 32;
    queryInRegisters = !element.isF32() &&
                       kernel.rowFragments * steps() * 4 <= kQueryRegisters;
    int64_t queryRows =
        queryInRegisters ? 0 : kernel.at.warps * kernel.warpRows();
    while (keyTile > 16 &&
           (queryRows + 2 * keyTile) * (rowBytes + 16) > kSharedBytes)
      keyTile /= 2;
    if (auto chosen = op->getAttrOfType<IntegerAttr>(kKeyTileAttr))
      keyTile = chosen.getInt();
    if (!op.getRelative())
      return;
    keyTile = RelativePositions::chooseKeyTile(rowBytes, queryInRegisters);
    relative.emplace(f, op, kernel, numRows, keyTile, headSize);
  }

  void emit();

private:
  int64_t steps() const { return headSize / depth; }

  void planShared();
  SharedTile tileAt(Value base, int64_t rows, int64_t columns) {
    return {base, rows, columns, element};
  }
  SharedTile queryTile(bool isRelative);
  void stageQuery(bool isRelative);
  SharedTile keys() { return tileAt(kernel.at.shared, keyTile, headSize); }
  SharedTile values() { return tileAt(valueBase, keyTile, valueSize); }
  void stageKeys(Value firstKey);
  void stageValues(Value firstKey);
  void loadQuery();
  Operand leftOperand(int64_t m, int64_t step, bool isRelative = false);
  SoftmaxState emitTiles(const SoftmaxState &state);
  SmallVector<Value> ifSeen(Value firstKey, ValueRange otherwise,
                            function_ref<SmallVector<Value>()> body);
  SoftmaxState emitTile(Value firstKey, const SoftmaxState &state);
  Scores emitScores(Value firstKey);
  SmallVector<Value> pack(ArrayRef<Accumulator> scores);
  Operand weightsOf(ValueRange weights, int64_t m, int64_t n);
  void emitValues(ValueRange weights, SoftmaxState &state);

  int64_t depth, headSize, valueSize;
  bool queryInRegisters;
  Value queryBase, valueBase;
  SmallVector<Operand> query; ///< [row fragment][step], if in registers
  std::optional<RelativePositions> relative;
  SmallVector<Operand> relativeQuery; ///< as `query`
};
} // namespace

/// Keys, values, the positions and the ranges of rows. Queries that end up in
/// registers pass through the place of the values and what follows, empty by
/// then.
void OnlineEmitter::planShared() {
  int64_t keyBytes = tileAt({}, keyTile, headSize).bytes();
  valueBase = f.offset(kernel.at.shared, keyBytes);
  int64_t end = keyBytes + tileAt({}, keyTile, valueSize).bytes();
  int64_t queryBytes =
      tileAt({}, kernel.at.warps * kernel.warpRows(), headSize).bytes();
  if (relative) {
    relative->placeAt(f.offset(kernel.at.shared, end));
    end += relative->bytes();
    queryBytes *= 2;
  }
  int64_t queryAt = queryInRegisters ? keyBytes : end;
  queryBase = f.offset(kernel.at.shared, queryAt);
  end = std::max(end, queryAt + queryBytes);
  // In registers where tiles take all that there is.
  if (end + rangeBytes() <= kSharedBytes) {
    rangesAt = f.offset(kernel.at.shared, end);
    end += rangeBytes();
  }
  kernel.requireShared(end);
}

/// Where queries, or those of relative positions, are at first or stay.
SharedTile OnlineEmitter::queryTile(bool isRelative) {
  SharedTile tile =
      tileAt(queryBase, kernel.at.warps * kernel.warpRows(), headSize);
  if (isRelative)
    tile.base = f.offset(queryBase, tile.bytes());
  return tile;
}

void OnlineEmitter::stageQuery(bool isRelative) {
  stage(f, queryTile(isRelative), queryRows(isRelative),
        [&](Value row) { return queryOrigin(row); });
}

/// Keys [firstKey, firstKey + keyTile).
void OnlineEmitter::stageKeys(Value firstKey) {
  if (enterTile(pagedKeys, firstKey))
    stage(f, keys(), keyRows(), [&](Value row) {
      return keyOrigin(firstKey, row, /*isValue=*/false);
    });
  else
    stageConsecutive(f, keys(), keyRows(), firstKey, numKeys);
  commitStaging(f);
}

/// The same of values; those of keys that are not valid become zero: 0 * NaN
/// must not escape.
void OnlineEmitter::stageValues(Value firstKey) {
  if (enterTile(pagedValues, firstKey) || op.getKeyValid())
    stage(f, values(), valueRows(), [&](Value row) {
      return keyOrigin(firstKey, row, /*isValue=*/true);
    });
  else
    stageConsecutive(f, values(), valueRows(), firstKey, numKeys);
  commitStaging(f);
}

Operand OnlineEmitter::leftOperand(int64_t m, int64_t step, bool isRelative) {
  if (!query.empty())
    return (isRelative ? relativeQuery : query)[m * steps() + step];
  // One address for all fragments.
  SharedTile tile = queryTile(isRelative);
  tile.base =
      f.offset(tile.base, m * FragmentBuilder::fragmentRows * tile.pitch());
  return f.loadLeft(tile, f.mul(kernel.at.warp, kernel.warpRows()), step);
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
}

OnlineEmitter::Scores OnlineEmitter::emitScores(Value firstKey) {
  Scores scores(kernel.rowFragments * keyFragments(), f.zero());
  if (relative) {
    scores.clear();
    for (int64_t m = 0; m < kernel.rowFragments; ++m)
      llvm::append_range(
          scores, relative->emit(firstKey, m, steps(), [&](int64_t step) {
            return leftOperand(m, step, /*isRelative=*/true);
          }));
  }
  // Operands of a step are loaded before the products of the step before:
  // in another order the assembler loads so many at once that it spills.
  int64_t pairs = keyFragments() / 2, total = steps() * pairs;
  SmallVector<SmallVector<Operand>> left, right;
  auto load = [&](int64_t i) {
    if (i >= total)
      return;
    int64_t step = i / pairs;
    if (i % pairs == 0) {
      left.emplace_back();
      for (int64_t m = 0; m < kernel.rowFragments; ++m)
        left.back().push_back(leftOperand(m, step));
    }
    right.push_back(f.loadRight(keys(), 16 * (i % pairs), step));
  };
  for (int64_t i = 0; i < pairs; ++i)
    load(i);
  for (int64_t i = 0; i < total; ++i) {
    load(i + pairs);
    for (int64_t part = 0; part < 2; ++part)
      for (int64_t m = 0; m < kernel.rowFragments; ++m) {
        Accumulator &sum = scores[m * keyFragments() + 2 * (i % pairs) + part];
        sum = f.multiply(left[i / pairs][m], right[i][part], sum, element);
      }
  }
  return scores;
}

/// Probabilities as they wait for their values: packed, or f32 as they are.
SmallVector<Value> OnlineEmitter::pack(ArrayRef<Accumulator> scores) {
  if (element.isF32())
    return flatten(scores);
  SmallVector<Value> packed;
  for (const Accumulator &part : scores)
    llvm::append_range(packed, f.toLeft({part}, element).high);
  return packed;
}

/// The probabilities of one product: of fragment `m` and keys from `8 n` on.
Operand OnlineEmitter::weightsOf(ValueRange weights, int64_t m, int64_t n) {
  int64_t at = m * keyFragments() + n;
  if (element.isF32())
    return f.toLeft({Accumulator(weights.slice(4 * at, 4))}, element);
  Operand operand;
  llvm::append_range(operand.high, weights.slice(2 * at, 4));
  return operand;
}

void OnlineEmitter::emitValues(ValueRange weights, SoftmaxState &state) {
  int64_t perStep = depth / 8, columns = access.getColumnFragments();
  for (int64_t n = 0; n < keyFragments(); n += perStep) {
    SmallVector<Operand> left;
    for (int64_t m = 0; m < kernel.rowFragments; ++m)
      left.push_back(weightsOf(weights, m, n));
    for (int64_t e = 0; e < columns; e += 2) {
      SmallVector<Operand> right = f.loadRightByRows(values(), 8 * n, 8 * e);
      for (int64_t part = 0; part < 2; ++part)
        for (int64_t m = 0; m < kernel.rowFragments; ++m) {
          Accumulator &sum = state.acc[m * columns + e + part];
          sum = f.multiply(left[m], right[part], sum, element);
        }
    }
  }
}

/// What `body` gives, or `otherwise` for warps whose rows see nothing of the
/// tile.
SmallVector<Value>
OnlineEmitter::ifSeen(Value firstKey, ValueRange otherwise,
                      function_ref<SmallVector<Value>()> body) {
  if (!hullEnd)
    return body();
  Value from = f.toI32(firstKey);
  Value sees = f.less(from, hullEnd);
  if (hullBegin)
    sees = f.both(sees, f.less(hullBegin, f.add(from, f.i32(keyTile))));
  return f.ifElse(sees, otherwise, body);
}

/// The tile's values are on their way while its scores are formed and become
/// probabilities, the next keys while the values are multiplied. What is held
/// back until then takes half the registers of scores.
SoftmaxState OnlineEmitter::emitTile(Value firstKey,
                                     const SoftmaxState &state) {
  auto turn = [&] {
    finishStaging(f);
    f.barrier();
  };
  turn();
  stageValues(firstKey);
  SmallVector<Value> none(kernel.rowFragments * keyFragments() *
                              (element.isF32() ? 4 : 2),
                          element.isF32() ? f.f32(0) : f.i32(0));
  size_t count = none.size();
  llvm::append_range(none, state.flatten());
  SmallVector<Value> all = ifSeen(firstKey, none, [&] {
    SoftmaxState after = state;
    Scores scores = restrict(emitScores(firstKey), firstKey);
    for (int64_t half = 0; half < 2 * kernel.rowFragments; ++half)
      lowerRow(after, half, updateRow(scores, after, half));
    SmallVector<Value> result = pack(scores);
    llvm::append_range(result, after.flatten());
    return result;
  });
  turn();
  Value next = f.add(firstKey, keyTile);
  f.ifThen(f.less(next, numKeys), [&] {
    if (relative)
      relative->stageNext(next);
    stageKeys(next);
  });
  SoftmaxState lowered = state.with(ValueRange(all).drop_front(count));
  return state.with(ifSeen(firstKey, lowered.flatten(), [&] {
    SoftmaxState after = lowered;
    emitValues(ValueRange(all).take_front(count), after);
    return after.flatten();
  }));
}

SoftmaxState OnlineEmitter::emitTiles(const SoftmaxState &state) {
  Value zero = f.index(0);
  stageQuery(/*isRelative=*/false);
  if (relative)
    stageQuery(/*isRelative=*/true);
  stageKeys(zero);
  if (queryInRegisters)
    loadQuery();
  if (relative) {
    // Where queries have been.
    f.barrier();
    relative->stageFirst();
  }
  return state.with(
      f.forLoop(zero, numKeys, keyTile, state.flatten(),
                [&](Value firstKey, ValueRange carried) {
                  return emitTile(firstKey, state.with(carried)).flatten();
                }));
}

void OnlineEmitter::emit() {
  planShared();
  // What was in shared memory before may still be read.
  f.barrier();
  describeRows();
  SoftmaxState state = access.load(op.getAcc(), op.getMax(), op.getSum());
  Value isAny = f.less(f.index(0), numKeys);
  state = state.with(f.ifElse(isAny, state.flatten(),
                              [&] { return emitTiles(state).flatten(); }));
  access.store(state, op.getAcc(), op.getMax(), op.getSum());
}

void attn::nvvm::emitOnline(OpBuilder &b, OnlineAttentionOp op,
                            Kernel &kernel) {
  OnlineEmitter(b, op, kernel).emit();
}
