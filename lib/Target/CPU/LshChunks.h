//===- LshChunks.h - the kernel of sorted chunks ----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits attn.lsh_chunks. LshChunks.cpp has the tasks and the window of packed
// keys, LshStrip.cpp a strip of queries against it.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_CPU_LSHCHUNKS_H
#define ATTN_LIB_TARGET_CPU_LSHCHUNKS_H

#include "Gather.h"

#include "attn/Target/CPU/CpuTarget.h"

namespace mlir::attn::cpu {

class LshChunksEmitter {
public:
  LshChunksEmitter(KernelBuilder &k, LshChunksOp op, const CpuTarget &target);
  void emit();

private:
  /// Columns of the window that a query or a strip sees, half open.
  struct Range {
    Value begin, end;
  };
  /// A strip of queries: consecutive ranks of one chunk.
  struct Strip {
    int64_t rows;
    Value first;                 ///< rank of the first query
    Value base;                  ///< rank of the window's first column
    Value low, limit;            ///< ranks that are keys of the window
    SmallVector<Value> position; ///< of each query in the sequence
    Range columns;               ///< of all queries together
    Value length;                ///< columns, as an index
  };

  // Tasks.
  void emitRange(Value firstChunk, Value endChunk);
  void emitChunk(Value chunk);
  void emitInvalid(Value firstChunk, Value endChunk);
  Value countKeys();
  // The window of packed keys.
  void shiftWindow();
  void clearKeys(int64_t columns);
  void packChunk(Value chunk);
  void packKeys(ArrayRef<Value> keys, Value column);
  // A strip.
  void emitStrip(int64_t rows, Value rank, Value chunk);
  Range rowRanks(const Strip &strip, Value rank);
  Value areAllSmall(const Strip &strip);
  void packQueries(const Strip &strip);
  void emitScores(const Strip &strip);
  void emitSoftmax(const Strip &strip, bool isBounded);
  void emitRow(const Strip &strip, Value row, bool isBounded);
  void emitProducts(const Strip &strip);
  void emitProduct(const Strip &strip, int64_t column, int64_t vectors);
  void emitFallback(const Strip &strip);
  void prefetchNext(Value rank);
  // A row of scores.
  struct Row;
  Value emitKept(const Row &row, Value column);
  Value emitScore(const Row &row, Value column, Value &kept);
  Value emitDuplicates(const Row &row, Value column);
  Value emitReference(const Row &row, bool isBounded);
  void finishRow(const Row &row, Value reference, Value sum);

  Value positionAt(Value rank) {
    return toIndex(k, k.load(op.getOrder(), {batch, head, round, rank}));
  }
  /// The same for keys, which may have an order of their own.
  Value keyAt(Value rank) {
    Value order = hasOwnKeys() ? op.getKeyOrder() : op.getOrder();
    return toIndex(k, k.load(order, {batch, head, round, rank}));
  }
  bool hasOwnKeys() { return op.getKey() != nullptr; }
  bool hasScoreMod() { return !op.getScoreMod().empty(); }
  bool needsPositions() {
    return hasScoreMod() || (op.getCausal() && !op.getFirst());
  }
  SmallVector<Value> rowAt(Value position) { return {batch, head, position}; }
  SmallVector<Value> maxAt(Value position) {
    return {k.index(0), batch, head, position};
  }
  SmallVector<Value> sumAt(Value position) {
    return {k.index(1), batch, head, position};
  }

  KernelBuilder &k;
  LshChunksOp op;
  TokenView x, key, value, output; ///< key: x, unless there are others
  Type element;
  VectorType vectorType, idType, codeType;
  int64_t lanes, chunk, keyChunk, back, ahead, width;
  int64_t headSize, valueSize, rounds;
  Value tokens;             ///< of the sequence of queries
  Value batch, head, round; ///< of the loops
  Value count, keyCount;    ///< tokens that are valid
  Value isFirst, isLast;    ///< of the rounds
  Value keys;               ///< [head size, window]: keys, one a column
  Value positions;          ///< [window]: their positions
  Value codes;              ///< [rounds, window]: their codes
  Value queries, scores;
  Value factors, finals; ///< [rows]: what a row of the output is scaled by
                         ///< before and after
};

} // namespace mlir::attn::cpu

#endif // ATTN_LIB_TARGET_CPU_LSHCHUNKS_H
