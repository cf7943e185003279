//===- ExactPipeline.h - upstream's way from linalg to LLVM -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The passes that make a module of f64 runnable. None of them is ours but the
// decomposition of attention, and none optimises.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_REFERENCE_EXACTPIPELINE_H
#define ATTN_LIB_REFERENCE_EXACTPIPELINE_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

namespace mlir::attn::reference {

/// Called by the compiled code with the value and the number of an assertion.
constexpr const char kCheckFunction[] = "attn_reference_check";

/// Registers what the pipeline needs beyond the dialects that it depends on.
void registerExactPipelineExtensions(DialectRegistry &registry);

/// A pass that asserts, for operations on tensors, what only the run knows of
/// their extents and indices, so that wrong ones do no harm.
std::unique_ptr<Pass> createCheckShapes();

/// From attn and linalg on tensors to loops-free linalg with assertions.
void addDecomposition(OpPassManager &pm);

/// Replaces every cf.assert by a call of kCheckFunction; returns the messages
/// by number.
std::vector<std::string> callCheckFunction(ModuleOp module);

/// From linalg on tensors to the LLVM dialect.
void addLowering(OpPassManager &pm);

} // namespace mlir::attn::reference

#endif // ATTN_LIB_REFERENCE_EXACTPIPELINE_H
