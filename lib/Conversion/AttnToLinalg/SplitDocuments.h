//===- SplitDocuments.h - one attention for each document -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shared by the meaning of attn.attention with documents and by how it runs.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CONVERSION_ATTNTOLINALG_SPLITDOCUMENTS_H
#define ATTN_LIB_CONVERSION_ATTNTOLINALG_SPLITDOCUMENTS_H

#include "attn/Dialect/Attn/IR/Attn.h"

namespace mlir::attn {
/// What becomes of the attention of a document: the values of its results.
using DocumentLowering =
    llvm::function_ref<SmallVector<Value>(OpBuilder &, AttentionOp)>;

/// A loop over the documents of an attention, with an attention on slices in
/// it. Returns the values of the results; the operation itself stays.
SmallVector<Value> splitDocuments(OpBuilder &builder, AttentionOp op,
                                  DocumentLowering lower);
} // namespace mlir::attn

#endif // ATTN_LIB_CONVERSION_ATTNTOLINALG_SPLITDOCUMENTS_H
