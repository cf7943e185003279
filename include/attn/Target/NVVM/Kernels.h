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

#include <string>

namespace mlir::attn::nvvm {

/// On a `gpu.block_dim` in a kernel: with the dictionary's number of `threads`
/// and bytes of dynamic `shared` memory a block runs what was made for the
/// architecture `sm`, and with any other number what all can run. So many
/// `blocks` are to fit on a multiprocessor.
constexpr StringLiteral kVariantAttr = "attn.variant";

/// Why tiling cannot make of an operation on whole sequences what
/// attn-nvvm-launch-tiles has kernels for: which operand, region or limit.
/// Empty: it can.
std::string findKernelObstacle(Operation *op);
bool hasKernel(Operation *op);

/// Whether an operation of linalg adds up the products of its two inputs,
/// widened or not.
bool addsProducts(Operation *op);

} // namespace mlir::attn::nvvm

#endif // ATTN_TARGET_NVVM_KERNELS_H
