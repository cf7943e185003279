//===- AttnGlobalMasks.cpp - global tokens and chunks ---------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Global tokens are a few runs of positions: as keys each run is a range that
// needs no comparison, as queries it is a range of rows of its own. Chunks are
// windows whose ends keep to multiples.
//
//===----------------------------------------------------------------------===//

#include "MaskMath.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
/// Beyond so many runs of tokens their comparison is better than as many loops.
constexpr size_t kMaxRuns = 4;

Value isInRuns(MaskMath &math, GlobalAttr global, Value position) {
  Value found;
  for (auto [begin, end] : global.getRuns()) {
    Value within = math.isWithin(position, math.index(begin), math.index(end));
    found = found ? math.either(found, within) : within;
  }
  return found;
}
} // namespace

ParseResult mlir::attn::parseTokenRanges(AsmParser &parser,
                                         SmallVector<int64_t> &bounds) {
  auto one = [&]() -> ParseResult {
    int64_t begin, end;
    if (parser.parseInteger(begin))
      return failure();
    end = begin + 1;
    if (succeeded(parser.parseOptionalKeyword("to")) &&
        parser.parseInteger(end))
      return failure();
    if (!bounds.empty() && bounds.back() == begin) {
      bounds.back() = end;
      return success();
    }
    bounds.append({begin, end});
    return success();
  };
  return parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, one);
}

void mlir::attn::printTokenRanges(AsmPrinter &printer,
                                  ArrayRef<int64_t> bounds) {
  printer << "[";
  for (size_t i = 0; i + 1 < bounds.size(); i += 2) {
    printer << (i ? ", " : "") << bounds[i];
    if (bounds[i + 1] != bounds[i] + 1)
      printer << " to " << bounds[i + 1];
  }
  printer << "]";
}

//===----------------------------------------------------------------------===//
// global
//===----------------------------------------------------------------------===//

LogicalResult GlobalAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 ArrayRef<int64_t> bounds, GlobalSide,
                                 Alignment) {
  if (bounds.empty() || bounds.size() % 2 != 0)
    return emitError() << "expected at least one token (C1), got none";
  int64_t last = 0;
  for (size_t i = 0; i < bounds.size(); i += 2) {
    if (bounds[i] < last || bounds[i + 1] <= bounds[i])
      return emitError()
             << "expected ascending, distinct tokens from 0 on (C1), got "
             << bounds[i] << " to " << bounds[i + 1] << " after " << last;
    last = bounds[i + 1];
  }
  return success();
}

SmallVector<std::pair<int64_t, int64_t>> GlobalAttr::getRuns() const {
  SmallVector<std::pair<int64_t, int64_t>> runs;
  for (size_t i = 0; i < getBounds().size(); i += 2)
    runs.emplace_back(getBounds()[i], getBounds()[i + 1]);
  return runs;
}

bool GlobalAttr::contains(int64_t token) const {
  return llvm::any_of(getRuns(), [&](std::pair<int64_t, int64_t> run) {
    return run.first <= token && token < run.second;
  });
}

GlobalAttr GlobalAttr::onSide(GlobalSide side) const {
  return get(getContext(), getBounds(), side, getAlignment());
}

LogicalResult
GlobalAttr::verifyFor(function_ref<InFlightDiagnostic()> emitError, int64_t,
                      int64_t, int64_t m) const {
  if (ShapedType::isDynamic(m) || getMinKeys() <= m)
    return success();
  return emitError() << "expected global tokens below " << m
                     << ", the number of keys (C2), got " << getMinKeys() - 1;
}

int64_t GlobalAttr::getMinKeys() const { return getBounds().back(); }

bool GlobalAttr::allows(int64_t, int64_t i, int64_t j, int64_t n,
                        int64_t m) const {
  bool asKey = getSide() != GlobalSide::Queries && contains(j);
  return asKey || (getSide() != GlobalSide::Keys &&
                   contains(i + diagonalOffset(getAlignment(), n, m)));
}

SmallVector<KeyRange> GlobalAttr::buildKeyRanges(OpBuilder &builder,
                                                 Location loc,
                                                 const MaskScope &scope,
                                                 Value firstQuery,
                                                 Value lastQuery) const {
  MaskMath math{builder, loc};
  if (getSide() == GlobalSide::Both) {
    Attribute sides[] = {onSide(GlobalSide::Keys), onSide(GlobalSide::Queries)};
    return AnyOfAttr::get(getContext(), sides)
        .buildKeyRanges(builder, loc, scope, firstQuery, lastQuery);
  }
  SmallVector<std::pair<int64_t, int64_t>> runs = getRuns();
  if (getSide() == GlobalSide::Keys) {
    SmallVector<KeyRange> ranges;
    for (auto [begin, end] : runs) {
      ranges.push_back(
          math.clamp(math.index(begin), math.index(end), scope, Attribute()));
      ranges.back().length = end - begin;
    }
    if (runs.size() <= kMaxRuns)
      return ranges;
    KeyRange all = hull(math, ranges, scope);
    all.mask = *this;
    return {all};
  }
  // All keys if some row of the range is global.
  Value first = math.diagonal(getAlignment(), firstQuery, scope),
        last = math.diagonal(getAlignment(), lastQuery, scope), found;
  for (auto [begin, end] : runs) {
    Value meets = math.both(math.less(first, math.index(end)),
                            math.lessOrEqual(math.index(begin), last));
    found = found ? math.either(found, meets) : meets;
  }
  Value zero = math.index(0);
  return {{zero, math.select(found, scope.numKeys, zero), *this, std::nullopt}};
}

