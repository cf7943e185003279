//===- EmitGpu.h - the files that a module of kernels becomes ---*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The part of the phase `emit` that only targets with kernels have.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_EMIT_EMITGPU_H
#define ATTN_LIB_EMIT_EMITGPU_H

#include "attn/Emit/Emit.h"

namespace mlir::attn {

/// Writes the kernels of `module` as LLVM IR, PTX, cubin or fatbin. With
/// several architectures, PTX and cubin are one file each, with the
/// architecture before the extension.
LogicalResult emitKernels(ModuleOp module, StringRef path,
                          const EmitOptions &options);

/// The kernels of `module` for every architecture, as a library carries them;
/// Runtime/GpuTable.h says how. Empty without kernels.
FailureOr<std::string> makeImages(ModuleOp module, const EmitOptions &options);

} // namespace mlir::attn

#endif // ATTN_LIB_EMIT_EMITGPU_H
