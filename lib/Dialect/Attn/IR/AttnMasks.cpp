//===- AttnMasks.cpp - what masks allow -----------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifiers of the mask attributes, their meaning, and the index arithmetic
// that lowerings build from them.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
/// Builds index arithmetic with as few words as possible; values are folded as
/// they are made.
struct IndexMath {
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
  Value min(Value a, Value b) {
    return builder.createOrFold<arith::MinSIOp>(loc, a, b);
  }
  Value max(Value a, Value b) {
    return builder.createOrFold<arith::MaxSIOp>(loc, a, b);
  }
  Value compare(arith::CmpIPredicate predicate, Value a, Value b) {
    return builder.createOrFold<arith::CmpIOp>(loc, predicate, a, b);
  }
  /// `value`, repeated to the vector type of `like` if that is a vector.
  Value matchShape(Value value, Value like) {
    auto type = dyn_cast<VectorType>(like.getType());
    if (!type || isa<VectorType>(value.getType()))
      return value;
    return vector::BroadcastOp::create(builder, loc,
                                       type.clone(value.getType()), value);
  }
  /// The column of the diagonal in row `i`: i, or i + m - n.
  Value diagonal(Alignment alignment, Value i, Value n, Value m) {
    return alignment == Alignment::TopLeft ? i : add(i, sub(m, n));
  }
  std::pair<Value, Value> clampRange(Value first, Value end, Value m) {
    Value zero = constant(0);
    return {max(first, zero), max(zero, min(end, m))};
  }
};

int64_t diagonalOffset(Alignment alignment, int64_t n, int64_t m) {
  return alignment == Alignment::TopLeft ? 0 : m - n;
}

LogicalResult verifyMaskList(function_ref<InFlightDiagnostic()> emitError,
                             ArrayRef<Attribute> masks) {
  if (masks.empty())
    return emitError() << "expected at least one mask (C2), got an empty list";
  for (Attribute mask : masks)
    if (!isa<MaskAttrInterface>(mask))
      return emitError() << "expected a mask (C1), got " << mask;
  return success();
}
} // namespace

//===----------------------------------------------------------------------===//
// causal
//===----------------------------------------------------------------------===//

bool CausalAttr::allows(int64_t i, int64_t j, int64_t n, int64_t m) const {
  return j <= i + diagonalOffset(getAlignment(), n, m);
}

std::pair<Value, Value>
CausalAttr::buildKeyRange(OpBuilder &builder, Location loc, Value firstQuery,
                          Value lastQuery, Value n, Value m) const {
  IndexMath math{builder, loc};
  Value end = math.add(math.diagonal(getAlignment(), lastQuery, n, m),
                       math.constant(1));
  return math.clampRange(math.constant(0), end, m);
}

Value CausalAttr::buildAllowed(OpBuilder &builder, Location loc, Value i,
                               Value j, Value n, Value m) const {
  IndexMath math{builder, loc};
  Value diagonal = math.matchShape(math.diagonal(getAlignment(), i, n, m), j);
  return math.compare(arith::CmpIPredicate::sle, j, diagonal);
}

bool CausalAttr::isContiguous() const { return true; }

std::optional<int64_t> CausalAttr::getMaxSpan() const { return std::nullopt; }

//===----------------------------------------------------------------------===//
// window
//===----------------------------------------------------------------------===//

LogicalResult WindowAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 int64_t before, int64_t after,
                                 int64_t dilation, Alignment) {
  constexpr int64_t maxSide = int64_t(1) << 40, maxDilation = int64_t(1) << 20;
  if (before < 0 || before > maxSide || after < 0 || after > maxSide)
    return emitError() << "expected before and after in [0, 2^40] (C1), got "
                       << before << " and " << after;
  if (dilation < 1 || dilation > maxDilation)
    return emitError() << "expected a dilation in [1, 2^20] (C2), got "
                       << dilation;
  return success();
}

bool WindowAttr::allows(int64_t i, int64_t j, int64_t n, int64_t m) const {
  int64_t distance = j - (i + diagonalOffset(getAlignment(), n, m));
  return distance % getDilation() == 0 &&
         distance >= -getBefore() * getDilation() &&
         distance <= getAfter() * getDilation();
}

std::pair<Value, Value>
WindowAttr::buildKeyRange(OpBuilder &builder, Location loc, Value firstQuery,
                          Value lastQuery, Value n, Value m) const {
  IndexMath math{builder, loc};
  Value first = math.sub(math.diagonal(getAlignment(), firstQuery, n, m),
                         math.constant(getBefore() * getDilation()));
  Value end = math.add(math.diagonal(getAlignment(), lastQuery, n, m),
                       math.constant(getAfter() * getDilation() + 1));
  return math.clampRange(first, end, m);
}

