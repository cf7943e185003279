//===- Passes.h - the road around GPU kernels -------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What Passes.td declares: constructors, options and registration.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_GPU_PASSES_H
#define ATTN_TARGET_GPU_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::attn {

#define GEN_PASS_DECL
#include "attn/Target/GPU/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "attn/Target/GPU/Passes.h.inc"

} // namespace mlir::attn

#endif // ATTN_TARGET_GPU_PASSES_H
