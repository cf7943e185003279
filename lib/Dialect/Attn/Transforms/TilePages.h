//===- TilePages.h - what tiles do not read in place -----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The last step of tiling caches in pages.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_DIALECT_ATTN_TRANSFORMS_TILEPAGES_H
#define ATTN_LIB_DIALECT_ATTN_TRANSFORMS_TILEPAGES_H

#include "attn/Dialect/Attn/IR/Attn.h"

namespace mlir::attn {

/// What has not been read in place by tiles is copied.
LogicalResult settlePages(IRRewriter &rewriter, GatherPagesOp op);

} // namespace mlir::attn

#endif // ATTN_LIB_DIALECT_ATTN_TRANSFORMS_TILEPAGES_H
