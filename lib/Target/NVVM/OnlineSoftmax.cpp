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
/// Bytes of a row of keys, and columns of the accumulators of a lane, up to
/// which 64 keys make a tile, and not 32.
constexpr int64_t kShortRow = 256, kFewColumns = 128;
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
  void emitValues(Scores &scores, SoftmaxState &state);

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
  rangesAt = f.offset(kernel.at.shared, end);
  kernel.requireShared(end + rangeBytes());
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
  for (int64_t step = 0; step < steps(); ++step) {
    SmallVector<Operand> left;
    for (int64_t m = 0; m < kernel.rowFragments; ++m)
      left.push_back(leftOperand(m, step));
    for (int64_t n = 0; n < keyFragments(); n += 2) {
      SmallVector<Operand> right = f.loadRight(keys(), 8 * n, step);
      for (int64_t part = 0; part < 2; ++part)
        for (int64_t m = 0; m < kernel.rowFragments; ++m) {
          Accumulator &sum = scores[m * keyFragments() + n + part];
          sum = f.multiply(left[m], right[part], sum, element);
        }
    }
  }
  return scores;
}

void OnlineEmitter::emitValues(Scores &scores, SoftmaxState &state) {
  int64_t perStep = depth / 8, columns = access.getColumnFragments();
  for (int64_t n = 0; n < keyFragments(); n += perStep) {
    SmallVector<Operand> left;
    for (int64_t m = 0; m < kernel.rowFragments; ++m)
      left.push_back(f.toLeft(
          ArrayRef(scores).slice(m * keyFragments() + n, perStep), element));
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

/// The tile's values are on their way while its scores are formed, the next
/// keys while the values are multiplied.
SoftmaxState OnlineEmitter::emitTile(Value firstKey,
                                     const SoftmaxState &state) {
  auto turn = [&] {
    finishStaging(f);
    f.barrier();
  };
  turn();
  stageValues(firstKey);
  SmallVector<Value> none(4 * kernel.rowFragments * keyFragments(), f.f32(0));
  SmallVector<Value> flat = ifSeen(firstKey, none, [&] {
    return flatten(restrict(emitScores(firstKey), firstKey));
  });
  turn();
  Value next = f.add(firstKey, keyTile);
  f.ifThen(f.less(next, numKeys), [&] {
    if (relative)
      relative->stageNext(next);
    stageKeys(next);
  });
  return state.with(ifSeen(firstKey, state.flatten(), [&] {
    SoftmaxState after = state;
    Scores scores = unflatten(flat);
    for (int64_t half = 0; half < 2 * kernel.rowFragments; ++half)
      lowerRow(after, half, updateRow(scores, after, half));
    emitValues(scores, after);
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
