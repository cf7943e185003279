//===- RelativePositions.h - scores by relative position --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What queries make of the rows of positions that a tile of keys meets: one
// more product of fragments, each row of which is shifted by a column against
// the next. The shift happens between the lanes of a row, in registers.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_NVVM_RELATIVEPOSITIONS_H
#define ATTN_LIB_TARGET_NVVM_RELATIVEPOSITIONS_H

#include "Kernel.h"
#include "Staging.h"

namespace mlir::attn::nvvm {

/// Rows of positions in shared memory, in a ring: a tile of keys meets as many
/// as it has keys and the tile of queries has rows, of which those of its keys
/// are new. Place p of the ring's order is position j - i + T - 1, T being the
/// rows of the state; where the tile has fewer queries, positions begin later.
class RelativePositions {
public:
  RelativePositions(FragmentBuilder &f, OnlineAttentionOp op,
                    const Kernel &kernel, Value numRows, int64_t keyTile,
                    int64_t columns);

  /// Keys of a tile beside which positions fit in shared memory: queries that
  /// stay there, twice as many, leave room for less.
  static int64_t chooseKeyTile(int64_t rowBytes, bool queryInRegisters) {
    int64_t bytes = queryInRegisters ? 8192 : 4096;
    return std::clamp<int64_t>(bytes / rowBytes / 16 * 16, 16, bytes / 128);
  }

  int64_t bytes() const { return ringAt(Value()).bytes(); }
  void placeAt(Value pointer) { base = pointer; }
  /// Begins to bring what the first tile of keys meets, a group of copies.
  void stageFirst();
  /// The same of the tile that begins at `firstKey`, all before being there.
  void stageNext(Value firstKey);
  /// The scores that fragment `m` of the warp's rows begins with, one
  /// accumulator for every 8 keys; `left` gives the queries of a step.
  SmallVector<Accumulator> emit(Value firstKey, int64_t m, int64_t steps,
                                function_ref<Operand(int64_t step)> left);

private:
  /// All rows of the ring, or rows of it from `pointer` on.
  SharedTile ringAt(Value pointer) const {
    return {pointer, alignedRows + keyTile, columns, element};
  }
  Value wrap(Value place);
  void stageRows(Value firstPlace, int64_t rows);
  SmallVector<Accumulator> shift(ArrayRef<Accumulator> products);

  FragmentBuilder &f;
  OnlineAttentionOp op;
  const Kernel &kernel;
  Value numRows, base;
  int64_t keyTile, columns;
  int64_t tileRows;    ///< T
  int64_t alignedRows; ///< T as whole tiles of keys
  Type element;
};

} // namespace mlir::attn::nvvm

#endif // ATTN_LIB_TARGET_NVVM_RELATIVEPOSITIONS_H
