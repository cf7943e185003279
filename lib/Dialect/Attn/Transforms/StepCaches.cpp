//===- StepCaches.cpp - what holds keys and values between steps ----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Part of the pass attn-build-steps. A cache has the dimensions b, h, j, d of
// its operand in this order, so that the keys of a head are one stretch of
// memory. Steps write their rows in place and then read what is there.
//
//===----------------------------------------------------------------------===//

#include "StepBuilder.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;

using Predicate = arith::CmpIPredicate;

Operation *StepBuilder::require(Value holds, const Twine &message) {
  return cf::AssertOp::create(b, loc, holds, message.str());
}

/// A step past the end is an error before anything has been written, and so is
/// an attention whose length is not that of the first.
void StepBuilder::checkLength(OpFoldResult count) {
  Value own = getValueOrCreateConstantIndexOp(b, loc, count);
  if (added) {
    if (own != added)
      require(arith::CmpIOp::create(b, loc, Predicate::eq, own, added),
              "expected as many new positions in every attention");
    return;
  }
  added = own;
  Value begins =
      arith::CmpIOp::create(b, loc, Predicate::sge, length, index(0));
  lastCheck = require(begins, "expected a length of at least 0");
  if (!hasFullCache)
    return;
  Value last = arith::SubIOp::create(b, loc, index(options.capacity), added);
  lastCheck =
      require(arith::CmpIOp::create(b, loc, Predicate::sle, length, last),
              "expected a step within the cache's capacity of " +
                  Twine(options.capacity) + " positions");
}

StepBuilder::Rows StepBuilder::arrange(AttentionOp op, OpOperand &operand,
                                       StringRef name) {
  AffineMap map = op.getMapOf(operand);
  auto type = cast<RankedTensorType>(operand.get().getType());
  // Positions of the operand's dimensions, in the order of the domain.
  SmallVector<std::pair<unsigned, unsigned>> order;
  for (auto [position, result] : llvm::enumerate(map.getResults()))
    order.push_back({AttentionOp::getDimOf(result), position});
  llvm::sort(order);
  unsigned rank = order.size();
  Rows rows;
  rows.name = name;
  SmallVector<AffineExpr> results, loops(rank);
  for (auto [at, one] : llvm::enumerate(order)) {
    auto [dim, position] = one;
    if (dim == AttentionOp::kKey)
      rows.along = at;
    rows.shape.push_back(type.getDimSize(position));
    results.push_back(map.getResult(position));
    loops[position] = b.getAffineDimExpr(at);
    rows.sizes.push_back(tensor::getMixedSize(b, loc, operand.get(), position));
  }
  rows.map = AffineMap::get(map.getNumDims(), 0, results, b.getContext());
  checkLength(rows.sizes[rows.along]);
  Value init =
      tensor::EmptyOp::create(b, loc, rows.sizes, type.getElementType());
  SmallVector<AffineMap> maps = {AffineMap::get(rank, 0, loops, b.getContext()),
                                 b.getMultiDimIdentityMap(rank)};
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  rows.tensor =
      linalg::GenericOp::create(
          b, loc, init.getType(), operand.get(), init, maps, iterators,
          [](OpBuilder &nested, Location l, ValueRange arguments) {
            linalg::YieldOp::create(nested, l, arguments[0]);
          })
          .getResult(0);
  return rows;
}

/// `count` positions of a tensor in the order of a cache.
Value StepBuilder::slice(const Rows &rows, Value whole, OpFoldResult first,
                         OpFoldResult count) {
  SmallVector<OpFoldResult> sizes(rows.sizes),
      offsets(sizes.size(), b.getIndexAttr(0)),
      strides(sizes.size(), b.getIndexAttr(1));
  offsets[rows.along] = first;
  sizes[rows.along] = count;
  return tensor::ExtractSliceOp::create(b, loc, whole, offsets, sizes, strides);
}

Value StepBuilder::insert(const Rows &rows, Value part, Value whole,
                          OpFoldResult first, OpFoldResult count) {
  SmallVector<OpFoldResult> sizes(rows.sizes),
      offsets(sizes.size(), b.getIndexAttr(0)),
      strides(sizes.size(), b.getIndexAttr(1));
  offsets[rows.along] = first;
  sizes[rows.along] = count;
  return tensor::InsertSliceOp::create(b, loc, part, whole, offsets, sizes,
                                       strides);
}

