//===- AttnMaskLists.cpp - masks made of other masks ----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// all_of and any_of. Their key ranges are intersections and unions of those of
// their elements, each with the mask that is left to check in it, so that a
// union of a window and of keys that all may see costs no comparison.
//
//===----------------------------------------------------------------------===//

#include "MaskMath.h"

#include <numeric>

using namespace mlir;
using namespace mlir::attn;

namespace {
/// Beyond so many ranges of a query tile one hull is better than as many loops.
constexpr size_t kMaxRanges = 8;

LogicalResult verifyMaskList(function_ref<InFlightDiagnostic()> emitError,
                             ArrayRef<Attribute> masks) {
  if (masks.empty())
    return emitError() << "expected at least one mask (C2), got an empty list";
  for (Attribute mask : masks)
    if (!isa<MaskAttrInterface>(mask))
      return emitError() << "expected a mask (C1), got " << mask;
  return success();
}

/// The elements of a list as masks.
auto elements(ArrayRef<Attribute> masks) {
  return llvm::map_range(
      masks, [](Attribute mask) { return cast<MaskAttrInterface>(mask); });
}

bool anyDependsOnHead(ArrayRef<Attribute> masks) {
  return llvm::any_of(elements(masks), [](MaskAttrInterface mask) {
    return mask.dependsOnHead();
  });
}

LogicalResult verifyAllFor(ArrayRef<Attribute> masks,
                           function_ref<InFlightDiagnostic()> emitError,
                           int64_t heads, int64_t n, int64_t m) {
  for (MaskAttrInterface mask : elements(masks))
    if (failed(mask.verifyFor(emitError, heads, n, m)))
      return failure();
  return success();
}

/// The predicates of all elements, joined by `OpTy`.
template <typename OpTy>
Value foldAllowed(ArrayRef<Attribute> masks, OpBuilder &builder, Location loc,
                  const MaskScope &scope, Value i, Value j) {
  Value allowed;
  for (MaskAttrInterface mask : elements(masks)) {
    Value next = mask.buildAllowed(builder, loc, scope, i, j);
    allowed = allowed ? builder.createOrFold<OpTy>(loc, allowed, next) : next;
  }
  return allowed;
}

/// One mask, or a list of them; null if there is none.
template <typename ListAttr>
Attribute joinMasks(MLIRContext *context, ArrayRef<Attribute> masks) {
  SmallVector<Attribute> joined;
  for (Attribute mask : masks)
    if (mask && !llvm::is_contained(joined, mask))
      joined.push_back(mask);
  if (joined.size() <= 1)
    return joined.empty() ? Attribute() : joined.front();
  return ListAttr::get(context, joined);
}

int64_t maxOfMinKeys(ArrayRef<Attribute> masks) {
  int64_t most = 0;
  for (MaskAttrInterface mask : elements(masks))
    most = std::max(most, mask.getMinKeys());
  return most;
}

/// The greatest common divisor of the elements' blocks.
int64_t commonBlock(ArrayRef<Attribute> masks) {
  int64_t block = 0;
  for (MaskAttrInterface mask : elements(masks))
    block = std::gcd(block, mask.getQueryBlock());
  return block;
}

/// The common refinement of the elements' partitions; `join` says what two
/// masks come down to where they meet.
SmallVector<QueryRange> refineQueries(
    ArrayRef<Attribute> masks, OpBuilder &builder, Location loc,
    const MaskScope &scope,
    function_ref<QueryRange(const QueryRange &, const QueryRange &)> join) {
  MaskMath math{builder, loc};
  SmallVector<QueryRange> pieces;
  for (MaskAttrInterface mask : elements(masks)) {
    SmallVector<QueryRange> next = mask.buildQueryRanges(builder, loc, scope);
    if (pieces.empty()) {
      pieces = next;
      continue;
    }
    SmallVector<QueryRange> product;
    for (const QueryRange &a : pieces)
      for (const QueryRange &b : next) {
        QueryRange both = join(a, b);
        both.begin = math.max(a.begin, b.begin);
        both.end = math.min(a.end, b.end);
        std::optional<int64_t> begin = getConstantIntValue(both.begin),
                               end = getConstantIntValue(both.end);
        if (!begin || !end || *begin < *end)
          product.push_back(both);
      }
    pieces = product;
  }
  return pieces;
}

std::optional<int64_t> smaller(std::optional<int64_t> a,
                               std::optional<int64_t> b) {
  return a && b ? std::min(*a, *b) : a ? a : b;
}

/// Whether constants say that a range is empty.
bool isEmpty(const KeyRange &range) {
  std::optional<int64_t> begin = getConstantIntValue(range.begin),
                         end = getConstantIntValue(range.end);
  return begin && end && *begin >= *end;
}

/// Drops what constants say is empty, but for one range if that is all.
void dropEmpty(SmallVectorImpl<KeyRange> &ranges) {
  KeyRange first = ranges.front();
  llvm::erase_if(ranges, isEmpty);
  if (ranges.empty())
    ranges.push_back(first);
}

/// `ranges` without the keys of `cut`: what lies before it and what after.
SmallVector<KeyRange> subtract(MaskMath &math, ArrayRef<KeyRange> ranges,
                               const KeyRange &cut) {
  SmallVector<KeyRange> left;
  // An empty cut must not make the two parts meet.
  Value cutEnd = math.max(cut.begin, cut.end);
  for (const KeyRange &range : ranges) {
    if (!isConstantIntValue(cut.begin, 0))
      left.push_back({range.begin, math.min(range.end, cut.begin), range.mask,
                      range.length});
    left.push_back(
        {math.max(range.begin, cutEnd), range.end, range.mask, range.length});
  }
  llvm::erase_if(left, isEmpty);
  return left;
}
} // namespace

