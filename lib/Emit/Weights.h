//===- Weights.h - large constants beside the code --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A model's weights are a hundred times its code. As LLVM constants they would
// be copied and hashed at every step; here they go to the assembler as a file.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_EMIT_WEIGHTS_H
#define ATTN_LIB_EMIT_WEIGHTS_H

#include "mlir/IR/BuiltinOps.h"

#include <string>

namespace mlir::attn {

/// Whether the module has constants of 64 KiB or more.
bool hasLargeConstants(ModuleOp module);

/// Writes every large constant to `path`, makes its global a declaration and
/// returns assembly that defines it by including its part of the file. Errors
/// are diagnostics.
FailureOr<std::string> moveLargeConstants(ModuleOp module, StringRef path);

} // namespace mlir::attn

#endif // ATTN_LIB_EMIT_WEIGHTS_H
