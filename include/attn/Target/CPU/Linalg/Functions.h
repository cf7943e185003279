//===- Functions.h - functions that a few instructions compute --*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emitters of mathematical functions on vectors, for those whose upstream
// expansion costs too much in a model's inner loops.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_CPU_LINALG_FUNCTIONS_H
#define ATTN_TARGET_CPU_LINALG_FUNCTIONS_H

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Target/CPU/KernelBuilder.h"

namespace mlir::attn::cpu {

/// The error function of f32, scalar or vector; relative error 3e-7. Keeps NaN.
Value emitErf(KernelBuilder &k, Value x);

/// The activation of a feed-forward layer on a vector; keeps NaN.
Value emitActivation(KernelBuilder &k, Activation activation, Value x);

} // namespace mlir::attn::cpu

#endif // ATTN_TARGET_CPU_LINALG_FUNCTIONS_H
