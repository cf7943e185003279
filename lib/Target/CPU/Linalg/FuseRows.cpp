//===- FuseRows.cpp - chains of row-wise operations in tiles of rows ------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What lies between two attentions works row by row: products with weights,
// biases, activations, normalisations. One parallel loop over tiles of rows
// does all of it while the tile stays in the cache.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Target/CPU/CpuTarget.h"
#include "attn/Target/CPU/Linalg/Passes.h"
#include "attn/Target/CPU/Linalg/RowGroups.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

namespace mlir::attn::cpu {
#define GEN_PASS_DEF_ATTNFUSEROWSPASS
#include "attn/Target/CPU/Linalg/Passes.h.inc"
} // namespace mlir::attn::cpu

#define DEBUG_TYPE "attn-fuse-rows"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

namespace {
/// Work below which a parallel loop costs more than it saves.
constexpr int64_t kLeastWork = 1 << 15;

/// Every use of a fill gets a fill of its own, which can go into the group.
void duplicateFills(RewriterBase &rewriter, Block &block) {
  SmallVector<Operation *> shared;
  for (Operation &op : block)
    if (isa<linalg::FillOp, tensor::EmptyOp>(op))
      shared.push_back(&op);
  // Tensors that are filled come before their fills.
  for (Operation *op : llvm::reverse(shared)) {
    SmallVector<OpOperand *> uses;
    for (OpOperand &use : op->getUses())
      uses.push_back(&use);
    if (uses.empty())
      continue;
    for (OpOperand *use : llvm::drop_begin(uses)) {
      rewriter.setInsertionPoint(op);
      Operation *copy = rewriter.clone(*op);
      rewriter.modifyOpInPlace(use->getOwner(),
                               [&] { use->set(copy->getResult(0)); });
    }
  }
}

/// Builds the loop of one group.
class GroupTiler {
public:
  GroupTiler(RewriterBase &rewriter, const RowGroup &group, int64_t tileRows)
      : b(rewriter), group(group), tileRows(tileRows),
        loc(group.ops.front()->getLoc()),
        members(group.ops.begin(), group.ops.end()),
        rows(cast<DestinationStyleOpInterface>(group.ops.front())
                 .getDpsInits()
                 .front()) {}

  void run();

private:
  void findDestinations();
  void buildBody(scf::ForallOp loop);
  Value sliceOf(Value tensor);
  Value destination(OpOperand &init, OpResult result);
  Value scratchTile(Value init, tensor::EmptyOp producer);
  void cloneTile(Operation *op);
  RankedTensorType tileType(Type type);

