//===- Passes.h - passes at the borders of phases ---------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What Passes.td declares: constructors, options and registration.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_PIPELINES_PASSES_H
#define ATTN_PIPELINES_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::attn {

#define GEN_PASS_DECL
#include "attn/Pipelines/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "attn/Pipelines/Passes.h.inc"

} // namespace mlir::attn

#endif // ATTN_PIPELINES_PASSES_H
