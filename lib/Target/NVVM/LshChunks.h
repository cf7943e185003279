//===- LshChunks.h - sorted chunks on tensor cores --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits attn.lsh_chunks. LshChunks.cpp has the block: its rows and the tiles of
// gathered keys; LshState.cpp what a round leaves to the next; LshScores.cpp
// what happens to a tile's scores.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_NVVM_LSHCHUNKS_H
#define ATTN_LIB_TARGET_NVVM_LSHCHUNKS_H

#include "Kernel.h"

namespace mlir::attn::nvvm {

/// The sizes of a block and where things are in its shared memory.
struct ChunkPlan {
  explicit ChunkPlan(LshChunksOp op);

  int64_t rows() const { return warps * FragmentBuilder::fragmentRows; }
  SharedTile queries(Value base) const {
    return {base, rows(), headSize, element};
  }
  SharedTile keys(Value base) const {
    return {base, keyTile, headSize, element};
  }
  SharedTile values(Value base) const {
    return {base, keyTile, valueSize, valueElement};
  }
  // Behind the keys and the values of a stage, words of 4 bytes.
  int64_t valuesAt() const { return keys({}).bytes(); }
  int64_t unitsAt() const { return valuesAt() + values({}).bytes(); }
  int64_t positionsAt() const {
    return unitsAt() + (hasUnits ? 4 * keyTile : 0);
  }
  int64_t codesAt() const {
    return positionsAt() + (hasPositions ? 4 * keyTile : 0);
  }
  int64_t stageBytes() const {
    return codesAt() + (hasCodes ? 4 * keyTile * rounds : 0);
  }
  /// Queries that end up in registers pass through the second stage.
  int64_t queriesAt() const {
    return queryInRegisters ? stageBytes() : 2 * stageBytes();
  }
  int64_t bytes() const {
    return std::max(2 * stageBytes(), queriesAt() + queries({}).bytes());
  }

  /// Whether accumulators leave addresses and loads few registers.
  bool leavesFewRegisters() const { return valueSize > 128; }

  int64_t headSize, valueSize, rounds;
  Type element, valueElement;
  bool hasUnits, hasPositions, hasCodes, queryInRegisters;
  int64_t warps = 8;    ///< each has 16 rows
  int64_t keyTile = 64; ///< keys that are brought at once
  int64_t keyStep = 32; ///< keys whose scores are in registers
};

/// A query: a rank of the order.
struct ChunkRow {
  Value rank;               ///< i32
  Value position;           ///< in the sequence, in bounds
  Value isThere;            ///< whether it is a valid token
  Value isWritten;          ///< whether there is such a token at all
  Value begin, length;      ///< the ranks of keys that it sees, as i32
  SmallVector<Value> codes; ///< by round, with look_ahead added
};

class ChunkEmitter {
public:
  ChunkEmitter(OpBuilder &b, LshChunksOp op, Kernel &kernel,
               const ChunkPlan &plan, Value round, ValueRange block);
  void emit();

private:
  /// Scores or probabilities of a step, by fragments of 8 keys.
  using Scores = SmallVector<Accumulator>;
  /// Keys of a step: where its tile is, and the step's first key in it.
  struct Step {
    Value stage;
    int64_t first;
    Value rank; ///< of the first key, as i32
  };
  struct Range {
    Value begin, end;
  };

  bool hasOwnKeys() { return op.getKey() != nullptr; }
  bool comparesPositions() { return op.getCausal() && !op.getFirst(); }
  Value dim(Value memref, int64_t at) {
    return f.b.createOrFold<memref::DimOp>(f.loc, memref, at);
  }
  Value keyOrder() { return hasOwnKeys() ? op.getKeyOrder() : op.getOrder(); }
  Value tokenView(Value memref, unsigned map) {
    return viewOf(memref, op.getMap(map));
  }
  Value viewOf(Value memref, AffineMap map);

  // The block.
  void locate();
  Range rangeOf(Value rank);
  void describeRows();
  void stageQueries();
  void stageKeys(Value first, Value stage);
  void stageWordsOfKeys(Value first, Value stage);
  SoftmaxState loadState();
  SoftmaxState emitTiles(const SoftmaxState &state);
  void finish(const SoftmaxState &state);
  void finishRow(const SoftmaxState &state, int64_t half);
  SmallVector<Value> finishColumns(const SoftmaxState &state, int64_t half,
                                   Value sum, Value isEmpty);
  void storeLse(const ChunkRow &row, Value max, Value sum, Value isEmpty);

  // A step.
  SoftmaxState emitTile(Value first, Value stage, const SoftmaxState &state);
  SoftmaxState emitStep(const Step &step, SoftmaxState state);
  void holdBack();
  Operand leftOperand(int64_t step);
  Scores emitScores(const Step &step);
  void restrict(const Step &step, Scores &scores);
  Value modify(Value score, const ChunkRow &row, Value key);
  SmallVector<Value> countRounds(const Step &step);
  SmallVector<Value> countRound(const Step &step, Value number,
                                ArrayRef<Value> codes, ValueRange counts);
  void updateRow(Scores &scores, ArrayRef<Value> counts, SoftmaxState &state,
                 int64_t half);
  void emitValues(const Step &step, Scores &scores, SoftmaxState &state);
  /// Words of the keys that a lane has of fragment `n`, as a vector of two.
  Value loadPair(const Step &step, int64_t at, int64_t n, Type element);

  LshChunksOp op;
  Kernel &kernel;
  FragmentBuilder f;
  const ChunkPlan &plan;
  Value round, batch, head, firstRank;
  Value isFirst, isLast; ///< of the rounds
  Value tokens, count, keyCount;
  Value queries, keys, values, output; ///< [N, columns] of the head
  Value firstKey, endKey;              ///< ranks that some row sees
  Value hullBegin, hullEnd;            ///< the same of the warp, as i32
  SmallVector<ChunkRow> rows;          ///< upper and lower half
  SmallVector<Operand> query;          ///< by step, if in registers
};

} // namespace mlir::attn::nvvm

#endif // ATTN_LIB_TARGET_NVVM_LSHCHUNKS_H
