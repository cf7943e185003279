//===- Staging.h - rows from global to shared memory ------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// All threads of a block bring a tile of rows into shared memory. What is not
// there becomes zero.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_NVVM_STAGING_H
#define ATTN_LIB_TARGET_NVVM_STAGING_H

#include "attn/Target/NVVM/FragmentBuilder.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace mlir::attn::nvvm {

/// Whether 16 bytes of a row can be copied at once: columns lie side by side
/// and all strides are known to be whole multiples of 16 bytes.
bool hasWideRows(Value memref, unsigned columnPosition);

/// An address, an `index`, as !llvm.ptr<1>.
Value toGlobalPointer(FragmentBuilder &f, Value address);

/// Rows of a memref in global memory: one of its dimensions is the columns, the
/// others tell rows apart.
class GlobalRows {
public:
  GlobalRows(FragmentBuilder &f, Value memref, unsigned columnPosition);

  bool isAsync() const { return async; }
  int64_t getColumns() const { return type.getDimSize(columnPosition); }
  /// From a row to the next, if there is one dimension of rows and it is known.
  std::optional<int64_t> getRowBytes() const;
  bool hasOneRowDimension() const { return strides.size() == 2; }
  /// The address of a row's first column; `indices` are those of the other
  /// dimensions in order.
  Value rowAddress(ValueRange indices) const;
  /// An element as it is in memory.
  Value load(ValueRange indices, Value column) const;

private:
  FragmentBuilder &f;
  Value memref, base;
  SmallVector<Value> strides; ///< of all dimensions, in elements
  MemRefType type;
  unsigned columnPosition;
  bool async;
};

/// Where a row of the tile comes from.
struct RowOrigin {
  Value isThere;
  SmallVector<Value> indices; ///< in bounds whether it is there or not
};

/// Begins to copy into `tile`, whose columns may be more than the source's;
/// `origin` builds where a row, an `index`, comes from. The copy is done after
/// `finishStaging` and a barrier. As a loop it takes no registers while others
/// need them: unrolled, addresses are kept from one tile to the next.
void stage(FragmentBuilder &f, const SharedTile &tile, const GlobalRows &source,
           function_ref<RowOrigin(Value row)> origin, bool isLoop = false);

/// The same for rows that follow each other: row r of the tile is the source's
/// row `first` + r, zeros from row `end` on; the source has one dimension of
/// rows. Addresses of a tile that is there as a whole are constants apart.
void stageConsecutive(FragmentBuilder &f, const SharedTile &tile,
                      const GlobalRows &source, Value first, Value end);

/// Where 4 bytes come from: an address in bounds whether they are there or not.
struct WordOrigin {
  Value isThere, address;
};

/// Begins to copy `count` words of 4 bytes, which may be scattered, to places
/// side by side in shared memory.
void stageWords(FragmentBuilder &f, Value to, int64_t count,
                function_ref<WordOrigin(Value word)> origin);

/// Writes rows [first, first + count) of the tile, which the warp has written,
/// to memory that `GlobalRows::isAsync` says can take 16 bytes at once.
void unstage(FragmentBuilder &f, const SharedTile &tile, Value first,
             int64_t count, const GlobalRows &target,
             function_ref<RowOrigin(Value row)> place);

/// Ends a group of copies, and waits for all groups of this thread.
void commitStaging(FragmentBuilder &f);
void finishStaging(FragmentBuilder &f);

/// Walks over tiles of `step` from `from` to `to` in two stages of `stageBytes`
/// at the beginning of shared memory: while `body` works on one tile, with what
/// it carries, the next is on its way by `stageNext`. Both are given where the
/// tile begins and where its stage does. The first tile was staged before.
SmallVector<Value>
walkTiles(FragmentBuilder &f, Value from, Value to, int64_t step,
          int64_t stageBytes, ValueRange carried,
          function_ref<void(Value first, Value base)> stageNext,
          function_ref<SmallVector<Value>(Value first, Value base,
                                          ValueRange carried)>
              body);

} // namespace mlir::attn::nvvm

#endif // ATTN_LIB_TARGET_NVVM_STAGING_H