//===----------------------------------------------------------------------===//
// all_of
//===----------------------------------------------------------------------===//

LogicalResult AllOfAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                ArrayRef<Attribute> masks) {
  return verifyMaskList(emitError, masks);
}

bool AllOfAttr::allows(int64_t h, int64_t i, int64_t j, int64_t n,
                       int64_t m) const {
  return llvm::all_of(elements(getMasks()), [&](MaskAttrInterface mask) {
    return mask.allows(h, i, j, n, m);
  });
}

SmallVector<KeyRange> AllOfAttr::buildKeyRanges(OpBuilder &builder,
                                                Location loc,
                                                const MaskScope &scope,
                                                Value firstQuery,
                                                Value lastQuery) const {
  MaskMath math{builder, loc};
  SmallVector<KeyRange> ranges{
      {math.index(0), scope.numKeys, Attribute(), std::nullopt}};
  bool isFirst = true;
  for (MaskAttrInterface mask : elements(getMasks())) {
    SmallVector<KeyRange> next =
        mask.buildKeyRanges(builder, loc, scope, firstQuery, lastQuery);
    if (std::exchange(isFirst, false)) {
      ranges = next;
      continue;
    }
    SmallVector<KeyRange> product;
    for (const KeyRange &a : ranges)
      for (const KeyRange &b : next)
        product.push_back({math.max(a.begin, b.begin), math.min(a.end, b.end),
                           joinMasks<AllOfAttr>(getContext(), {a.mask, b.mask}),
                           smaller(a.length, b.length)});
    dropEmpty(product);
    ranges = product;
  }
  return ranges;
}

Value AllOfAttr::buildAllowed(OpBuilder &builder, Location loc,
                              const MaskScope &scope, Value i, Value j) const {
  return foldAllowed<arith::AndIOp>(getMasks(), builder, loc, scope, i, j);
}

bool AllOfAttr::isContiguous() const {
  return llvm::all_of(elements(getMasks()), [](MaskAttrInterface mask) {
    return mask.isContiguous();
  });
}

std::optional<int64_t> AllOfAttr::getMaxSpan() const {
  std::optional<int64_t> span;
  for (MaskAttrInterface mask : elements(getMasks()))
    span = smaller(span, mask.getMaxSpan());
  return span;
}

SmallVector<QueryRange>
AllOfAttr::buildQueryRanges(OpBuilder &builder, Location loc,
                            const MaskScope &scope) const {
  return refineQueries(getMasks(), builder, loc, scope,
                       [&](const QueryRange &a, const QueryRange &b) {
                         QueryRange both;
                         both.seesNothing = a.seesNothing || b.seesNothing;
                         both.mask = joinMasks<AllOfAttr>(getContext(),
                                                          {a.mask, b.mask});
                         return both;
                       });
}

