//===- Gather.h - tokens through maps and orders ----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the kernels of sorted attention share: elements of tokens in any layout,
// squares of vectors transposed in registers, parallel loops, and integers as
// indices.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_CPU_GATHER_H
#define ATTN_LIB_TARGET_CPU_GATHER_H

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Target/CPU/KernelBuilder.h"

namespace mlir::attn::cpu {

/// A parallel loop over `bounds`; the body builds at the insertion point.
void parallelLoop(KernelBuilder &k, ArrayRef<Value> bounds,
                  function_ref<void(ValueRange)> body);

/// Tokens behind a map over (b, h, i, d, e).
struct TokenView {
  Value memref;
  AffineMap map;

  /// The indices of a column of a token.
  SmallVector<Value> at(Value batch, Value head, Value token,
                        Value column = Value()) const {
    SmallVector<Value> indices;
    for (unsigned i = 0; i < map.getNumResults(); ++i) {
      unsigned dim = map.getDimPosition(i);
      indices.push_back(dim == LshAttentionOp::kBatch      ? batch
                        : dim == LshAttentionOp::kHead     ? head
                        : dim == LshAttentionOp::kPosition ? token
                                                           : column);
    }
    return indices;
  }
};

/// A loaded integer as an index.
inline Value toIndex(KernelBuilder &k, Value integer) {
  return arith::IndexCastOp::create(k.b, k.loc, k.b.getIndexType(), integer);
}
inline Value toInteger(KernelBuilder &k, Value index, int64_t bits = 32) {
  return arith::IndexCastOp::create(k.b, k.loc, k.b.getIntegerType(bits),
                                    index);
}
/// Integers repeated to all lanes.
inline Value splat(KernelBuilder &k, VectorType type, int64_t value) {
  return arith::ConstantOp::create(
      k.b, k.loc,
      DenseElementsAttr::get(type,
                             k.b.getIntegerAttr(type.getElementType(), value)));
}
/// 0, 1, 2, ... as integers.
Value laneNumbers(KernelBuilder &k, VectorType type);

} // namespace mlir::attn::cpu

#endif // ATTN_LIB_TARGET_CPU_GATHER_H
