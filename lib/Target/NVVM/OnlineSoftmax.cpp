//===- OnlineSoftmax.cpp - the streaming softmax on tensor cores ----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits attn.online_attention for a block of warps: every warp has rows of
// queries of its own and walks over the keys, which all warps bring into shared
// memory a tile ahead. Scores and probabilities never leave registers.
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
           (queryRows + 4 * keyTile) * (rowBytes + 16) > kSharedBytes)
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
  void stageKeys(Value firstKey, Value base);
  void loadQuery();
  Operand leftOperand(int64_t m, int64_t step, bool isRelative = false);
  SoftmaxState emitTiles(const SoftmaxState &state);
  SoftmaxState emitTile(Value firstKey, Value base, const SoftmaxState &state);
  Scores emitScores(Value firstKey, const SharedTile &keys);
  void emitValues(const SharedTile &values, Scores &scores,
                  SoftmaxState &state);

  int64_t depth, headSize, valueSize;
  bool queryInRegisters;
  int64_t keyBytes = 0, stageBytes = 0;
  Value queryBase;
  SmallVector<Operand> query; ///< [row fragment][step], if in registers
  std::optional<RelativePositions> relative;
  SmallVector<Operand> relativeQuery; ///< as `query`
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

void OnlineEmitter::stageQuery(bool isRelative) {
  stage(f, queryTile(isRelative), queryRows(isRelative),
        [&](Value row) { return queryOrigin(row); });
}

/// Keys and values [firstKey, firstKey + keyTile).
void OnlineEmitter::stageKeys(Value firstKey, Value base) {
  enterTile(firstKey);
  stage(f, tileAt(base, keyTile, headSize), keyRows(),
        [&](Value row) { return keyOrigin(firstKey, row, /*isValue=*/false); });
  stage(f, tileAt(f.offset(base, keyBytes), keyTile, valueSize), valueRows(),
        [&](Value row) { return keyOrigin(firstKey, row, /*isValue=*/true); });
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
      lowerRow(next, half, updateRow(scores, next, half));
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
  return state.with(walkTiles(
      f, zero, numKeys, keyTile, stageBytes, state.flatten(),
      [&](Value next, Value base) {
        if (relative)
          relative->stageNext(next);
        stageKeys(next, base);
      },
      [&](Value firstKey, Value base, ValueRange carried) {
        return emitTile(firstKey, base, state.with(carried)).flatten();
      }));
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
