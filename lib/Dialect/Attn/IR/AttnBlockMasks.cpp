//===- AttnBlockMasks.cpp - masks by blocks of positions ------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The two key sources of causal low-rank attention: the query's own block, and
// the slots of the blocks before it. Both are one range of keys for a query.
//
//===----------------------------------------------------------------------===//

#include "MaskMath.h"

using namespace mlir;
using namespace mlir::attn;

static LogicalResult verifySize(function_ref<InFlightDiagnostic()> emitError,
                                int64_t size) {
  constexpr int64_t most = int64_t(1) << 40;
  if (size < 1 || size > most)
    return emitError() << "expected a size in [1, 2^40] (C1), got " << size;
  return success();
}

/// Which block a position lies in, times `factor`.
static Value blockOf(MaskMath &math, Value position, int64_t size,
                     int64_t factor) {
  Value block =
      math.b.createOrFold<arith::DivUIOp>(math.loc, position, math.index(size));
  return math.mul(block, math.index(factor));
}

//===----------------------------------------------------------------------===//
// own_block
//===----------------------------------------------------------------------===//

LogicalResult OwnBlockAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                   int64_t size) {
  return verifySize(emitError, size);
}

bool OwnBlockAttr::allows(int64_t, int64_t i, int64_t j, int64_t,
                          int64_t) const {
  return i / getSize() == j / getSize();
}

SmallVector<KeyRange> OwnBlockAttr::buildKeyRanges(OpBuilder &builder,
                                                   Location loc,
                                                   const MaskScope &scope,
                                                   Value firstQuery,
                                                   Value lastQuery) const {
  MaskMath math{builder, loc};
  Value begin = blockOf(math, firstQuery, getSize(), getSize());
  Value end = math.add(blockOf(math, lastQuery, getSize(), getSize()),
                       math.index(getSize()));
  return {math.clamp(begin, end, scope, *this)};
}

Value OwnBlockAttr::buildAllowed(OpBuilder &builder, Location loc,
                                 const MaskScope &, Value i, Value j) const {
  MaskMath math{builder, loc};
  Value begin = blockOf(math, i, getSize(), getSize());
  return math.isWithin(j, begin, math.add(begin, math.index(getSize())));
}

bool OwnBlockAttr::isContiguous() const { return true; }

std::optional<int64_t> OwnBlockAttr::getMaxSpan() const { return getSize(); }

//===----------------------------------------------------------------------===//
// finished_blocks
//===----------------------------------------------------------------------===//

LogicalResult
FinishedBlocksAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                           int64_t size, int64_t slots) {
  constexpr int64_t most = int64_t(1) << 20;
  if (slots < 1 || slots > most)
    return emitError() << "expected slots in [1, 2^20] (C2), got " << slots;
  return verifySize(emitError, size);
}

bool FinishedBlocksAttr::allows(int64_t, int64_t i, int64_t j, int64_t,
                                int64_t) const {
  return j < i / getSize() * getSlots();
}

SmallVector<KeyRange>
FinishedBlocksAttr::buildKeyRanges(OpBuilder &builder, Location loc,
                                   const MaskScope &scope, Value,
                                   Value lastQuery) const {
  MaskMath math{builder, loc};
  Value end = blockOf(math, lastQuery, getSize(), getSlots());
  return {math.clamp(math.index(0), end, scope, *this)};
}

Value FinishedBlocksAttr::buildAllowed(OpBuilder &builder, Location loc,
                                       const MaskScope &, Value i,
                                       Value j) const {
  MaskMath math{builder, loc};
  return math.less(j,
                   math.matchShape(blockOf(math, i, getSize(), getSlots()), j));
}

bool FinishedBlocksAttr::isContiguous() const { return true; }

std::optional<int64_t> FinishedBlocksAttr::getMaxSpan() const {
  return std::nullopt;
}

MaskAttrInterface mlir::attn::getOwnCausalMask(MLIRContext *context,
                                               int64_t size) {
  Attribute masks[] = {CausalAttr::get(context, Alignment::TopLeft),
                       OwnBlockAttr::get(context, size)};
  return cast<MaskAttrInterface>(
      Attribute(AllOfAttr::get(context, ArrayRef(masks))));
}
