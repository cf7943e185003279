//===- PagedRows.cpp - rows of keys that lie in pages ---------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Finds on buffers what attn.gather_pages became, and reads through it.
//
//===----------------------------------------------------------------------===//

#include "PagedRows.h"

#include "attn/Target/NVVM/Buffers.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

//===----------------------------------------------------------------------===//
// What a copy is
//===----------------------------------------------------------------------===//

/// Whether a value is the index of a loop of `op`, which is 0 where the loop
/// has one iteration.
static bool isIndexOf(Value value, linalg::GenericOp op, unsigned dim) {
  if (auto index = value.getDefiningOp<linalg::IndexOp>())
    return index.getDim() == dim;
  return op.getStaticLoopRanges()[dim] == 1 && matchPattern(value, m_Zero());
}

/// Whether `value` is `OpTy` of a loop's index and `by`.
template <typename OpTy>
static bool isPartOf(Value value, linalg::GenericOp op, unsigned dim,
                     int64_t by) {
  auto part = value.getDefiningOp<OpTy>();
  return part && isIndexOf(part.getLhs(), op, dim) &&
         getConstantIntValue(part.getRhs()) == by;
}

static std::optional<PagedCopy> matchCopy(linalg::GenericOp op) {
  if (!op.hasPureBufferSemantics() || op.getNumDpsInputs() != 0 ||
      op.getNumDpsInits() != 1 || op.getNumReductionLoops() != 0 ||
      !op.getMatchingIndexingMap(op.getDpsInitOperand(0)).isIdentity())
    return std::nullopt;
  auto load = op.getBody()
                  ->getTerminator()
                  ->getOperand(0)
                  .getDefiningOp<memref::LoadOp>();
  auto type = load ? load.getMemRefType() : MemRefType();
  if (!load || type.getRank() < 3 || type.getRank() > 4)
    return std::nullopt;
  auto cast = load.getIndices().front().getDefiningOp<arith::IndexCastOp>();
  auto entry =
      cast ? cast.getIn().getDefiningOp<memref::LoadOp>() : memref::LoadOp();
  if (!entry)
    return std::nullopt;
  PagedCopy copy{op, op.getDpsInits()[0], load.getMemRef(), entry.getMemRef(),
                 type.getShape().take_back(2).front()};
  unsigned rank = op.getNumLoops(), batch = copy.hasBatch() ? 1 : 0,
           position = rank - 2;
  if (entry.getIndices().size() != batch + 1 ||
      rank != type.getRank() - 1 + batch ||
      ShapedType::isDynamic(copy.pageSize) || copy.pageSize < 1 ||
      (batch && !isIndexOf(entry.getIndices().front(), op, 0)) ||
      !isPartOf<arith::DivUIOp>(entry.getIndices().back(), op, position,
                                copy.pageSize))
    return std::nullopt;
  ValueRange rest = load.getIndices().drop_front();
  if ((copy.hasHeads() && !isIndexOf(rest.front(), op, batch)) ||
      !isPartOf<arith::RemUIOp>(rest[rest.size() - 2], op, position,
                                copy.pageSize) ||
      !isIndexOf(rest.back(), op, rank - 1))
    return std::nullopt;
  return copy;
}

std::optional<PagedCopy> attn::nvvm::findPagedCopy(Value buffer) {
  if (!buffer.getDefiningOp<memref::AllocOp>())
    return std::nullopt;
  std::optional<PagedCopy> found;
  for (Operation *user : buffer.getUsers()) {
    auto op = dyn_cast<linalg::GenericOp>(user);
    if (!op || !llvm::is_contained(op.getDpsInits(), buffer))
      continue;
    std::optional<PagedCopy> copy = matchCopy(op);
    if (found || !copy)
      return std::nullopt;
    found = copy;
  }
  return found;
}

bool attn::nvvm::isScatter(scf::ForallOp loop) {
  bool looksUp = false;
  WalkResult result = loop.getBody()->walk([&](Operation *op) {
    looksUp |= isa<memref::LoadOp>(op);
    bool fine = isa<memref::LoadOp, memref::CopyOp, ViewLikeOpInterface>(op) ||
                isMemoryEffectFree(op);
    return fine ? WalkResult::advance() : WalkResult::interrupt();
  });
  return looksUp && !result.wasInterrupted();
}