  RewriterBase &b;
  const RowGroup &group;
  int64_t tileRows;
  Location loc;
  llvm::SmallPtrSet<Operation *, 16> members;
  /// A tensor from outside whose first extent is the number of rows.
  Value rows;
  /// Results that are used outside, and the tensors they are written to.
  SmallVector<OpResult> escaping;
  SmallVector<Value> shared;
  /// The loop's destination that a result, or what becomes it, is written to.
  llvm::DenseMap<Value, unsigned> destinations;
  SmallVector<Value> sharedArgs;
  OpFoldResult offset, size;
  IRMapping mapping;
};

/// Escaping results are written to the loop's results, and so is the value that
/// initialises them where nothing else uses it.
void GroupTiler::findDestinations() {
  for (Operation *op : group.ops)
    for (OpResult result : op->getResults())
      if (llvm::any_of(result.getUsers(), [&](Operation *user) {
            return !members.contains(user);
          }))
        escaping.push_back(result);
  for (auto [number, result] : llvm::enumerate(escaping)) {
    Value current = result, init;
    for (;;) {
      destinations[current] = number;
      auto op = cast<DestinationStyleOpInterface>(current.getDefiningOp());
      init = op.getTiedOpOperand(cast<OpResult>(current))->get();
      Operation *producer = init.getDefiningOp();
      if (!producer || !members.contains(producer) || !init.hasOneUse() ||
          destinations.contains(init))
        break;
      current = init;
    }
    if (Operation *producer = init.getDefiningOp();
        producer && members.contains(producer))
      init =
          tensor::EmptyOp::create(b, loc, tensor::getMixedSizes(b, loc, rows),
                                  getElementTypeOrSelf(init.getType()));
    shared.push_back(init);
  }
}

RankedTensorType GroupTiler::tileType(Type type) {
  auto full = cast<RankedTensorType>(type);
  SmallVector<int64_t> shape(full.getShape());
  shape[0] = getConstantIntValue(size).value_or(ShapedType::kDynamic);
  return RankedTensorType::get(shape, full.getElementType());
}

/// The rows of a tensor from outside that the tile covers.
Value GroupTiler::sliceOf(Value tensor) {
  int64_t rank = cast<RankedTensorType>(tensor.getType()).getRank();
  SmallVector<OpFoldResult> offsets(rank, b.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(rank, b.getIndexAttr(1));
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, tensor);
  offsets[0] = offset;
  sizes[0] = size;
  return tensor::ExtractSliceOp::create(b, loc, tileType(tensor.getType()),
                                        tensor, offsets, sizes, strides);
}

/// The tile that an operation writes its result to.
Value GroupTiler::destination(OpOperand &init, OpResult result) {
  Operation *producer = init.get().getDefiningOp();
  if (producer && members.contains(producer))
    return mapping.lookup(init.get());
  auto found = destinations.find(result);
  if (found != destinations.end())
    return sliceOf(sharedArgs[found->second]);
  if (!isa_and_nonnull<tensor::EmptyOp>(producer))
    return sliceOf(init.get());
  return scratchTile(init.get(), cast<tensor::EmptyOp>(producer));
}

/// Scratch of static size, of which the last tile uses a part. Rows whose
/// distance is a large power of two would compete for the same cache sets, as
/// a register tile reads many of them at once: they are padded by a line.
Value GroupTiler::scratchTile(Value init, tensor::EmptyOp producer) {
  RankedTensorType type = tileType(init.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape[0] = tileRows;
  int64_t rank = type.getRank(), columns = shape.back();
  unsigned bits =
      type.getElementType().isIntOrFloat() ? type.getElementTypeBitWidth() : 64;
  bool isPadded = rank == 2 && !ShapedType::isDynamic(columns) && bits >= 8 &&
                  columns * bits % (CpuTarget::criticalStride * 8) == 0;
  if (isPadded)
    shape.back() += 64 * 8 / bits;
  bool hasDynamicRows = cast<RankedTensorType>(init.getType()).isDynamicDim(0);
  SmallVector<Value> extents(
      producer.getDynamicSizes().drop_front(hasDynamicRows ? 1 : 0));
  Value scratch =
      tensor::EmptyOp::create(b, loc, shape, type.getElementType(), extents);
  if (!type.isDynamicDim(0) && !isPadded)
    return scratch;
  SmallVector<OpFoldResult> offsets(rank, b.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(rank, b.getIndexAttr(1));
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, scratch);
  sizes[0] = size;
  if (isPadded)
    sizes[1] = b.getIndexAttr(columns);
  return tensor::ExtractSliceOp::create(b, loc, type, scratch, offsets, sizes,
                                        strides);
}

void GroupTiler::cloneTile(Operation *op) {
  auto styled = cast<DestinationStyleOpInterface>(op);
  SmallVector<Value> operands;
  for (OpOperand &operand : op->getOpOperands()) {
    if (styled.isDpsInit(&operand))
      operands.push_back(
          destination(operand, styled.getTiedOpResult(&operand)));
    else if (!isRowOperand(operand))
      operands.push_back(operand.get());
    else if (Value tile = mapping.lookupOrNull(operand.get()))
      operands.push_back(tile);
    else
      operands.push_back(sliceOf(operand.get()));
  }
  SmallVector<Type> types = llvm::map_to_vector(
      op->getResultTypes(), [&](Type type) -> Type { return tileType(type); });
  Operation *tile = clone(b, op, types, operands);
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(tile)) {
    SmallVector<OpFoldResult> offsets(linalgOp.getNumLoops());
    offsets[0] = offset;
    linalg::offsetIndices(b, linalgOp, offsets);
  }
  for (auto [from, to] : llvm::zip_equal(op->getResults(), tile->getResults()))
    mapping.map(from, to);
}

void GroupTiler::buildBody(scf::ForallOp loop) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(loop.getTerminator());
  sharedArgs = llvm::to_vector_of<Value>(loop.getRegionIterArgs());
  AffineExpr tile = b.getAffineDimExpr(0), all = b.getAffineSymbolExpr(0);
  Value index = loop.getInductionVar(0);
  offset = affine::makeComposedFoldedAffineApply(
      b, loc, AffineMap::get(1, 0, tile * tileRows), {index});
  if (!ShapedType::isDynamic(group.numRows) && group.numRows % tileRows == 0)
    size = b.getIndexAttr(tileRows);
  else
    size = affine::makeComposedFoldedAffineMin(
        b, loc,
        AffineMap::get(
            1, 1, {b.getAffineConstantExpr(tileRows), all - tile * tileRows},
            b.getContext()),
        {index, tensor::getMixedSize(b, loc, rows, 0)});
  for (Operation *op : group.ops)
    cloneTile(op);

