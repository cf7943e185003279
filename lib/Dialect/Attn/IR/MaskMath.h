//===- MaskMath.h - index arithmetic that masks build -----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Short words for index arithmetic on scalars and vectors; values are folded as
// they are made, so that static cases leave constants only.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_DIALECT_ATTN_IR_MASKMATH_H
#define ATTN_LIB_DIALECT_ATTN_IR_MASKMATH_H

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace mlir::attn {

struct MaskMath {
  OpBuilder &builder;
  Location loc;

  Value constant(int64_t value) {
    return arith::ConstantIndexOp::create(builder, loc, value);
  }
  Value add(Value a, Value b) {
    return builder.createOrFold<arith::AddIOp>(loc, a, b);
  }
  Value sub(Value a, Value b) {
    return builder.createOrFold<arith::SubIOp>(loc, a, b);
  }
  Value mul(Value a, Value b) {
    return builder.createOrFold<arith::MulIOp>(loc, a, b);
  }
  Value min(Value a, Value b) {
    return builder.createOrFold<arith::MinSIOp>(loc, a, b);
  }
  Value max(Value a, Value b) {
    return builder.createOrFold<arith::MaxSIOp>(loc, a, b);
  }
  Value both(Value a, Value b) {
    return builder.createOrFold<arith::AndIOp>(loc, a, b);
  }
  Value either(Value a, Value b) {
    return builder.createOrFold<arith::OrIOp>(loc, a, b);
  }
  Value select(Value condition, Value a, Value b) {
    return builder.createOrFold<arith::SelectOp>(loc, condition, a, b);
  }
  Value compare(arith::CmpIPredicate predicate, Value a, Value b) {
    return builder.createOrFold<arith::CmpIOp>(loc, predicate, a, b);
  }
  Value less(Value a, Value b) {
    return compare(arith::CmpIPredicate::slt, a, b);
  }
  Value lessOrEqual(Value a, Value b) {
    return compare(arith::CmpIPredicate::sle, a, b);
  }
  /// `value`, repeated to the vector type of `like` if that is a vector.
  Value matchShape(Value value, Value like) {
    auto type = dyn_cast<VectorType>(like.getType());
    if (!type || isa<VectorType>(value.getType()))
      return value;
    return vector::BroadcastOp::create(builder, loc,
                                       type.clone(value.getType()), value);
  }
  /// Whether begin <= j < end; j may be a vector.
  Value isWithin(Value j, Value begin, Value end) {
    return both(lessOrEqual(matchShape(begin, j), j),
                less(j, matchShape(end, j)));
  }
  /// floor(a / b) for a positive b.
  Value floorDiv(Value a, int64_t b) {
    Value quotient = builder.createOrFold<arith::DivSIOp>(loc, a, constant(b));
    Value below = less(a, mul(quotient, constant(b)));
    return select(below, sub(quotient, constant(1)), quotient);
  }
  /// ceil(a / b) for a non-negative a and a positive b.
  Value ceilDiv(Value a, int64_t b) {
    return builder.createOrFold<arith::DivUIOp>(loc, add(a, constant(b - 1)),
                                                constant(b));
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
    Value zero = constant(0);
    return {max(begin, zero), max(zero, min(end, scope.numKeys)), mask,
            std::nullopt};
  }
  /// Element `at` of a list, by comparisons: lists are short.
  Value element(ArrayRef<int64_t> list, Value at) {
    Value result = constant(list.front());
    if (llvm::all_equal(list))
      return result;
    for (size_t i = 1; i < list.size(); ++i)
      result = select(compare(arith::CmpIPredicate::eq, at, constant(i)),
                      constant(list[i]), result);
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
