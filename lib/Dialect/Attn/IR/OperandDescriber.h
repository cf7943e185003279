//===- OperandDescriber.h - a list of operands with maps -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Builds the list that OperandMaps is made of.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_DIALECT_ATTN_IR_OPERANDDESCRIBER_H
#define ATTN_LIB_DIALECT_ATTN_IR_OPERANDDESCRIBER_H

#include "OperandMaps.h"

namespace mlir::attn {

/// Describes the operands of an operation one after another. The operation
/// finds maps with getMapOf; `refine` adds what depends on the operand.
template <typename OpTy> class OperandDescriber {
public:
  using Refine = void (*)(OpTy op, OpOperand &operand, MappedOperand &mapped);
  explicit OperandDescriber(OpTy op, Refine refine = nullptr)
      : op(op), refine(refine) {}

  /// The description, for what is particular about this operand; valid until
  /// the next call.
  MappedOperand &
  add(StringRef name, OpOperand &operand, SmallVector<unsigned> required,
      SmallVector<unsigned> allowed = {Domain::kBatch, Domain::kHead}) {
    operands.push_back({name, operand.get(), op.getMapOf(operand),
                        std::move(required), std::move(allowed)});
    operands.back().isOutput = op.isDpsInit(&operand);
    if (refine)
      refine(op, operand, operands.back());
    return operands.back();
  }
  /// The same for an optional operand, where it is there.
  void add(StringRef name, MutableOperandRange range,
           SmallVector<unsigned> required,
           SmallVector<unsigned> allowed = {Domain::kBatch, Domain::kHead}) {
    if (!range.empty())
      add(name, *range.begin(), std::move(required), std::move(allowed));
  }

  SmallVector<MappedOperand> take() { return std::move(operands); }

private:
  OpTy op;
  Refine refine;
  SmallVector<MappedOperand> operands;
};

} // namespace mlir::attn

#endif // ATTN_LIB_DIALECT_ATTN_IR_OPERANDDESCRIBER_H