  b.setInsertionPointToEnd(loop.getTerminator().getBody());
  for (auto [result, target] : llvm::zip_equal(escaping, sharedArgs)) {
    Value value = mapping.lookup(result);
    int64_t rank = cast<RankedTensorType>(value.getType()).getRank();
    SmallVector<OpFoldResult> offsets(rank, b.getIndexAttr(0));
    SmallVector<OpFoldResult> strides(rank, b.getIndexAttr(1));
    OpBuilder::InsertionGuard inner(b);
    b.setInsertionPoint(loop.getTerminator());
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, value);
    offsets[0] = offset;
    sizes[0] = size;
    b.setInsertionPointToEnd(loop.getTerminator().getBody());
    tensor::ParallelInsertSliceOp::create(b, loc, value, target, offsets, sizes,
                                          strides);
  }
}

void GroupTiler::run() {
  b.setInsertionPointAfter(group.ops.back());
  findDestinations();
  OpFoldResult numTiles = affine::makeComposedFoldedAffineApply(
      b, loc, AffineMap::get(0, 1, b.getAffineSymbolExpr(0).ceilDiv(tileRows)),
      {tensor::getMixedSize(b, loc, rows, 0)});
  auto loop = scf::ForallOp::create(b, loc, {numTiles}, shared, std::nullopt);
  buildBody(loop);
  for (auto [from, to] : llvm::zip_equal(escaping, loop.getResults()))
    b.replaceUsesWithIf(from, to, [&](OpOperand &use) {
      return !members.contains(use.getOwner()) &&
             !loop->isAncestor(use.getOwner());
    });
  for (Operation *op : llvm::reverse(group.ops))
    b.eraseOp(op);
}

struct AttnFuseRowsPass
    : public mlir::attn::cpu::impl::AttnFuseRowsPassBase<AttnFuseRowsPass> {
  using AttnFuseRowsPassBase::AttnFuseRowsPassBase;

  void runOnOperation() override {
    if (getOperation().isExternal())
      return;
    IRRewriter rewriter(&getContext());
    for (Block &block : getOperation().getBody()) {
      duplicateFills(rewriter, block);
      for (const RowGroup &group : groupRows(block))
        tile(rewriter, group);
    }
  }

private:
  /// As many rows as are worth a task, but enough tasks for a few threads.
  int64_t chooseTile(const RowGroup &group, int64_t work) {
    int64_t rows =
        std::clamp<int64_t>((1 << 17) / std::max<int64_t>(work, 1), 1, maxRows);
    bool hasProduct = false;
    int64_t most = maxRows;
    for (Operation *op : group.ops)
      if (auto rowWise = dyn_cast<RowWiseOpInterface>(op)) {
        hasProduct = true;
        if (int64_t chunk = rowWise.getRowChunk())
          most = std::min(most, chunk);
      }
    if (hasProduct)
      rows = most;
    if (ShapedType::isDynamic(group.numRows))
      return rows;
    int64_t tiles = llvm::divideCeil(group.numRows, rows);
    if (tiles < 8)
      tiles = llvm::alignTo(tiles, 2);
    rows = llvm::divideCeil(group.numRows, tiles);
    return std::min<int64_t>(
        group.numRows,
        hasProduct ? std::min(most, int64_t(llvm::alignTo(rows, 4))) : rows);
  }

  void tile(RewriterBase &rewriter, const RowGroup &group) {
    int64_t work = 0;
    for (Operation *op : group.ops)
      work += workPerRow(op);
    bool isDynamic = ShapedType::isDynamic(group.numRows);
    if (group.numRows == 0 || (!isDynamic && work * group.numRows < kLeastWork))
      return;
    GroupTiler(rewriter, group, chooseTile(group, work)).run();
    ++numGroups;
    numFused += group.ops.size();
  }
};
} // namespace