/// The rows behind those that a cache of all positions holds, and these.
Value StepBuilder::append(const Rows &rows) {
  SmallVector<int64_t> shape(rows.shape);
  shape[rows.along] = options.capacity;
  Value buffer = addBuffer(shape, getElementTypeOrSelf(rows.tensor),
                           Twine(rows.name) + "_cache" + Twine(number));
  Value whole =
      insert(rows, rows.tensor, open(buffer), length, rows.sizes[rows.along]);
  close(whole, buffer);
  Value all = arith::AddIOp::create(b, loc, length, added);
  return slice(rows, whole, b.getIndexAttr(0), all);
}

//===----------------------------------------------------------------------===//
// rings
//===----------------------------------------------------------------------===//

/// One position takes the slot of the one that it does not see any more; the
/// order of those that it sees does not matter.
Value StepBuilder::appendToRing(const Rows &rows, int64_t slots) {
  SmallVector<int64_t> shape(rows.shape);
  shape[rows.along] = slots;
  Value buffer = addBuffer(shape, getElementTypeOrSelf(rows.tensor),
                           Twine(rows.name) + "_ring" + Twine(number));
  Value slot = arith::RemUIOp::create(b, loc, length, index(slots));
  Value whole =
      insert(rows, rows.tensor, open(buffer), slot, rows.sizes[rows.along]);
  close(whole, buffer);
  Value all = arith::AddIOp::create(b, loc, length, added);
  Value seen = arith::MinUIOp::create(b, loc, all, index(slots));
  return slice(rows, whole, b.getIndexAttr(0), seen);
}

/// Attention over what rings hold, in its order, and the rows behind it; the
/// last of these go into the rings afterwards.
void StepBuilder::useRings(AttentionOp op, ArrayRef<Rows> rows, int64_t slots) {
  auto minimum = [&](Value x, Value y) -> Value {
    return arith::MinUIOp::create(b, loc, x, y);
  };
  auto minus = [&](Value x, Value y) -> Value {
    return arith::SubIOp::create(b, loc, x, y);
  };
  Value all = index(slots), zero = index(0), old = minimum(length, all);
  Value first = arith::RemUIOp::create(b, loc, minus(length, old), all);
  Value early = minimum(old, minus(all, first));
  SmallVector<Value> buffers, rings, parts[2], segments;
  for (const Rows &one : rows) {
    SmallVector<int64_t> shape(one.shape);
    shape[one.along] = slots;
    buffers.push_back(addBuffer(shape, getElementTypeOrSelf(one.tensor),
                                Twine(one.name) + "_ring" + Twine(number)));
    rings.push_back(open(buffers.back()));
    parts[0].push_back(slice(one, rings.back(), first, early));
    parts[1].push_back(slice(one, rings.back(), zero, minus(old, early)));
  }
  op.getKeyMutable().assign(parts[0][0]);
  op.getValueMutable().assign(parts[0][1]);
  llvm::append_range(segments, parts[1]);
  segments.append({rows[0].tensor, rows[1].tensor});
  op.getSegmentsMutable().assign(segments);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointAfter(op);
  Value kept = minimum(added, all), skipped = minus(added, kept);
  Value slot = arith::RemUIOp::create(
      b, loc, arith::AddIOp::create(b, loc, length, skipped), all);
  Value before = minimum(kept, minus(all, slot)), behind = minus(kept, before);
  Value next = arith::AddIOp::create(b, loc, skipped, before);
  for (auto [one, ring, buffer] : llvm::zip_equal(rows, rings, buffers)) {
    Value whole = insert(one, slice(one, one.tensor, skipped, before), ring,
                         slot, before);
    whole =
        insert(one, slice(one, one.tensor, next, behind), whole, zero, behind);
    close(whole, buffer);
  }
}

//===----------------------------------------------------------------------===//
// pages
//===----------------------------------------------------------------------===//

