//===- Link.h - objects to a shared library ---------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs the linker that comes with LLVM, so that no compiler need be installed.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_EMIT_LINK_H
#define ATTN_LIB_EMIT_LINK_H

#include "mlir/Support/LLVM.h"

#include <string>

namespace mlir::attn {

/// Links `object` to the shared library `library`, whose name for loaders is
/// `soname`. On failure `error` says what went wrong.
LogicalResult linkSharedLibrary(StringRef object, StringRef library,
                                StringRef soname, std::string &error);

} // namespace mlir::attn

#endif // ATTN_LIB_EMIT_LINK_H
