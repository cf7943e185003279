//===- Optimise.h - LLVM's own optimisations -------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass manager that code for CPUs and for GPUs goes through.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_EMIT_OPTIMISE_H
#define ATTN_LIB_EMIT_OPTIMISE_H

#include "llvm/IR/Module.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Target/TargetMachine.h"

namespace mlir::attn {

/// Runs LLVM's default pipeline at O3 on a module of the machine's target.
void optimiseModule(llvm::Module &code, llvm::TargetMachine &machine,
                    const llvm::PipelineTuningOptions &tuning);

} // namespace mlir::attn

#endif // ATTN_LIB_EMIT_OPTIMISE_H
