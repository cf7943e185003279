//===- MaskMath.h - index arithmetic that masks build -----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Index arithmetic on scalars and vectors, and the ranges that masks make of
// it.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_DIALECT_ATTN_IR_MASKMATH_H
#define ATTN_LIB_DIALECT_ATTN_IR_MASKMATH_H

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Dialect/Attn/Utils/IndexMath.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace mlir::attn {

struct MaskMath : IndexMath {
  using IndexMath::IndexMath;

  Value both(Value x, Value y) {
    return b.createOrFold<arith::AndIOp>(loc, x, y);
  }
  Value either(Value x, Value y) {
    return b.createOrFold<arith::OrIOp>(loc, x, y);
  }
  Value select(Value condition, Value x, Value y) {
    return b.createOrFold<arith::SelectOp>(loc, condition, x, y);
  }
  /// `value`, repeated to the vector type of `like` if that is a vector.
  Value matchShape(Value value, Value like) {
    auto type = dyn_cast<VectorType>(like.getType());
    if (!type || isa<VectorType>(value.getType()))
      return value;
    return vector::BroadcastOp::create(b, loc, type.clone(value.getType()),
                                       value);
  }
  /// Whether begin <= j < end; j may be a vector.
  Value isWithin(Value j, Value begin, Value end) {
    return both(lessOrEqual(matchShape(begin, j), j),
                less(j, matchShape(end, j)));
  }
  /// floor(x / y) for a positive y.
  Value floorDiv(Value x, int64_t y) {
    Value quotient = b.createOrFold<arith::DivSIOp>(loc, x, index(y));
    Value below = less(x, mul(quotient, y));
    return select(below, sub(quotient, index(1)), quotient);
  }
  /// The column of the diagonal in row `i`: i, or i + m - n.
  Value diagonal(Alignment alignment, Value i, const MaskScope &scope) {
    return alignment == Alignment::TopLeft
               ? i
               : add(i, sub(scope.numKeys, scope.numQueries));
  }
  /// [begin, end) cut to [0, m].
  KeyRange clamp(Value begin, Value end, const MaskScope &scope,
                 Attribute mask) {
    Value zero = index(0);
    return {max(begin, zero), max(zero, min(end, scope.numKeys)), mask,
            std::nullopt};
  }
  /// Element `at` of a list, by comparisons: lists are short.
  Value element(ArrayRef<int64_t> list, Value at) {
    Value result = index(list.front());
    if (llvm::all_equal(list))
      return result;
    for (size_t i = 1; i < list.size(); ++i)
      result = select(compare(arith::CmpIPredicate::eq, at, index(i)),
                      index(list[i]), result);
    return result;
  }
};

/// The smallest range that holds all `ranges`, without a mask.
KeyRange hull(MaskMath &math, ArrayRef<KeyRange> ranges,
              const MaskScope &scope);

/// Ascending tokens in brackets, a run of them as `0 to 64`, as the bounds of
/// runs.
ParseResult parseTokenRanges(AsmParser &parser, SmallVector<int64_t> &bounds);
void printTokenRanges(AsmPrinter &printer, ArrayRef<int64_t> bounds);

/// One integer, or several in brackets: `2`, `[1, 1, 2, 4]`.
ParseResult parseIntegers(AsmParser &parser, SmallVector<int64_t> &integers);
void printIntegers(AsmPrinter &printer, ArrayRef<int64_t> integers);

inline int64_t diagonalOffset(Alignment alignment, int64_t n, int64_t m) {
  return alignment == Alignment::TopLeft ? 0 : m - n;
}

} // namespace mlir::attn

#endif // ATTN_LIB_DIALECT_ATTN_IR_MASKMATH_H