/// The argument that says where pages are, one for all attentions.
LogicalResult StepBuilder::addTable(const Rows &rows) {
  SmallVector<int64_t> shape{
      llvm::divideCeilSigned(options.capacity, options.pageSize)};
  if (rows.map.isFunctionOfDim(AttentionOp::kBatch))
    shape.insert(shape.begin(), rows.shape.front());
  auto type = RankedTensorType::get(shape, b.getI32Type());
  if (table && table.getType() != type)
    return step.emitError("expected one batch of all attentions with pages, "
                          "got tables ")
           << table.getType() << " and " << type;
  if (table)
    return success();
  unsigned position = cast<BlockArgument>(length).getArgNumber() + 1;
  auto attributes = b.getDictionaryAttr(
      b.getNamedAttr("attn.name", b.getStringAttr("pages")));
  (void)step.insertArgument(position, type, attributes, loc);
  table = step.getArgument(position);
  return success();
}

/// Where the rows of one page of one sequence come from and go to. A page that
/// is not of the pool gets none: what finds that out may come to know of it
/// only later.
StepBuilder::PagePlace StepBuilder::placePage(Value pool, Value batch,
                                              Value page) {
  auto minimum = [&](Value x, Value y) -> Value {
    return arith::MinUIOp::create(b, loc, x, y);
  };
  auto minus = [&](Value x, Value y) -> Value {
    return arith::SubIOp::create(b, loc, x, y);
  };
  Value size = index(options.pageSize), zero = index(0);
  Value first = arith::MulIOp::create(b, loc, page, size);
  Value begin = arith::MaxUIOp::create(b, loc, first, length);
  Value end = minimum(arith::AddIOp::create(b, loc, first, size),
                      arith::AddIOp::create(b, loc, length, added));
  SmallVector<Value> entry{page};
  if (batch)
    entry.insert(entry.begin(), batch);
  Value place = arith::IndexCastOp::create(
      b, loc, b.getIndexType(),
      tensor::ExtractOp::create(b, loc, table, entry));
  Value isThere = arith::CmpIOp::create(b, loc, Predicate::ult, place,
                                        tensor::DimOp::create(b, loc, pool, 0));
  place = arith::SelectOp::create(b, loc, isThere, place, zero);
  Value count =
      arith::SelectOp::create(b, loc, isThere, minus(end, begin), zero);
  return {place, minus(begin, first), minus(begin, length), count};
}

/// The rows of one page of one sequence, written to it: the end of an iteration
/// of a parallel loop.
void StepBuilder::writePage(const Rows &rows, scf::ForallOp loop, Value batch,
                            Value page) {
  Value pool = loop.getRegionIterArgs().front();
  PagePlace at = placePage(pool, batch, page);
  unsigned dropped = batch ? 1 : 0, along = rows.along;
  SmallVector<OpFoldResult> sizes(rows.sizes),
      offsets(sizes.size(), b.getIndexAttr(0)),
      strides(sizes.size() + 1 - dropped, b.getIndexAttr(1));
  offsets[along] = at.row;
  sizes[along] = at.count;
  SmallVector<int64_t> shape(ArrayRef(rows.shape).drop_front(dropped));
  shape[along - dropped] = ShapedType::kDynamic;
  if (batch) {
    offsets.front() = batch;
    sizes.front() = b.getIndexAttr(1);
  }
  SmallVector<OpFoldResult> ones(offsets.size(), b.getIndexAttr(1));
  Value part = tensor::ExtractSliceOp::create(
      b, loc, RankedTensorType::get(shape, getElementTypeOrSelf(rows.tensor)),
      rows.tensor, offsets, sizes, ones);
  offsets[along] = at.slot;
  if (batch) {
    offsets.front() = at.page;
  } else {
    offsets.insert(offsets.begin(), at.page);
    sizes.insert(sizes.begin(), b.getIndexAttr(1));
  }
  b.setInsertionPointToStart(loop.getTerminator().getBody());
  tensor::ParallelInsertSliceOp::create(b, loc, part, pool, offsets, sizes,
                                        strides);
}

