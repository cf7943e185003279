//===- Manifest.h - what a library says about itself ----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The JSON text in which a loader reads entries, types, shapes and the CPU.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_CPU_BACKEND_MANIFEST_H
#define ATTN_LIB_TARGET_CPU_BACKEND_MANIFEST_H

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"

#include <string>

namespace mlir::attn::cpu {

/// The manifest of a library with these entries. An entry tells its arguments
/// and results by the attribute that attn-record-signature wrote.
std::string writeManifest(ModuleOp module, ArrayRef<LLVM::LLVMFuncOp> entries);

/// The ranks of an entry's arguments or results, `part` being args or results.
SmallVector<int64_t> getRanks(LLVM::LLVMFuncOp entry, StringRef part);

} // namespace mlir::attn::cpu

#endif // ATTN_LIB_TARGET_CPU_BACKEND_MANIFEST_H
