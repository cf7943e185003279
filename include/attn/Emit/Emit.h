//===- Emit.h - from the LLVM dialect to files ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The phase `emit`: LLVM IR, assembly, an object file or a shared library. It
// makes no decision of its own about the program.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_EMIT_EMIT_H
#define ATTN_EMIT_EMIT_H

#include "attn/Emit/CpuDescription.h"
#include "attn/Emit/GpuDescription.h"

#include "mlir/IR/BuiltinOps.h"

namespace mlir::attn {

enum class EmitKind {
  MLIR,
  LLVMIR,
  Assembly,
  Object,
  SharedLibrary,
  Ptx,
  Cubin,
  Fatbin
};

struct EmitOptions {
  EmitKind kind = EmitKind::SharedLibrary;
  CpuDescription cpu;
  /// The GPUs that kernels are compiled for; empty for a target without.
  SmallVector<GpuArchitecture> architectures;
  /// The assembler for kernels; empty to look for it.
  std::string ptxas;
  /// Whether a library carries its kernels as LLVM IR besides, for simulation.
  bool embedIR = false;
  /// Where constants of 64 KiB and more go that are not part of the text, for
  /// the textual kinds; empty for the output's name with `.weights` appended.
  std::string weightsPath;
  /// Where to write the LLVM IR besides, before LLVM's optimisations; empty for
  /// nowhere.
  std::string llvmDump;
};

/// Writes `module` to `path` as `options.kind`. The file appears complete or
/// not at all. Errors are diagnostics on `module`.
LogicalResult emitModule(ModuleOp module, StringRef path,
                         const EmitOptions &options);

} // namespace mlir::attn

#endif // ATTN_EMIT_EMIT_H
