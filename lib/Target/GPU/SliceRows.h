//===- SliceRows.h - a bounded part of the hidden values --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Feed-forward layers on so many rows at a time that what lies between their
// products stays in the device's cache.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_GPU_SLICEROWS_H
#define ATTN_LIB_TARGET_GPU_SLICEROWS_H

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/IR/PatternMatch.h"

namespace mlir::attn {

/// Puts a loop over slices of rows in the place of `op`, if there are more rows
/// than one slice may have; returns the layer of one slice, or `op`.
FeedForwardOp sliceRows(RewriterBase &rewriter, FeedForwardOp op);

} // namespace mlir::attn

#endif // ATTN_LIB_TARGET_GPU_SLICEROWS_H
