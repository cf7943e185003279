//===- Passes.h - passes of the NVVM target ---------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Constructors and registration of the passes described in Passes.td.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_NVVM_PASSES_H
#define ATTN_TARGET_NVVM_PASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::attn::nvvm {

#define GEN_PASS_DECL
#include "attn/Target/NVVM/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "attn/Target/NVVM/Passes.h.inc"

/// From parallel loops over tile-level operations on memrefs to `gpu.launch`.
void addKernelPasses(OpPassManager &manager,
                     const AttnNvvmLaunchTilesPassOptions &tiles = {});

} // namespace mlir::attn::nvvm

#endif // ATTN_TARGET_NVVM_PASSES_H