/// Rows of a few runs are ranges of their own.
SmallVector<QueryRange>
GlobalAttr::buildQueryRanges(OpBuilder &builder, Location loc,
                             const MaskScope &scope) const {
  SmallVector<std::pair<int64_t, int64_t>> runs = getRuns();
  if (getSide() == GlobalSide::Keys || runs.size() > kMaxRuns)
    return getAllQueries(builder, loc, scope, *this);
  MaskMath math{builder, loc};
  QueryRange others;
  others.seesNothing = getSide() == GlobalSide::Queries;
  if (!others.seesNothing)
    others.mask = onSide(GlobalSide::Keys);
  // Positions of queries are those of their diagonal less the offset.
  Value offset = math.sub(math.diagonal(getAlignment(), math.index(0), scope),
                          math.index(0));
  auto toQuery = [&](int64_t token) -> Value {
    if (token == 0 && getAlignment() == Alignment::TopLeft)
      return math.index(0);
    Value query = math.sub(math.index(token), offset);
    return math.max(math.index(0), math.min(query, scope.numQueries));
  };
  SmallVector<QueryRange> pieces;
  auto add = [&](Value begin, Value end, const QueryRange &like) {
    pieces.push_back({begin, end, like.mask, like.seesNothing});
  };
  Value last = math.index(0);
  for (auto [begin, end] : runs) {
    Value from = toQuery(begin), to = toQuery(end);
    if (getConstantIntValue(last) != getConstantIntValue(from) ||
        !getConstantIntValue(last))
      add(last, from, others);
    add(from, to, QueryRange());
    last = to;
  }
  add(last, scope.numQueries, others);
  return pieces;
}

Value GlobalAttr::buildAllowed(OpBuilder &builder, Location loc,
                               const MaskScope &scope, Value i, Value j) const {
  MaskMath math{builder, loc};
  Value allowed;
  if (getSide() != GlobalSide::Queries)
    allowed = isInRuns(math, *this, j);
  if (getSide() == GlobalSide::Keys)
    return allowed;
  Value asQuery = math.matchShape(
      isInRuns(math, *this, math.diagonal(getAlignment(), i, scope)), j);
  return allowed ? math.either(allowed, asQuery) : asQuery;
}

bool GlobalAttr::isContiguous() const {
  return getSide() == GlobalSide::Queries ||
         (getSide() == GlobalSide::Keys && getRuns().size() == 1);
}

std::optional<int64_t> GlobalAttr::getMaxSpan() const {
  if (getSide() != GlobalSide::Keys)
    return std::nullopt;
  return getBounds().back() - getBounds().front();
}

//===----------------------------------------------------------------------===//
// local_chunks
//===----------------------------------------------------------------------===//

LogicalResult
LocalChunksAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                        int64_t chunk, int64_t lookBack, int64_t lookAhead,
                        Alignment) {
  constexpr int64_t maxChunk = int64_t(1) << 40, maxLook = int64_t(1) << 20;
  if (chunk < 1 || chunk > maxChunk)
    return emitError() << "expected a chunk in [1, 2^40] (C1), got " << chunk;
  if (lookBack < 0 || lookBack > maxLook || lookAhead < 0 ||
      lookAhead > maxLook)
    return emitError()
           << "expected look_back and look_ahead in [0, 2^20] (C2), got "
           << lookBack << " and " << lookAhead;
  return success();
}

LogicalResult
LocalChunksAttr::verifyFor(function_ref<InFlightDiagnostic()> emitError,
                           int64_t, int64_t, int64_t m) const {
  if (ShapedType::isDynamic(m) || getChunk() <= m)
    return success();
  return emitError() << "expected a chunk of at most " << m
                     << ", the number of keys (C3), got " << getChunk();
}

bool LocalChunksAttr::allows(int64_t, int64_t i, int64_t j, int64_t n,
                             int64_t m) const {
  int64_t position = i + diagonalOffset(getAlignment(), n, m);
  int64_t own = llvm::divideFloorSigned(position, getChunk());
  int64_t distance = j / getChunk() - own;
  return distance >= -getLookBack() && distance <= getLookAhead();
}

SmallVector<KeyRange> LocalChunksAttr::buildKeyRanges(OpBuilder &builder,
                                                      Location loc,
                                                      const MaskScope &scope,
                                                      Value firstQuery,
                                                      Value lastQuery) const {
  MaskMath math{builder, loc};
  auto chunkOf = [&](Value query) {
    return math.floorDiv(math.diagonal(getAlignment(), query, scope),
                         getChunk());
  };
  Value size = math.index(getChunk());
  Value first = math.sub(chunkOf(firstQuery), math.index(getLookBack()));
  Value end = math.add(chunkOf(lastQuery), math.index(getLookAhead() + 1));
  return {math.clamp(math.mul(first, size), math.mul(end, size), scope, *this)};
}

Value LocalChunksAttr::buildAllowed(OpBuilder &builder, Location loc,
                                    const MaskScope &scope, Value i,
                                    Value j) const {
  MaskMath math{builder, loc};
  KeyRange range = buildKeyRanges(builder, loc, scope, i, i).front();
  return math.isWithin(j, range.begin, range.end);
}

bool LocalChunksAttr::isContiguous() const { return true; }

std::optional<int64_t> LocalChunksAttr::getMaxSpan() const {
  // Neither the first query need be at the begin of its chunk nor the last at
  // the end.
  return (getLookBack() + getLookAhead() + 2) * getChunk() - 1;
}
