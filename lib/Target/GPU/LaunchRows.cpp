//===- LaunchRows.cpp - chains of row-wise operations as kernels ----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-gpu-launch-rows: what normalises or reduces rows, step by step,
// becomes one kernel in which a warp takes all steps of a row.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/GPU/Passes.h"

#include "PointEmitter.h"

#include "attn/Target/NVVM/Buffers.h"
#include "attn/Target/NVVM/Kernels.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/SetVector.h"

#define DEBUG_TYPE "attn-gpu-launch-rows"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNGPULAUNCHROWSPASS
#include "attn/Target/GPU/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
/// Steps that all go row by row. Rows are told apart by a list of dimensions,
/// of which every step has its own; they are the same because steps touch the
/// same buffers.
class RowChain {
public:
  struct Step {
    linalg::LinalgOp op;
    SmallVector<unsigned> rowDims;
  };

  ArrayRef<Step> getSteps() const { return steps; }
  void clear() { *this = RowChain(); }
  bool start(linalg::LinalgOp op);
  bool join(linalg::LinalgOp op);
  /// Whether the steps so far may happen after `op`.
  bool canCross(Operation *op) const;
  bool isWorthIt() const {
    return steps.size() > 1 && llvm::any_of(steps, [](const Step &step) {
             linalg::LinalgOp op = step.op;
             return op.getNumReductionLoops() != 0;
           });
  }

private:
  using Places = SmallVector<int64_t>; ///< row dimension by position, or -1

  /// A buffer that a step reads or writes.
  struct Access {
    Value memref, root;
    Places places;
    bool isWhole; ///< whether it goes by all row dimensions
    bool isInit;
  };

  Places placesOf(OpOperand &operand, ArrayRef<unsigned> rowDims) const;
  bool isWhole(const Places &places, size_t numRowDims) const;
  SmallVector<Access> accessesOf(linalg::LinalgOp op,
                                 ArrayRef<unsigned> rowDims) const;
  bool fits(ArrayRef<Access> accesses) const;
  bool add(linalg::LinalgOp op, ArrayRef<unsigned> rowDims);

  SmallVector<Step> steps;
  llvm::DenseMap<Value, Places> aligned;         ///< memrefs that go by rows
  llvm::DenseMap<Value, Value> seen;             ///< by root: the memref in use
  llvm::SmallDenseSet<Value> written, scattered; ///< roots
};

struct LaunchRows : attn::impl::AttnGPULaunchRowsPassBase<LaunchRows> {
  void runOnOperation() override;

private:
  void launchChains(Block &block);
  void launch(const RowChain &chain);
  SmallVector<Value> takeInitial(OpBuilder &b, linalg::LinalgOp op);

  llvm::SetVector<Operation *> done, fills;
};
} // namespace

/// Whether a step can be an operation: arithmetic on buffers that is no
/// product.
static bool isStep(linalg::LinalgOp op) {
  if (!op.hasPureBufferSemantics() || isa<linalg::FillOp>(op) ||
      nvvm::addsProducts(op) || findPointBlock(op) || op.getNumDpsInits() == 0)
    return false;
  for (Operation &nested : op.getBlock()->without_terminator())
    if (nested.getNumRegions() != 0 ||
        (!isa<arith::ArithDialect, math::MathDialect>(nested.getDialect()) &&
         !isa<linalg::IndexOp>(nested)))
      return false;
  return op.getNumReductionLoops() == 0 || isRowReduction(op);
}

RowChain::Places RowChain::placesOf(OpOperand &operand,
                                    ArrayRef<unsigned> rowDims) const {
  linalg::LinalgOp op = cast<linalg::LinalgOp>(operand.getOwner());
  Places places;
  for (AffineExpr result : op.getMatchingIndexingMap(&operand).getResults()) {
    auto dim = dyn_cast<AffineDimExpr>(result);
    auto found = dim ? llvm::find(rowDims, dim.getPosition()) : rowDims.end();
    places.push_back(found == rowDims.end() ? -1 : found - rowDims.begin());
  }
  return places;
}

bool RowChain::isWhole(const Places &places, size_t numRowDims) const {
  return llvm::count_if(places, [](int64_t place) { return place >= 0; }) ==
         static_cast<int64_t>(numRowDims);
}

SmallVector<RowChain::Access>
RowChain::accessesOf(linalg::LinalgOp op, ArrayRef<unsigned> rowDims) const {
  SmallVector<Access> accesses;
  for (OpOperand &operand : op->getOpOperands()) {
    Value memref = operand.get();
    if (!isa<MemRefType>(memref.getType()))
      continue;
    Places places = placesOf(operand, rowDims);
    accesses.push_back({memref, nvvm::rootOf(memref), places,
                        isWhole(places, rowDims.size()),
                        op.isDpsInit(&operand)});
  }
  return accesses;
}

