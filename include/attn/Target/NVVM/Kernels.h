//===- Kernels.h - what there are kernels for -------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the phases before tiling ask this target, so that operations without a
// kernel can go another way.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_NVVM_KERNELS_H
#define ATTN_TARGET_NVVM_KERNELS_H

#include "mlir/IR/Operation.h"

namespace mlir::attn::nvvm {

/// On a kernel's gpu.dynamic_shared_memory: how many of its blocks a
/// multiprocessor is to have registers for, an i32. Without it, one.
inline constexpr StringLiteral kMinBlocksAttr = "attn.min_blocks";

/// Whether tiling makes of an operation on whole sequences what
/// attn-nvvm-launch-tiles has kernels for.
bool hasKernel(Operation *op);

} // namespace mlir::attn::nvvm

#endif // ATTN_TARGET_NVVM_KERNELS_H
