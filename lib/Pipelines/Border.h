//===- Border.h - what is legal between phases ----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The contract of each border, as a list of dialects and operations.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_PIPELINES_BORDER_H
#define ATTN_LIB_PIPELINES_BORDER_H

#include "attn/Pipelines/Phases.h"

#include "mlir/IR/BuiltinOps.h"

namespace mlir::attn {

/// Checks every operation of `module` against the border after `phase`. Returns
/// how many were checked; what is not legal is an error on the operation.
FailureOr<int64_t> checkBorder(ModuleOp module, Phase phase);

} // namespace mlir::attn

#endif // ATTN_LIB_PIPELINES_BORDER_H
