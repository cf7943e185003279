//===- Buffers.h - who reads and writes buffers -----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Questions about operations on memrefs that passes ask before they merge some
// of them into a kernel.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_NVVM_BUFFERS_H
#define ATTN_TARGET_NVVM_BUFFERS_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Operation.h"

namespace mlir::attn::nvvm {

/// The buffer that a memref is a view of.
Value rootOf(Value memref);

/// All operations that use the buffer or a view of it, but for views.
SmallVector<Operation *> usersOf(Value root);

/// What a buffer is known to be filled with.
struct FilledWith {
  TypedAttr value;
  /// The fill, or the copy of a filled buffer, if nobody but copies that are
  /// gone needs it.
  Operation *own = nullptr;
  /// Fills and copies further back, which may have other readers.
  SmallVector<Operation *> perhapsDead;
};

/// The constant that a buffer holds right before an operation, if a fill, or a
/// copy of a buffer that was filled, is seen to have put it there.
std::optional<FilledWith> findFill(Value memref, Operation *before,
                                   function_ref<bool(Operation *)> isGone);

/// Whether `op` at most allocates, makes views, or touches buffers of which
/// `mayRead` and `mayWrite` say that it may.
bool touchesOnly(Operation *op, function_ref<bool(Value root)> mayRead,
                 function_ref<bool(Value root)> mayWrite);

/// Erases those of the fills whose buffers nobody reads.
void eraseUnreadFills(ArrayRef<Operation *> fills);

} // namespace mlir::attn::nvvm

#endif // ATTN_TARGET_NVVM_BUFFERS_H
