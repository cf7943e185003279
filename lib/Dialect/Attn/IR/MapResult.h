//===- MapResult.h - results of attention's indexing maps -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a result of an indexing map of attn.attention may be: a dimension, heads
// that share keys, or a relative position. The verifier and the queries agree
// on it here.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_DIALECT_ATTN_IR_MAPRESULT_H
#define ATTN_LIB_DIALECT_ATTN_IR_MAPRESULT_H

#include "attn/Dialect/Attn/IR/Attn.h"

namespace mlir::attn {

/// The dimension that a map result reads, and the divisor of `h floordiv g` (1
/// without).
struct MapResult {
  unsigned dim;
  int64_t divisor;
};

inline std::optional<MapResult> matchMapResult(AffineExpr expr) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return MapResult{dim.getPosition(), 1};
  MLIRContext *context = expr.getContext();
  if (expr == getAffineDimExpr(AttentionOp::kKey, context) -
                  getAffineDimExpr(AttentionOp::kQuery, context))
    return MapResult{AttentionOp::kRelative, 1};
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary || binary.getKind() != AffineExprKind::FloorDiv)
    return std::nullopt;
  auto dim = dyn_cast<AffineDimExpr>(binary.getLHS());
  auto divisor = dyn_cast<AffineConstantExpr>(binary.getRHS());
  if (!dim || dim.getPosition() != AttentionOp::kHead || !divisor ||
      divisor.getValue() < 1)
    return std::nullopt;
  return MapResult{dim.getPosition(), divisor.getValue()};
}

} // namespace mlir::attn

#endif // ATTN_LIB_DIALECT_ATTN_IR_MAPRESULT_H
