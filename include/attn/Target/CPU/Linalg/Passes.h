//===- Passes.h - passes for what stands around attention -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What Passes.td declares: constructors, options and registration.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_CPU_LINALG_PASSES_H
#define ATTN_TARGET_CPU_LINALG_PASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::attn::cpu {

#define GEN_PASS_DECL
#include "attn/Target/CPU/Linalg/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "attn/Target/CPU/Linalg/Passes.h.inc"

/// Products packed, chains of row-wise operations in tiles: before
/// bufferisation.
void addLinalgTensorPasses(OpPassManager &manager, int64_t vectorBits);

/// Loops over vectors: after bufferisation.
void addLinalgBufferPasses(OpPassManager &manager, int64_t vectorBits);

} // namespace mlir::attn::cpu

#endif // ATTN_TARGET_CPU_LINALG_PASSES_H
