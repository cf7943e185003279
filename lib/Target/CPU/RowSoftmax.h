//===- RowSoftmax.h - the streaming softmax of one row ----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shared by the kernels that make scores in different ways: from panels for
// many rows, from rows of keys for few.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_CPU_ROWSOFTMAX_H
#define ATTN_LIB_TARGET_CPU_ROWSOFTMAX_H

#include "attn/Target/CPU/Kernels.h"
#include "attn/Target/CPU/ScoreModifier.h"

namespace mlir::attn::cpu {

/// A half-open range of keys, relative to the tile's first key.
struct KeySpan {
  Value begin, end;
};

class RowSoftmax {
public:
  RowSoftmax(KernelBuilder &k, OnlinePackedOp op, const CpuTarget &target)
      : k(k), op(op), modifier(k, op),
        accType(cast<MemRefType>(op.getAcc().getType())),
        element(accType.getElementType()),
        lanes(target.lanes(element.getIntOrFloatBitWidth())),
        vectorType(k.vectorOf(lanes, element)) {
    if (op.getScale() && !modifier.isNeeded())
      scoreScale = op.getScale()->convertToDouble();
  }

  /// Allocates the scores, and the probabilities where `stored` differs from
  /// their type (bf16 for products of pairs).
  void allocate(int64_t rows, int64_t columns, Type stored) {
    scores = k.scratch({rows, columns}, element);
    probabilities =
        stored == element ? scores : k.scratch({rows, columns}, stored);
  }

  /// Probabilities are zero from the strip's range up to multiples of `unit`,
  /// which the product with the values reads.
  void setDepthUnit(int64_t unit) { depthUnit = unit; }

  /// The keys of this tile that rows [firstRow, lastRow] of a head of the
  /// group may see.
  KeySpan keyRange(Value group, Value firstRow, Value lastRow);

  /// Turns row `localRow` of the scores into probabilities and updates maximum,
  /// sum and accumulator of row (`group`, `row`) of the state. Column 0 of the
  /// scores is key `column0` of the tile; `strip` is not empty, and its vectors
  /// hold scores of this row.
  void emitRow(Value group, Value row, Value localRow, KeySpan strip,
               Value column0);

  Value getScores() const { return scores; }
  Value getProbabilities() const { return probabilities; }
  Type getElement() const { return element; }
  int64_t getLanes() const { return lanes; }
  MemRefType getAccType() const { return accType; }

private:
  void maskVectors(Value localRow, Value from, Value to, Value firstAllowed,
                   Value endAllowed);
  Value emitMax(Value localRow, Value from, Value to);
  Value emitExponentials(Value localRow, Value from, Value to,
                         Value subtrahend);
  void emitZeros(Value localRow, Value from, Value to);
  void emitRescale(Value group, Value row, Value factor);

  KernelBuilder &k;
  OnlinePackedOp op;
  ScoreModifier modifier;
  MemRefType accType;
  Type element;
  int64_t lanes;
  int64_t depthUnit = 1;
  VectorType vectorType;
  /// What scores are still to be multiplied by, within the exponent.
  double scoreScale = 1;
  Value scores;        ///< [rows][columns], of the accumulator's type
  Value probabilities; ///< the same memory, or narrower
};

} // namespace mlir::attn::cpu

#endif // ATTN_LIB_TARGET_CPU_ROWSOFTMAX_H
