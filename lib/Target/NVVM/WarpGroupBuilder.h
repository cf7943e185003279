//===- WarpGroupBuilder.h - wgmma and mbarriers of sm_90a -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The words that kernels for sm_90a are written in, beside those on fragments:
// products of a warp group, whose operands lie swizzled in shared memory and
// which run while others go on, and the barriers between those who bring the
// operands and those who multiply. docs/Rationale/Hopper.md has the reasons.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_NVVM_WARPGROUPBUILDER_H
#define ATTN_LIB_TARGET_NVVM_WARPGROUPBUILDER_H

#include "Staging.h"

namespace mlir::attn::nvvm {

/// A tile of 16-bit elements in shared memory: blocks of 64 columns, one after
/// the other, of rows of 128 bytes. 16-byte chunk c of a block's row r stands
/// at c ^ r % 8: the 128-byte swizzle of wgmma and TMA, for which `base` is a
/// multiple of 1024.
struct SwizzledTile {
  static constexpr int64_t rowBytes = 128, blockColumns = 64, alignment = 1024;

  Value base; ///< !llvm.ptr<3>
  int64_t rows = 0, columns = 0;

  int64_t blockBytes() const { return rows * rowBytes; }
  int64_t bytes() const {
    return llvm::divideCeil(columns, blockColumns) * blockBytes();
  }
};

class WarpGroupBuilder {
public:
  static constexpr int64_t threads = 128, warps = 4, rows = 64, depth = 16;

  explicit WarpGroupBuilder(FragmentBuilder &f) : f(f) {}

  // Descriptors of operands, i64: of 64 rows or any columns by the first
  // `depth` columns of a tile, and where that begins for others.
  /// The sum runs along the tile's rows: left operands, keys.
  Value describeRows(const SwizzledTile &tile);
  /// The sum runs over the tile's rows: values.
  Value describeColumns(const SwizzledTile &tile);
  Value advance(Value descriptor, Value bytes);
  Value advance(Value descriptor, int64_t bytes);
  /// Bytes from depth 0 of a tile's rows to the `step`th 16.
  static int64_t stepAlongRows(const SwizzledTile &tile, int64_t step);
  static int64_t stepOverRows(int64_t step) {
    return step * depth * SwizzledTile::rowBytes;
  }

  // Products. What is in flight must pass through `wait` before it is read.
  /// Registers that were written before are the product's from here on.
  void fence(MutableArrayRef<Value> registers);
  /// sum (+)= left * right, `sum` two f32 a lane for every 4 columns. `left`:
  /// a descriptor, or four registers; `overRows`: how `right` is described.
  void multiply(MutableArrayRef<Value> sum, ValueRange left, Value right,
                Type element, bool overRows, bool accumulate);
  void commit();
  /// Until at most `pending` groups of products are under way.
  void wait(int64_t pending, MutableArrayRef<Value> registers);

  // mbarriers: !llvm.ptr<3>.
  void initBarrier(Value barrier, int64_t arrivals);
  void arrive(Value barrier);
  /// An arrival once all copies of this thread so far are done.
  void arriveAfterCopies(Value barrier);
  /// Until the phase of this parity, an i32, is over.
  void await(Value barrier, Value parity);
  /// What was copied and waited for becomes visible to products.
  void fenceProxy();

  /// Named barriers of the block: waits until as many threads have arrived, or
  /// arrives without waiting. `id` is an i32 from 1 to 15.
  void sync(Value id, int64_t threads);
  void arriveAt(Value id, int64_t threads);

  /// Whether the thread is the one of its warp that acts for it; all lanes ask.
  Value elect();

  /// Gives registers back to the multiprocessor, or takes them from it.
  void setRegisters(int64_t count, bool isMore);

private:
  Value describe(const SwizzledTile &tile, int64_t leading);
  /// Inline assembly through which `registers` pass.
  void pass(StringRef text, MutableArrayRef<Value> registers);

  FragmentBuilder &f;
};

/// Begins to copy rows into `tile`; every thread of `f` has its share of
/// `columns` columns, of which those beyond the source's become zero. Nothing
/// is read of a row that is not there, whatever its indices are.
void stageSwizzled(FragmentBuilder &f, const SwizzledTile &tile,
                   int64_t columns, const GlobalRows &source,
                   function_ref<RowOrigin(Value row)> origin);

} // namespace mlir::attn::nvvm

#endif // ATTN_LIB_TARGET_NVVM_WARPGROUPBUILDER_H
