//===- Passes.h - passes of the import phase --------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Construction and registration of the import passes, generated from
// Passes.td.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_IMPORT_PASSES_H
#define ATTN_IMPORT_PASSES_H

#include "mlir/Pass/Pass.h"

namespace mlir::attn {
#define GEN_PASS_DECL
#include "attn/Import/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "attn/Import/Passes.h.inc"
} // namespace mlir::attn

#endif // ATTN_IMPORT_PASSES_H