/// Whether a step may follow those that there are.
bool RowChain::fits(ArrayRef<Access> accesses) const {
  for (const Access &one : accesses) {
    auto known = aligned.find(one.memref);
    bool isAligned =
        one.isWhole && (known == aligned.end() || known->second == one.places);
    bool isOther =
        seen.contains(one.root) && seen.lookup(one.root) != one.memref;
    if ((!isAligned || isOther) && (one.isInit || written.contains(one.root)))
      return false;
    if (!one.isInit)
      continue;
    // An init is no other operand's scattered buffer either.
    if (!one.isWhole || scattered.contains(one.root) ||
        llvm::any_of(accesses, [&](const Access &input) {
          return !input.isInit && input.root == one.root &&
                 (input.memref != one.memref || input.places != one.places);
        }))
      return false;
  }
  return true;
}

bool RowChain::add(linalg::LinalgOp op, ArrayRef<unsigned> rowDims) {
  SmallVector<Access> accesses = accessesOf(op, rowDims);
  if (!fits(accesses))
    return false;
  for (const Access &one : accesses) {
    if (one.isWhole && !seen.contains(one.root)) {
      aligned[one.memref] = one.places;
      seen[one.root] = one.memref;
    } else if (aligned.lookup(one.memref) != one.places) {
      scattered.insert(one.root);
    }
    if (one.isInit)
      written.insert(one.root);
  }
  steps.push_back({op, SmallVector<unsigned>(rowDims)});
  return true;
}

/// The rows of a reduction are what it keeps, those of other operations all
/// dimensions but the last.
bool RowChain::start(linalg::LinalgOp op) {
  clear();
  if (!isStep(op))
    return false;
  SmallVector<int64_t> extents = op.getStaticLoopRanges();
  SmallVector<unsigned> dims;
  op.getParallelDims(dims);
  llvm::erase_if(dims, [&](unsigned dim) { return extents[dim] == 1; });
  if (op.getNumReductionLoops() == 0 && !dims.empty())
    dims.pop_back();
  return !dims.empty() && add(op, dims);
}

bool RowChain::join(linalg::LinalgOp op) {
  if (steps.empty() || !isStep(op))
    return false;
  size_t count = steps.front().rowDims.size();
  SmallVector<int64_t> dims(count, -1);
  SmallVector<utils::IteratorType> kinds = op.getIteratorTypesArray();
  for (OpOperand &operand : op->getOpOperands()) {
    auto known = aligned.find(operand.get());
    if (known == aligned.end())
      continue;
    AffineMap map = op.getMatchingIndexingMap(&operand);
    for (auto [result, place] :
         llvm::zip_equal(map.getResults(), known->second)) {
      if (place < 0)
        continue;
      auto dim = dyn_cast<AffineDimExpr>(result);
      if (!dim || kinds[dim.getPosition()] != utils::IteratorType::parallel)
        return false;
      int64_t position = dim.getPosition();
      if (dims[place] >= 0 && dims[place] != position)
        return false;
      dims[place] = position;
    }
  }
  SmallVector<unsigned> rowDims;
  for (int64_t dim : dims) {
    if (dim < 0 || llvm::is_contained(rowDims, dim))
      return false;
    rowDims.push_back(dim);
  }
  // A reduction keeps rows and nothing else.
  if (op.getNumReductionLoops() != 0)
    for (auto [dim, extent] : llvm::enumerate(op.getStaticLoopRanges()))
      if (kinds[dim] == utils::IteratorType::parallel && extent != 1 &&
          !llvm::is_contained(rowDims, dim))
        return false;
  return add(op, rowDims);
}

bool RowChain::canCross(Operation *op) const {
  return nvvm::touchesOnly(
      op, [&](Value root) { return !written.contains(root); },
      [&](Value root) {
        return !written.contains(root) && !scattered.contains(root) &&
               !seen.contains(root);
      });
}

