//===- DeviceCode.h - kernels to LLVM IR and PTX ----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The device's half of a compilation: one module of kernels, and its code for
// each architecture.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_EMIT_DEVICECODE_H
#define ATTN_LIB_EMIT_DEVICECODE_H

#include "attn/Emit/GpuDescription.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

namespace mlir::attn {

/// How a kernel is launched on an architecture that wants it otherwise than
/// the program's host does.
struct KernelLaunch {
  std::string kernel;
  uint32_t threads = 0, sharedBytes = 0;
  uint32_t blocks = 1; ///< that are to fit on a multiprocessor
};

/// A parameter of a kernel that is a tensor map, by its position.
struct MapParameter {
  std::string kernel;
  uint32_t parameter = 0;
};

/// Those that the kernels of `optimised` use.
SmallVector<MapParameter> findMaps(const llvm::Module &optimised);

class DeviceCode {
public:
  /// Translates the kernels of `module`; a module without any has no code.
  LogicalResult translate(ModuleOp module);

  bool hasKernels() const { return code != nullptr; }

  /// The kernels for `gpu` after LLVM's optimisations. Errors are diagnostics.
  std::unique_ptr<llvm::Module> optimise(const GpuArchitecture &gpu);

  /// The launches of `gpu` that are not the host's.
  SmallVector<KernelLaunch> getLaunches(const GpuArchitecture &gpu) const;

  /// PTX text for what `optimise` gave.
  FailureOr<std::string> writePtx(llvm::Module &optimised,
                                  const GpuArchitecture &gpu);

private:
  LogicalResult fail(const Twine &message) { return module.emitError(message); }
  /// Runs `body`; what LLVM would end the process for becomes an error.
  LogicalResult guard(llvm::function_ref<void()> body);

  ModuleOp module;
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code;
};

} // namespace mlir::attn

#endif // ATTN_LIB_EMIT_DEVICECODE_H
