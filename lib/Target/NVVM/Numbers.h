//===- Numbers.h - constants of softmaxes -----------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scores are in units of log2, and what a row has seen nothing of is -inf.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_NVVM_NUMBERS_H
#define ATTN_LIB_TARGET_NVVM_NUMBERS_H

#include <limits>
#include <numbers>

namespace mlir::attn::nvvm {

inline constexpr double kLog2E = std::numbers::log2e;
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

} // namespace mlir::attn::nvvm

#endif // ATTN_LIB_TARGET_NVVM_NUMBERS_H