/// A launch with a warp for each of `rows` rows, whose number is given to
/// `body` with that of the lane.
static void launchWarps(OpBuilder &b, Location loc, Value rows,
                        function_ref<void(Value row, Value lane)> body) {
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantIndexOp::create(b, loc, value);
  };
  constexpr int64_t warps = PointBlock::kWarps, lanes = PointBlock::kLanes;
  Value grid = b.createOrFold<arith::CeilDivUIOp>(loc, rows, constant(warps));
  Value one = constant(1);
  auto kernel = gpu::LaunchOp::create(b, loc, grid, one, one,
                                      constant(warps * lanes), one, one);
  kernel.setFunctionAttr(FlatSymbolRefAttr::get(b.getContext(), "rows"));
  b.setInsertionPointToStart(&kernel.getBody().front());
  Value thread = kernel.getThreadIds().x;
  Value warp = arith::DivUIOp::create(b, loc, thread, constant(lanes)),
        lane = arith::RemUIOp::create(b, loc, thread, constant(lanes));
  Value first =
      arith::MulIOp::create(b, loc, kernel.getBlockIds().x, constant(warps));
  Value row = arith::AddIOp::create(b, loc, first, warp);
  Value isThere =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, row, rows);
  auto guard = scf::IfOp::create(b, loc, isThere);
  gpu::TerminatorOp::create(b, loc);
  b.setInsertionPointToStart(guard.thenBlock());
  body(row, lane);
}

/// Constants that the results of a reduction begin with, where they are known;
/// what put them into memory is done.
SmallVector<Value> LaunchRows::takeInitial(OpBuilder &b, linalg::LinalgOp op) {
  SmallVector<Value> initial(op.getNumDpsInits());
  if (op.getNumReductionLoops() == 0)
    return initial;
  for (auto [i, init] : llvm::enumerate(op.getDpsInits())) {
    std::optional<nvvm::FilledWith> fill = nvvm::findFill(
        init, op, [&](Operation *one) { return done.contains(one); });
    if (!fill)
      continue;
    initial[i] = arith::ConstantOp::create(b, op.getLoc(), fill->value);
    if (fill->own)
      done.insert(fill->own);
    fills.insert_range(fill->perhapsDead);
  }
  return initial;
}

/// All steps at the place of the last one, a warp a row. Lanes see what the
/// others wrote once all have come to the end of a step.
void LaunchRows::launch(const RowChain &chain) {
  ArrayRef<RowChain::Step> steps = chain.getSteps();
  linalg::LinalgOp last = steps.back().op;
  Location loc = last.getLoc();
  OpBuilder b(last);
  SmallVector<SmallVector<Range>> ranges;
  for (const RowChain::Step &step : steps) {
    linalg::LinalgOp op = step.op;
    ranges.push_back(op.createLoopRanges(b, loc));
  }
  SmallVector<Value> extents;
  Value rows = arith::ConstantIndexOp::create(b, loc, 1);
  for (unsigned dim : steps.front().rowDims) {
    extents.push_back(
        getValueOrCreateConstantIndexOp(b, loc, ranges.front()[dim].size));
    rows = b.createOrFold<arith::MulIOp>(loc, rows, extents.back());
  }
  launchWarps(b, loc, rows, [&](Value row, Value lane) {
    SmallVector<Value> digits(extents.size());
    for (size_t i = extents.size(); i-- > 1;) {
      digits[i] = b.createOrFold<arith::RemUIOp>(loc, row, extents[i]);
      row = b.createOrFold<arith::DivUIOp>(loc, row, extents[i]);
    }
    digits[0] = row;
    for (auto [step, range] : llvm::zip_equal(steps, ranges)) {
      SmallVector<Value> initial = takeInitial(b, step.op);
      PointEmitter(b, step.op, range)
          .emitInRow(step.rowDims, digits, lane, initial);
      Value all = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(-1));
      NVVM::SyncWarpOp::create(b, loc, all);
      done.insert(step.op);
    }
  });
  ++numLaunched;
  numSteps += steps.size();
}

void LaunchRows::launchChains(Block &block) {
  RowChain chain;
  SmallVector<RowChain> chains;
  auto finish = [&] {
    if (chain.isWorthIt())
      chains.push_back(chain);
    chain.clear();
  };
  for (Operation &op : block) {
    auto step = dyn_cast<linalg::LinalgOp>(op);
    if (step && chain.join(step))
      continue;
    if (!chain.getSteps().empty() && chain.canCross(&op) &&
        !(step && isStep(step)))
      continue;
    finish();
    if (step)
      chain.start(step);
  }
  finish();
  for (const RowChain &one : chains)
    launch(one);
}

void LaunchRows::runOnOperation() {
  SmallVector<Block *> blocks;
  getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<gpu::LaunchOp, linalg::LinalgOp>(op))
      return WalkResult::skip();
    for (Region &region : op->getRegions())
      for (Block &block : region)
        blocks.push_back(&block);
    return WalkResult::advance();
  });
  for (Block *block : blocks)
    launchChains(*block);
  fills.set_subtract(done);
  for (Operation *op : done)
    op->erase();
  nvvm::eraseUnreadFills(fills.getArrayRef());
  done.clear();
  fills.clear();
}