//===----------------------------------------------------------------------===//
// Whether it is needed
//===----------------------------------------------------------------------===//

/// The slice of a copy that is an operand, if it is [rows, columns] with all
/// columns, of one batch and head.
static memref::SubViewOp sliceOf(Value operand, const PagedCopy &copy) {
  auto slice = operand.getDefiningOp<memref::SubViewOp>();
  if (!slice || slice.getSource() != copy.buffer ||
      slice.getType().getRank() != 2 || !slice.hasUnitStride())
    return {};
  ArrayRef<int64_t> sizes = slice.getStaticSizes(),
                    shape = slice.getSourceType().getShape();
  if (llvm::any_of(sizes.drop_back(2),
                   [](int64_t size) { return size != 1; }) ||
      sizes.back() != shape.back() || slice.getStaticOffsets().back() != 0)
    return {};
  return slice;
}

/// Whether nothing between the copy and the loop writes what the copy read or
/// made.
static bool isCurrent(const PagedCopy &copy, scf::ForallOp loop) {
  if (copy.op->getBlock() != loop->getBlock() ||
      !copy.op->isBeforeInBlock(loop))
    return false;
  Value own[] = {rootOf(copy.pool), rootOf(copy.table), copy.buffer};
  auto mayWrite = [&](Value root) { return !llvm::is_contained(own, root); };
  auto isHarmless = [&](Operation *op) {
    WalkResult result = op->walk([&](Operation *one) {
      bool fine = (one->getNumRegions() != 0 && !isa<linalg::LinalgOp>(one)) ||
                  touchesOnly(one, [](Value) { return true; }, mayWrite);
      return fine ? WalkResult::advance() : WalkResult::interrupt();
    });
    return !result.wasInterrupted();
  };
  for (Operation *op = copy.op->getNextNode(); op != loop;
       op = op->getNextNode())
    if (!isHarmless(op))
      return false;
  return isHarmless(loop);
}

static std::string findObstacle(scf::ForallOp loop, OnlineAttentionOp op,
                                ArrayRef<std::optional<PagedCopy>> copies) {
  auto mapAt = [&](unsigned index) {
    return cast<AffineMapAttr>(op.getIndexingMaps()[index]).getValue();
  };
  AffineExpr key = getAffineDimExpr(OnlineAttentionOp::kKey, op.getContext());
  Value operands[] = {op.getKey(), op.getValue()};
  for (unsigned i = 0; i < 2; ++i) {
    if (!copies[i])
      return "keys or values alone are in pages";
    if (mapAt(i + 1).getResult(0) != key || !sliceOf(operands[i], *copies[i]))
      return "a tile is no slice of rows";
    if (!isCurrent(*copies[i], loop))
      return "pages may change before they are read";
  }
  return "";
}

void attn::nvvm::markPaged(scf::ForallOp loop, std::string &reason) {
  loop->walk([&](OnlineAttentionOp op) {
    std::optional<PagedCopy> copies[] = {findPagedCopy(rootOf(op.getKey())),
                                         findPagedCopy(rootOf(op.getValue()))};
    if (!copies[0] && !copies[1])
      return;
    std::string obstacle = findObstacle(loop, op, copies);
    if (obstacle.empty())
      op->setDiscardableAttr(kPagedAttr, UnitAttr::get(op.getContext()));
    else
      reason = obstacle;
  });
}

/// Erases views that nobody uses.
static void eraseDeadViews(Value memref) {
  for (Operation *user : llvm::make_early_inc_range(memref.getUsers())) {
    if (!isa<ViewLikeOpInterface>(user))
      continue;
    eraseDeadViews(user->getResult(0));
    if (user->use_empty())
      user->erase();
  }
}

void attn::nvvm::erasePagedCopies(Operation *function) {
  SmallVector<linalg::GenericOp> ops;
  function->walk([&](linalg::GenericOp op) {
    if (matchCopy(op))
      ops.push_back(op);
  });
  for (linalg::GenericOp op : ops) {
    Value buffer = op.getDpsInits()[0];
    auto alloc = buffer.getDefiningOp<memref::AllocOp>();
    if (!alloc)
      continue;
    eraseDeadViews(buffer);
    if (!buffer.hasOneUse())
      continue;
    op.erase();
    alloc.erase();
  }
}

