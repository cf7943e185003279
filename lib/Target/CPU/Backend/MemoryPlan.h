//===- MemoryPlan.h - when buffers live, and where ------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Buffers that never live at the same time share memory. The thread's scratch
// memory and the intermediate results of an entry are planned by this.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_CPU_MEMORYPLAN_H
#define ATTN_LIB_TARGET_CPU_MEMORYPLAN_H

#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace mlir::attn::cpu {

/// Every planned buffer starts at a multiple of this: a cache line, which is
/// also the widest vector.
inline constexpr int64_t kBufferAlignment = 64;

/// An allocation and the time it lives in, in positions of a pre-order walk.
struct Buffer {
  memref::AllocOp alloc;
  /// The last operation of the allocation's own block that uses it.
  Operation *lastUse;
  int64_t begin, end;
  /// Bytes of the buffer; those of one row for a dynamic shape: see `extents`.
  int64_t bytes;
  /// Dynamic extents, sorted; buffers with equal extents and bytes are alike.
  SmallVector<Value> extents;
  /// Where the buffer starts in the common memory.
  int64_t offset = 0;

  bool overlaps(const Buffer &other) const {
    return begin <= other.end && other.begin <= end;
  }
};

/// The allocations below `root` for which `filter` holds and which do not
/// outlive the block they stand in, with their lifetimes, in program order.
/// Only buffers of identity layout in the default memory space are taken.
SmallVector<Buffer>
collectBuffers(Operation *root,
               llvm::function_ref<bool(memref::AllocOp)> filter);

/// Gives every buffer an offset such that those that overlap in time do not
/// overlap in memory: largest first, each to the lowest place that is free.
/// Returns the bytes needed. All buffers must be of static shape.
int64_t planOffsets(MutableArrayRef<Buffer> buffers);

/// Replaces the buffer by a view into `memory`, a `memref<?xi8>` or
/// `memref<Nxi8>`, at its offset, and erases its deallocations.
void replaceByView(const Buffer &buffer, Value memory);

} // namespace mlir::attn::cpu

#endif // ATTN_LIB_TARGET_CPU_MEMORYPLAN_H
