//===- AttnMasks.cpp - what masks allow -----------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifiers of the mask attributes, their meaning, and the index arithmetic
// that lowerings build from them. Masks made of others are in
// AttnMaskLists.cpp.
//
//===----------------------------------------------------------------------===//

#include "MaskMath.h"

using namespace mlir;
using namespace mlir::attn;

ParseResult mlir::attn::parseIntegers(AsmParser &parser,
                                      SmallVector<int64_t> &integers) {
  auto one = [&] { return parser.parseInteger(integers.emplace_back()); };
  if (failed(parser.parseOptionalLSquare()))
    return one();
  return failure(parser.parseCommaSeparatedList(one) || parser.parseRSquare());
}

void mlir::attn::printIntegers(AsmPrinter &printer,
                               ArrayRef<int64_t> integers) {
  if (integers.size() == 1) {
    printer << integers.front();
    return;
  }
  printer << "[";
  llvm::interleaveComma(integers, printer);
  printer << "]";
}

SmallVector<QueryRange> mlir::attn::getAllQueries(OpBuilder &builder,
                                                  Location loc,
                                                  const MaskScope &scope,
                                                  Attribute mask) {
  MaskMath math{builder, loc};
  return {{math.index(0), scope.numQueries, mask}};
}

KeyRange mlir::attn::hull(MaskMath &math, ArrayRef<KeyRange> ranges,
                          const MaskScope &scope) {
  if (ranges.size() == 1)
    return {ranges.front().begin, ranges.front().end, Attribute(),
            ranges.front().length};
  KeyRange all{scope.numKeys, math.index(0), Attribute(), std::nullopt};
  for (const KeyRange &range : ranges) {
    Value isThere = math.less(range.begin, range.end);
    all.begin =
        math.select(isThere, math.min(all.begin, range.begin), all.begin);
    all.end = math.select(isThere, math.max(all.end, range.end), all.end);
  }
  return all;
}

std::pair<Value, Value> MaskAttrInterface::buildKeyHull(OpBuilder &builder,
                                                        Location loc,
                                                        const MaskScope &scope,
                                                        Value firstQuery,
                                                        Value lastQuery) const {
  MaskMath math{builder, loc};
  KeyRange all = hull(
      math, buildKeyRanges(builder, loc, scope, firstQuery, lastQuery), scope);
  return {all.begin, all.end};
}

//===----------------------------------------------------------------------===//
// causal
//===----------------------------------------------------------------------===//

bool CausalAttr::allows(int64_t, int64_t i, int64_t j, int64_t n,
                        int64_t m) const {
  return j <= i + diagonalOffset(getAlignment(), n, m);
}

SmallVector<KeyRange> CausalAttr::buildKeyRanges(OpBuilder &builder,
                                                 Location loc,
                                                 const MaskScope &scope, Value,
                                                 Value lastQuery) const {
  MaskMath math{builder, loc};
  Value end =
      math.add(math.diagonal(getAlignment(), lastQuery, scope), math.index(1));
  return {math.clamp(math.index(0), end, scope, *this)};
}

Value CausalAttr::buildAllowed(OpBuilder &builder, Location loc,
                               const MaskScope &scope, Value i, Value j) const {
  MaskMath math{builder, loc};
  return math.lessOrEqual(
      j, math.matchShape(math.diagonal(getAlignment(), i, scope), j));
}

bool CausalAttr::isContiguous() const { return true; }

std::optional<int64_t> CausalAttr::getMaxSpan() const { return std::nullopt; }

//===----------------------------------------------------------------------===//
// window
//===----------------------------------------------------------------------===//

WindowAttr WindowAttr::get(MLIRContext *context, int64_t before, int64_t after,
                           int64_t dilation, Alignment alignment) {
  return get(context, before, after, ArrayRef<int64_t>(dilation), alignment);
}

LogicalResult WindowAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 int64_t before, int64_t after,
                                 ArrayRef<int64_t> dilation, Alignment) {
  constexpr int64_t maxSide = int64_t(1) << 40, maxDilation = int64_t(1) << 20;
  if (before < 0 || before > maxSide || after < 0 || after > maxSide)
    return emitError() << "expected before and after in [0, 2^40] (C1), got "
                       << before << " and " << after;
  if (dilation.empty())
    return emitError() << "expected a dilation (C2), got an empty list";
  for (int64_t one : dilation)
    if (one < 1 || one > maxDilation)
      return emitError() << "expected a dilation in [1, 2^20] (C2), got "
                         << one;
  return success();
}

bool WindowAttr::dependsOnHead() const {
  return !llvm::all_equal(getDilation());
}

LogicalResult
WindowAttr::verifyFor(function_ref<InFlightDiagnostic()> emitError,
                      int64_t heads, int64_t, int64_t) const {
  int64_t size = getDilation().size();
  if (size == 1 || ShapedType::isDynamic(heads) || size == heads)
    return success();
  return emitError() << "expected a dilation for each of " << heads
                     << " heads (C3), got " << size;
}

int64_t WindowAttr::getDilationOf(int64_t head) const {
  return getDilation()[std::min<int64_t>(head, getDilation().size() - 1)];
}

bool WindowAttr::allows(int64_t h, int64_t i, int64_t j, int64_t n,
                        int64_t m) const {
  int64_t distance = j - (i + diagonalOffset(getAlignment(), n, m)),
          dilation = getDilationOf(h);
  return distance % dilation == 0 && distance >= -getBefore() * dilation &&
         distance <= getAfter() * dilation;
}

SmallVector<KeyRange> WindowAttr::buildKeyRanges(OpBuilder &builder,
                                                 Location loc,
                                                 const MaskScope &scope,
                                                 Value firstQuery,
                                                 Value lastQuery) const {
  MaskMath math{builder, loc};
  Value dilation = math.element(getDilation(), scope.head);
  Value first = math.sub(math.diagonal(getAlignment(), firstQuery, scope),
                         math.mul(math.index(getBefore()), dilation));
  Value end = math.add(
      math.diagonal(getAlignment(), lastQuery, scope),
      math.add(math.mul(math.index(getAfter()), dilation), math.index(1)));
  return {math.clamp(first, end, scope, *this)};
}

Value WindowAttr::buildAllowed(OpBuilder &builder, Location loc,
                               const MaskScope &scope, Value i, Value j) const {
  MaskMath math{builder, loc};
  Value dilation = math.element(getDilation(), scope.head);
  Value distance =
      math.sub(j, math.matchShape(math.diagonal(getAlignment(), i, scope), j));
  Value low = math.mul(math.index(-getBefore()), dilation),
        high = math.mul(math.index(getAfter()), dilation);
  Value allowed =
      math.both(math.lessOrEqual(math.matchShape(low, j), distance),
                math.lessOrEqual(distance, math.matchShape(high, j)));
  if (isContiguous())
    return allowed;
  Value rest = builder.createOrFold<arith::RemSIOp>(
      loc, distance, math.matchShape(dilation, j));
  return math.both(allowed, math.compare(arith::CmpIPredicate::eq, rest,
                                         math.matchShape(math.index(0), j)));
}

bool WindowAttr::isContiguous() const {
  return llvm::all_of(getDilation(), [](int64_t one) { return one == 1; });
}

std::optional<int64_t> WindowAttr::getMaxSpan() const {
  return (getBefore() + getAfter()) * *llvm::max_element(getDilation()) + 1;
}
