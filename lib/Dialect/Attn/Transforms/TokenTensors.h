//===- TokenTensors.h - operands as sorted attention reads them -*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The kernels of sorted attention read vectors of tokens that are contiguous,
// whole registers long and of the type of sums. For the usual layouts and types
// operands are that already; what is not is copied.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_DIALECT_ATTN_TRANSFORMS_TOKENTENSORS_H
#define ATTN_LIB_DIALECT_ATTN_TRANSFORMS_TOKENTENSORS_H

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace mlir::attn {

/// What an option column-align has to be.
inline LogicalResult verifyColumnAlign(Operation *op, int64_t columnAlign) {
  if (columnAlign >= 8 && columnAlign % 8 == 0)
    return success();
  return op->emitError() << "expected column-align to be a multiple of 8, got "
                         << columnAlign;
}

/// Maps are over (b, h, i, d, e), i being a token, as in attn.lsh_attention.
class TokenTensors {
public:
  using D = LshAttentionOp::Dim;
  struct Operand {
    Value tensor;
    AffineMap map;
  };

  /// `columnAlign` is what the length of vectors must be a multiple of; with
  /// `narrow`, vectors that are read may be narrower than `element`.
  TokenTensors(OpBuilder &builder, Location loc, FloatType element,
               int64_t columnAlign, bool narrow)
      : b(builder), loc(loc), element(element), columnAlign(columnAlign),
        narrow(narrow) {}

  Value empty(ArrayRef<OpFoldResult> sizes, Type type) {
    return tensor::EmptyOp::create(b, loc, sizes, type);
  }
  /// A tensor of `sizes` whose element at (d0, d1, ...) is that of `source` at
  /// `map`, converted.
  Value gather(ArrayRef<OpFoldResult> sizes, AffineMap map, Value source,
               Type to);
  /// The operand in the form that kernels read; `inner` is its innermost
  /// dimension, d or e.
  Operand readable(Operand operand, D inner);
  /// Where kernels can write results for `output`: itself, where it has their
  /// form.
  Operand writable(Operand output);
  /// `result`, which kernels have written to writable(output), as `output`.
  Value finish(Operand result, Operand output);
  /// i1 flags as [N] or [B, N].
  Value flags(Operand valid);
  /// [B]: how many flags are set. `batches` serves flags without b.
  Value count(Operand valid, OpFoldResult batches);

private:
  Value convert(OpBuilder &builder, Value value, Type to);
  AffineMap innermostLast(AffineMap map);
  /// `map` of a tensor, read at the positions of `own`, another tensor's map.
  AffineMap readThrough(AffineMap map, AffineMap own);
  SmallVector<OpFoldResult> sizesAs(Operand operand, AffineMap own);
  bool isKernelForm(Operand operand, Type type);

  OpBuilder &b;
  Location loc;
  FloatType element;
  int64_t columnAlign;
  bool narrow;
};

} // namespace mlir::attn

#endif // ATTN_LIB_DIALECT_ATTN_TRANSFORMS_TOKENTENSORS_H
