//===- PagedRows.h - rows of keys that lie in pages -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A cache in pages is copied, row by row through a table, in front of the
// attention that reads it. Kernels look rows up themselves instead, so that the
// copy need not exist.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_NVVM_PAGEDROWS_H
#define ATTN_LIB_TARGET_NVVM_PAGEDROWS_H

#include "Staging.h"

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace mlir::attn::nvvm {

/// On an attn.online_attention: its keys and values are to be read through a
/// table, and not from the copies that are its operands.
inline constexpr llvm::StringLiteral kPagedAttr = "attn.paged";

/// Whether a loop does nothing but copy, to or from places that memory says: no
/// loop of the host could know them without waiting for the device.
bool isScatter(scf::ForallOp loop);

/// A copy of rows out of pages: copy[b, h, j, d] =
/// pool[table[b, j / pageSize], h, j % pageSize, d]; b and h may be missing.
struct PagedCopy {
  linalg::GenericOp op;
  Value buffer, pool, table;
  int64_t pageSize;

  bool hasBatch() const {
    return cast<MemRefType>(table.getType()).getRank() == 2;
  }
  bool hasHeads() const {
    return cast<MemRefType>(pool.getType()).getRank() == 4;
  }
};

/// The copy that filled a buffer, if that is all that writes it.
std::optional<PagedCopy> findPagedCopy(Value buffer);

/// Marks the attentions of a loop that can read pages in place. `reason` says
/// why one that reads a copy cannot; empty: there is none.
void markPaged(scf::ForallOp loop, std::string &reason);

/// Erases the copies of a function that nobody reads any more.
void erasePagedCopies(Operation *function);

/// The rows of a slice [rows, columns] of such a copy.
class PagedRows {
public:
  /// `slice` is one of an operation with kPagedAttr.
  PagedRows(FragmentBuilder &f, Value slice);

  /// Rows of the pool, whose indices are a page and a row of it.
  GlobalRows rows(FragmentBuilder &f) const;
  /// Begins a tile of `count` rows of the slice from `firstRow`, a multiple of
  /// `count`, on: a page that has all of them is looked up once.
  void enter(FragmentBuilder &f, Value firstRow, int64_t count);
  /// Where row `row` of the tile is, which is row `inSlice` of the slice, in
  /// bounds; `isThere` becomes false if its page is not of the pool.
  RowOrigin locate(FragmentBuilder &f, Value row, Value inSlice,
                   Value isThere) const;

private:
  struct Page {
    Value number, exists;
  };
  Page lookUp(FragmentBuilder &f, Value position) const;
  Value slotOf(FragmentBuilder &f, Value position) const;

  PagedCopy copy;
  OpFoldResult begin;        ///< of the slice in the copy
  Value batch, first, pages; ///< of the slice; number of pages
  Value pool;                ///< [pages, rows of a page, columns]
  Page tilePage;             ///< of all rows of the tile, or null
  Value tileSlot;            ///< of its first row
};

} // namespace mlir::attn::nvvm

#endif // ATTN_LIB_TARGET_NVVM_PAGEDROWS_H