Value WindowAttr::buildAllowed(OpBuilder &builder, Location loc, Value i,
                               Value j, Value n, Value m) const {
  IndexMath math{builder, loc};
  Value distance =
      math.sub(j, math.matchShape(math.diagonal(getAlignment(), i, n, m), j));
  auto constant = [&](int64_t value) {
    return math.matchShape(math.constant(value), j);
  };
  Value reached = math.compare(arith::CmpIPredicate::sge, distance,
                               constant(-getBefore() * getDilation()));
  Value notPassed = math.compare(arith::CmpIPredicate::sle, distance,
                                 constant(getAfter() * getDilation()));
  Value allowed = builder.createOrFold<arith::AndIOp>(loc, reached, notPassed);
  if (getDilation() == 1)
    return allowed;
  Value rest = builder.createOrFold<arith::RemSIOp>(loc, distance,
                                                    constant(getDilation()));
  return builder.createOrFold<arith::AndIOp>(
      loc, allowed, math.compare(arith::CmpIPredicate::eq, rest, constant(0)));
}

bool WindowAttr::isContiguous() const { return getDilation() == 1; }

std::optional<int64_t> WindowAttr::getMaxSpan() const {
  return (getBefore() + getAfter()) * getDilation() + 1;
}

//===----------------------------------------------------------------------===//
// all_of
//===----------------------------------------------------------------------===//

LogicalResult AllOfAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                ArrayRef<Attribute> masks) {
  return verifyMaskList(emitError, masks);
}

bool AllOfAttr::allows(int64_t i, int64_t j, int64_t n, int64_t m) const {
  return llvm::all_of(getMasks(), [&](Attribute mask) {
    return cast<MaskAttrInterface>(mask).allows(i, j, n, m);
  });
}

std::pair<Value, Value> AllOfAttr::buildKeyRange(OpBuilder &builder,
                                                 Location loc, Value firstQuery,
                                                 Value lastQuery, Value n,
                                                 Value m) const {
  IndexMath math{builder, loc};
  std::pair<Value, Value> range;
  for (Attribute mask : getMasks()) {
    auto next = cast<MaskAttrInterface>(mask).buildKeyRange(
        builder, loc, firstQuery, lastQuery, n, m);
    range = range.first ? std::pair(math.max(range.first, next.first),
                                    math.min(range.second, next.second))
                        : next;
  }
  return range;
}

Value AllOfAttr::buildAllowed(OpBuilder &builder, Location loc, Value i,
                              Value j, Value n, Value m) const {
  Value allowed;
  for (Attribute mask : getMasks()) {
    Value next =
        cast<MaskAttrInterface>(mask).buildAllowed(builder, loc, i, j, n, m);
    allowed = allowed ? builder.createOrFold<arith::AndIOp>(loc, allowed, next)
                      : next;
  }
  return allowed;
}

bool AllOfAttr::isContiguous() const {
  return llvm::all_of(getMasks(), [](Attribute mask) {
    return cast<MaskAttrInterface>(mask).isContiguous();
  });
}

std::optional<int64_t> AllOfAttr::getMaxSpan() const {
  std::optional<int64_t> span;
  for (Attribute mask : getMasks())
    if (auto next = cast<MaskAttrInterface>(mask).getMaxSpan())
      span = span ? std::min(*span, *next) : *next;
  return span;
}

//===----------------------------------------------------------------------===//
// any_of
//===----------------------------------------------------------------------===//

LogicalResult AnyOfAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                ArrayRef<Attribute> masks) {
  return verifyMaskList(emitError, masks);
}

bool AnyOfAttr::allows(int64_t i, int64_t j, int64_t n, int64_t m) const {
  return llvm::any_of(getMasks(), [&](Attribute mask) {
    return cast<MaskAttrInterface>(mask).allows(i, j, n, m);
  });
}

std::pair<Value, Value> AnyOfAttr::buildKeyRange(OpBuilder &builder,
                                                 Location loc, Value firstQuery,
                                                 Value lastQuery, Value n,
                                                 Value m) const {
  IndexMath math{builder, loc};
  std::pair<Value, Value> range;
  for (Attribute mask : getMasks()) {
    auto next = cast<MaskAttrInterface>(mask).buildKeyRange(
        builder, loc, firstQuery, lastQuery, n, m);
    range = range.first ? std::pair(math.min(range.first, next.first),
                                    math.max(range.second, next.second))
                        : next;
  }
  return range;
}

Value AnyOfAttr::buildAllowed(OpBuilder &builder, Location loc, Value i,
                              Value j, Value n, Value m) const {
  Value allowed;
  for (Attribute mask : getMasks()) {
    Value next =
        cast<MaskAttrInterface>(mask).buildAllowed(builder, loc, i, j, n, m);
    allowed =
        allowed ? builder.createOrFold<arith::OrIOp>(loc, allowed, next) : next;
  }
  return allowed;
}

bool AnyOfAttr::isContiguous() const {
  return getMasks().size() == 1 &&
         cast<MaskAttrInterface>(getMasks().front()).isContiguous();
}

// The hull of several windows depends on n and m when their alignments differ,
// so no span is promised.
std::optional<int64_t> AnyOfAttr::getMaxSpan() const {
  return getMasks().size() == 1
             ? cast<MaskAttrInterface>(getMasks().front()).getMaxSpan()
             : std::nullopt;
}
