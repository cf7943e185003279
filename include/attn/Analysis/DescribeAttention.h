//===- DescribeAttention.h - an operation's shape for costs -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads the extents of an attention, and how much its mask lets through, from
// the operation. What is dynamic takes an assumed length.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_ANALYSIS_DESCRIBEATTENTION_H
#define ATTN_ANALYSIS_DESCRIBEATTENTION_H

#include "attn/Dialect/Attn/IR/Attn.h"

namespace mlir::attn {

/// The shape of `op`; dynamic lengths count as `assumedLength`, a dynamic batch
/// or number of heads as 1.
AttentionShape describeAttention(AttentionOp op, int64_t assumedLength);

/// The mean number of keys that `mask` lets one of `queries` queries of `heads`
/// heads see, estimated from some of them; all keys without a mask.
double estimateVisibleKeys(MaskAttrInterface mask, int64_t heads,
                           int64_t queries, int64_t keys);

/// The shape that `op` would have with `length` keys, and as many queries where
/// it now has as many.
AttentionShape describeAttentionOfLength(AttentionOp op, int64_t length);

/// "8.59e+09 flops, 3.36e+07 bytes".
std::string describeCost(Cost cost);

} // namespace mlir::attn

#endif // ATTN_ANALYSIS_DESCRIBEATTENTION_H