int64_t AllOfAttr::getMinKeys() const { return maxOfMinKeys(getMasks()); }

int64_t AllOfAttr::getQueryBlock() const { return commonBlock(getMasks()); }

bool AllOfAttr::dependsOnHead() const { return anyDependsOnHead(getMasks()); }

LogicalResult AllOfAttr::verifyFor(function_ref<InFlightDiagnostic()> emitError,
                                   int64_t heads, int64_t n, int64_t m) const {
  return verifyAllFor(getMasks(), emitError, heads, n, m);
}

//===----------------------------------------------------------------------===//
// any_of
//===----------------------------------------------------------------------===//

LogicalResult AnyOfAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                ArrayRef<Attribute> masks) {
  return verifyMaskList(emitError, masks);
}

bool AnyOfAttr::allows(int64_t h, int64_t i, int64_t j, int64_t n,
                       int64_t m) const {
  return llvm::any_of(elements(getMasks()), [&](MaskAttrInterface mask) {
    return mask.allows(h, i, j, n, m);
  });
}

/// Ranges without a mask come first; the others lose what is in them. Where two
/// elements leave ranges with masks, which may overlap, these become one hull.
SmallVector<KeyRange> AnyOfAttr::buildKeyRanges(OpBuilder &builder,
                                                Location loc,
                                                const MaskScope &scope,
                                                Value firstQuery,
                                                Value lastQuery) const {
  MaskMath math{builder, loc};
  SmallVector<KeyRange> whole, masked;
  SmallVector<Attribute> maskedElements;
  for (MaskAttrInterface mask : elements(getMasks())) {
    SmallVector<KeyRange> next =
        mask.buildKeyRanges(builder, loc, scope, firstQuery, lastQuery);
    for (const KeyRange &range : next)
      (range.mask ? masked : whole).push_back(range);
    if (llvm::any_of(next, [](const KeyRange &r) { return bool(r.mask); }))
      maskedElements.push_back(mask);
  }
  if (maskedElements.size() > 1) {
    KeyRange all = hull(math, masked, scope);
    all.mask = joinMasks<AnyOfAttr>(getContext(), maskedElements);
    masked = {all};
  }
  SmallVector<KeyRange> ranges;
  for (const KeyRange &range : whole) {
    SmallVector<KeyRange> own{range};
    for (const KeyRange &other : ranges)
      own = subtract(math, own, other);
    masked = subtract(math, masked, range);
    llvm::append_range(ranges, own);
  }
  llvm::append_range(ranges, masked);
  if (ranges.empty())
    return {{math.index(0), math.index(0), Attribute(), 0}};
  if (ranges.size() <= kMaxRanges)
    return ranges;
  KeyRange all = hull(math, ranges, scope);
  all.mask = *this;
  return {all};
}

Value AnyOfAttr::buildAllowed(OpBuilder &builder, Location loc,
                              const MaskScope &scope, Value i, Value j) const {
  return foldAllowed<arith::OrIOp>(getMasks(), builder, loc, scope, i, j);
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

SmallVector<QueryRange>
AnyOfAttr::buildQueryRanges(OpBuilder &builder, Location loc,
                            const MaskScope &scope) const {
  return refineQueries(
      getMasks(), builder, loc, scope,
      [&](const QueryRange &a, const QueryRange &b) -> QueryRange {
        if (a.seesNothing || b.seesNothing)
          return a.seesNothing ? b : a;
        if (!a.mask || !b.mask)
          return {};
        return {Value(), Value(),
                joinMasks<AnyOfAttr>(getContext(), {a.mask, b.mask})};
      });
}

int64_t AnyOfAttr::getMinKeys() const { return maxOfMinKeys(getMasks()); }

int64_t AnyOfAttr::getQueryBlock() const { return commonBlock(getMasks()); }

bool AnyOfAttr::dependsOnHead() const { return anyDependsOnHead(getMasks()); }

LogicalResult AnyOfAttr::verifyFor(function_ref<InFlightDiagnostic()> emitError,
                                   int64_t heads, int64_t n, int64_t m) const {
  return verifyAllFor(getMasks(), emitError, heads, n, m);
}
