//===- LinearRewrite.h - from a softmax to feature maps ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the rewrites to linear attention and to FAVOR+ share.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TRANSFORMS_LINEARREWRITE_H
#define ATTN_LIB_TRANSFORMS_LINEARREWRITE_H

#include "attn/Dialect/Attn/Transforms/Forms.h"

namespace mlir::attn {

/// Why features cannot take the place of the op's softmax; empty if they can.
std::string findLinearObstacle(AttentionOp op);

/// attn.linear_attention on the op's operands.
LinearAttentionOp makeLinear(OpBuilder &builder, AttentionOp op, FeatureMap map,
                             Value projection, FloatAttr scale);

} // namespace mlir::attn

#endif // ATTN_LIB_TRANSFORMS_LINEARREWRITE_H