/// The new rows in their pages, all of them at once: those of sequences and of
/// pages are different places.
Value StepBuilder::writePages(const Rows &rows, Value pool) {
  bool hasBatch = rows.map.isFunctionOfDim(AttentionOp::kBatch);
  Value size = index(options.pageSize);
  Value all = arith::AddIOp::create(b, loc, length, added);
  Value first = arith::DivUIOp::create(b, loc, length, size);
  Value end = arith::CeilDivUIOp::create(b, loc, all, size);
  Value count = arith::SubIOp::create(b, loc, end, first);
  SmallVector<OpFoldResult> bounds{count};
  if (hasBatch)
    bounds.insert(bounds.begin(), rows.sizes.front());
  auto loop = scf::ForallOp::create(b, loc, bounds, pool, std::nullopt);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(loop.getTerminator());
  SmallVector<Value> ids = loop.getInductionVars();
  Value page = arith::AddIOp::create(b, loc, first, ids.back());
  writePage(rows, loop, hasBatch ? ids.front() : Value(), page);
  return loop.getResult(0);
}

/// The rows behind those that pages hold, and these.
Value StepBuilder::appendPages(const Rows &rows) {
  bool hasBatch = rows.map.isFunctionOfDim(AttentionOp::kBatch);
  SmallVector<int64_t> shape(ArrayRef(rows.shape).drop_front(hasBatch));
  shape[rows.along - hasBatch] = options.pageSize;
  shape.insert(shape.begin(), ShapedType::kDynamic);
  Type element = getElementTypeOrSelf(rows.tensor);
  Value buffer =
      addBuffer(shape, element, Twine(rows.name) + "_pages" + Twine(number));
  {
    // Checks, which come before all else, want to know how large it is.
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&step.front());
    pools.push_back(open(buffer));
  }
  Value whole = writePages(rows, pools.back());
  close(whole, buffer);
  SmallVector<OpFoldResult> sizes(rows.sizes);
  sizes[rows.along] =
      OpFoldResult(arith::AddIOp::create(b, loc, length, added).getResult());
  Value init = tensor::EmptyOp::create(b, loc, sizes, element);
  return GatherPagesOp::create(b, loc, init.getType(), whole, table, init);
}

/// Pages that rows need have to be of every pool, before any is written. Each
/// entry is checked by whoever looks at it, as a GPU wants it, where those that
/// fail stay what they are not: the table is read from what was checked.
void StepBuilder::checkPages() {
  if (pools.empty())
    return;
  b.setInsertionPointAfter(lastCheck);
  auto type = cast<RankedTensorType>(table.getType());
  int64_t rank = type.getRank();
  Value all = arith::AddIOp::create(b, loc, length, added);
  Value used = arith::CeilDivUIOp::create(b, loc, all, index(options.pageSize));
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, table),
                            offsets(rank, b.getIndexAttr(0)),
                            strides(rank, b.getIndexAttr(1));
  sizes.back() = used;
  auto entries =
      tensor::ExtractSliceOp::create(b, loc, table, offsets, sizes, strides);
  Value pages;
  for (Value pool : pools) {
    Value own = tensor::DimOp::create(b, loc, pool, 0);
    pages =
        pages ? arith::MinUIOp::create(b, loc, pages, own).getResult() : own;
  }
  Value none = arith::ConstantOp::create(
      b, loc, b.getIntegerAttr(type.getElementType(), -1));
  Value unseen =
      linalg::FillOp::create(
          b, loc, none,
          tensor::EmptyOp::create(b, loc, sizes, type.getElementType())
              .getResult())
          .getResult(0);
  SmallVector<AffineMap> maps(2, b.getMultiDimIdentityMap(rank));
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  auto check = linalg::GenericOp::create(
      b, loc, unseen.getType(), entries.getResult(), unseen, maps, iterators,
      [&](OpBuilder &nested, Location l, ValueRange arguments) {
        // Negative numbers are large ones here.
        Value page = arith::IndexCastOp::create(
            nested, l, nested.getIndexType(), arguments[0]);
        Value holds =
            arith::CmpIOp::create(nested, l, Predicate::ult, page, pages);
        cf::AssertOp::create(nested, l, holds,
                             "expected pages of the pool, got one out of "
                             "range");
        Value seen = arith::SelectOp::create(nested, l, holds, arguments[0],
                                             arguments[1]);
        linalg::YieldOp::create(nested, l, seen);
      });
  table.replaceAllUsesExcept(check.getResult(0), entries);
}
