//===- IndexMath.h - short words for index arithmetic -----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Index arithmetic as masks, tilers and kernel emitters write it. Values are
// folded as they are made, so that static cases leave constants only.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_DIALECT_ATTN_UTILS_INDEXMATH_H
#define ATTN_DIALECT_ATTN_UTILS_INDEXMATH_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"

namespace mlir::attn {

/// Builds at the insertion point of `b`. Operands are `index`, or vectors of it
/// of one shape.
class IndexMath {
public:
  OpBuilder &b;
  Location loc;

  IndexMath(OpBuilder &builder, Location loc) : b(builder), loc(loc) {}

  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(b, loc, value);
  }
  Value add(Value x, Value y) {
    return b.createOrFold<arith::AddIOp>(loc, x, y);
  }
  Value add(Value x, int64_t y) { return y == 0 ? x : add(x, index(y)); }
  Value sub(Value x, Value y) {
    return b.createOrFold<arith::SubIOp>(loc, x, y);
  }
  Value mul(Value x, Value y) {
    return b.createOrFold<arith::MulIOp>(loc, x, y);
  }
  Value mul(Value x, int64_t y) { return mul(x, index(y)); }
  Value min(Value x, Value y) {
    return b.createOrFold<arith::MinSIOp>(loc, x, y);
  }
  Value max(Value x, Value y) {
    return b.createOrFold<arith::MaxSIOp>(loc, x, y);
  }
  Value compare(arith::CmpIPredicate predicate, Value x, Value y) {
    return b.createOrFold<arith::CmpIOp>(loc, predicate, x, y);
  }
  Value less(Value x, Value y) {
    return compare(arith::CmpIPredicate::slt, x, y);
  }
  Value lessOrEqual(Value x, Value y) {
    return compare(arith::CmpIPredicate::sle, x, y);
  }
  /// ceil(x / y) for a non-negative x and a positive y.
  Value ceilDiv(Value x, int64_t y) {
    return b.createOrFold<arith::DivUIOp>(loc, add(x, y - 1), index(y));
  }
  Value ceilDiv(Value x, Value y) {
    return b.createOrFold<arith::CeilDivSIOp>(loc, x, y);
  }
  /// x rounded down to a multiple of a power of two.
  Value alignDown(Value x, int64_t to) {
    return b.createOrFold<arith::AndIOp>(loc, x, index(-to));
  }
  Value alignUp(Value x, int64_t to) { return alignDown(add(x, to - 1), to); }
};

} // namespace mlir::attn

#endif // ATTN_DIALECT_ATTN_UTILS_INDEXMATH_H
