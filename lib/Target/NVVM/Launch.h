//===- Launch.h - kernels outside of loops over tiles -----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Launches of the operations that work on whole sequences and decide for
// themselves what a block of threads does.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_NVVM_LAUNCH_H
#define ATTN_LIB_TARGET_NVVM_LAUNCH_H

#include "Kernel.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace mlir::attn::nvvm {

/// Sets where the thread stands, and gives the block's shared memory as bytes.
Value placeThread(OpBuilder &b, Location loc, gpu::LaunchOp launch,
                  ThreadPosition &at);

/// Launches `blocks` blocks of `warps` warps, if there are any; `name` is the
/// stem of the kernel's name. The body is given the block's number.
void launchBlocks(OpBuilder &b, Location loc, StringRef name, Value blocks,
                  int64_t warps, F32Products products,
                  function_ref<void(Kernel &kernel, Value block)> body);

/// A number as indices into a box, the last running fastest.
SmallVector<Value> delinearise(IndexMath &math, Value number,
                               ArrayRef<Value> extents);

} // namespace mlir::attn::nvvm

#endif // ATTN_LIB_TARGET_NVVM_LAUNCH_H
