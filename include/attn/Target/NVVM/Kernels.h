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

/// Whether tiling makes of an operation on whole sequences what
/// attn-nvvm-launch-tiles has kernels for.
bool hasKernel(Operation *op);

/// Whether an operation of linalg adds up the products of its two inputs,
/// widened or not.
bool addsProducts(Operation *op);

} // namespace mlir::attn::nvvm

#endif // ATTN_TARGET_NVVM_KERNELS_H