//===----------------------------------------------------------------------===//
// Reading in place
//===----------------------------------------------------------------------===//

PagedRows::PagedRows(FragmentBuilder &f, Value slice)
    : copy(*findPagedCopy(rootOf(slice))) {
  memref::SubViewOp view = sliceOf(slice, copy);
  auto valueOf = [&](OpFoldResult folded) -> Value {
    std::optional<int64_t> constant = getConstantIntValue(folded);
    return constant ? f.index(*constant) : cast<Value>(folded);
  };
  SmallVector<OpFoldResult> at = view.getMixedOffsets();
  begin = at[at.size() - 2];
  first = valueOf(begin);
  if (copy.hasBatch())
    batch = valueOf(at.front());
  pages = f.b.createOrFold<memref::DimOp>(f.loc, copy.pool, 0);
  pool = copy.pool;
  if (!copy.hasHeads())
    return;
  auto type = cast<MemRefType>(pool.getType());
  Attribute zero = f.b.getIndexAttr(0), one = f.b.getIndexAttr(1);
  SmallVector<OpFoldResult> offsets{zero, at[copy.hasBatch()], zero, zero},
      sizes{pages, one, f.b.getIndexAttr(type.getDimSize(2)),
            f.b.getIndexAttr(type.getDimSize(3))},
      strides(4, one);
  SmallVector<int64_t> shape{ShapedType::kDynamic, type.getDimSize(2),
                             type.getDimSize(3)};
  if (std::optional<int64_t> known = getConstantIntValue(pages)) {
    shape.front() = *known;
    sizes.front() = f.b.getIndexAttr(*known);
  }
  MemRefType headType = memref::SubViewOp::inferRankReducedResultType(
      shape, type, offsets, sizes, strides);
  pool = memref::SubViewOp::create(f.b, f.loc, headType, pool, offsets, sizes,
                                   strides);
}

GlobalRows PagedRows::rows(FragmentBuilder &f) const {
  return GlobalRows(f, pool, /*columnPosition=*/2);
}

/// Whether a number is known to be a multiple of another.
static bool isMultiple(OpFoldResult number, int64_t of) {
  if (std::optional<int64_t> constant = getConstantIntValue(number))
    return *constant % of == 0;
  auto value = cast<Value>(number);
  if (auto apply = value.getDefiningOp<affine::AffineApplyOp>())
    return apply.getAffineMap().getResult(0).isMultipleOf(of);
  auto product = value.getDefiningOp<arith::MulIOp>();
  return product &&
         (isMultiple(product.getLhs(), of) || isMultiple(product.getRhs(), of));
}

PagedRows::Page PagedRows::lookUp(FragmentBuilder &f, Value position) const {
  SmallVector<Value> entry{f.b.createOrFold<arith::DivUIOp>(
      f.loc, position, f.index(copy.pageSize))};
  if (batch)
    entry.insert(entry.begin(), batch);
  Value page = arith::IndexCastOp::create(
      f.b, f.loc, f.b.getIndexType(),
      memref::LoadOp::create(f.b, f.loc, copy.table, entry));
  Value exists = f.compare(arith::CmpIPredicate::ult, page, pages);
  return {f.select(exists, page, f.index(0)), exists};
}

Value PagedRows::slotOf(FragmentBuilder &f, Value position) const {
  return f.b.createOrFold<arith::RemUIOp>(f.loc, position,
                                          f.index(copy.pageSize));
}

void PagedRows::enter(FragmentBuilder &f, Value firstRow, int64_t count) {
  tilePage = {};
  if (copy.pageSize % count != 0 || !isMultiple(begin, count))
    return;
  Value position = f.add(first, firstRow);
  tilePage = lookUp(f, position);
  tileSlot = slotOf(f, position);
}

RowOrigin PagedRows::locate(FragmentBuilder &f, Value row, Value inSlice,
                            Value isThere) const {
  if (tilePage.number)
    return {f.both(isThere, tilePage.exists),
            {tilePage.number, f.add(tileSlot, row)}};
  Value position = f.add(first, inSlice);
  Page page = lookUp(f, position);
  return {f.both(isThere, page.exists), {page.number, slotOf(f, position)}};
}
