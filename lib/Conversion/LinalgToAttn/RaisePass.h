//===- RaisePass.h - what raising passes share -----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Finding the operations that may end what is raised, removing what was
// raised, and saying what was not.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CONVERSION_LINALGTOATTN_RAISEPASS_H
#define ATTN_LIB_CONVERSION_LINALGTOATTN_RAISEPASS_H

#include "Matchers.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace mlir::attn::raise {

/// What computes the elements of an operation's only result, a ranked tensor;
/// null for other operations and for a value from outside.
Operation *findLastScalarOp(linalg::LinalgOp op);

/// Erases what nothing uses any more, last operations first.
void eraseDeadOps(Operation *root);

/// The remark of a pass about an operation that it did not raise. `pass` is
/// its flag, `name` that of the remark, `target` the operation it would have
/// become; with `asDiagnostic`, the same as a diagnostic.
void reportMissed(linalg::LinalgOp op, const Mismatch &mismatch, StringRef pass,
                  StringRef name, StringRef target, bool asDiagnostic);

} // namespace mlir::attn::raise

#endif // ATTN_LIB_CONVERSION_LINALGTOATTN_RAISEPASS_H
