//===- LaunchLinalg.cpp - linear algebra on buffers to kernels ------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-gpu-launch-linalg: what stands around attention, one thread an
// element of the result.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/GPU/Passes.h"

#include "PointEmitter.h"

#include "attn/Target/NVVM/Kernels.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/Transforms.h"
#include "mlir/IR/Remarks.h"

#define DEBUG_TYPE "attn-gpu-launch-linalg"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNGPULAUNCHLINALGPASS
#include "attn/Target/GPU/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

/// Threads of a block: enough to hide latency, few enough to fit anywhere.
static constexpr int64_t kThreads = PointBlock::kLanes * PointBlock::kWarps;

namespace {

struct LaunchLinalg : attn::impl::AttnGPULaunchLinalgPassBase<LaunchLinalg> {
  void runOnOperation() override;

private:
  LogicalResult makeSequential();
  LogicalResult launch(linalg::LinalgOp op);
  void remarkOn(linalg::LinalgOp op, bool isBlock);
  void launchStore(memref::StoreOp store);
  void recordFailures();
};

} // namespace

static bool isInKernel(Operation *op) {
  return op->getParentOfType<gpu::LaunchOp>() != nullptr;
}

/// The first use of a reduction dimension in the place of a result, where two
/// threads would not write to different places.
static LogicalResult checkPlaces(linalg::LinalgOp op) {
  for (OpOperand &init : op.getDpsInitsMutable()) {
    AffineMap map = op.getMatchingIndexingMap(&init);
    for (auto [dim, kind] : llvm::enumerate(op.getIteratorTypesArray()))
      if (kind != utils::IteratorType::parallel && map.isFunctionOfDim(dim))
        return op.emitOpError("expected results at places that no reduction "
                              "dimension moves, got ")
               << AffineMapAttr::get(map);
    if (!isa<MemRefType>(init.get().getType()))
      return op.emitOpError("expected results in buffers, got ")
             << init.get().getType();
  }
  return success();
}

/// Points of the parallel dimensions, or blocks of them.
static OpFoldResult countTasks(OpBuilder &builder, linalg::LinalgOp op,
                               ArrayRef<Range> ranges,
                               const std::optional<PointBlock> &block) {
  OpFoldResult count = builder.getIndexAttr(1);
  AffineExpr a, b;
  bindDims(builder.getContext(), a, b);
  SmallVector<unsigned> parallel;
  op.getParallelDims(parallel);
  for (unsigned dim : parallel) {
    int64_t extent = 1;
    if (block && dim == block->row)
      extent = block->blockRows();
    if (block && dim == block->column)
      extent = block->blockColumns();
    count = affine::makeComposedFoldedAffineApply(
        builder, op.getLoc(), a * b.ceilDiv(extent), {count, ranges[dim].size});
  }
  return count;
}

/// Says why an operation has no kernel of its own. Of products that are known
/// to be some, attn-nvvm-launch-products has said it.
void LaunchLinalg::remarkOn(linalg::LinalgOp op, bool isBlock) {
  auto options = [&](StringRef name) {
    return remark::RemarkOpts::name(name)
        .category(DEBUG_TYPE)
        .function(getOperation().getName());
  };
  if (isBlock) {
    if (!nvvm::addsProducts(op))
      remark::missed(op.getLoc(), options("NoTensorCores"))
          << remark::reason("{0} runs with 16 elements a thread: it does not "
                            "add up products of two inputs",
                            op->getName().getStringRef());
    return;
  }
  std::string reason = findRowObstacle(op);
  if (reason.empty())
    return;
  auto say = [&](auto remark) {
    remark << remark::reason("{0} runs with one thread an element: {1}",
                             op->getName().getStringRef(), reason);
  };
  if (op.getNumReductionLoops() == 0)
    say(remark::analysis(op.getLoc(), options("ThreadPerElement")));
  else
    say(remark::missed(op.getLoc(), options("ThreadPerElement")));
}

LogicalResult LaunchLinalg::launch(linalg::LinalgOp op) {
  if (failed(checkPlaces(op)))
    return failure();
  Location loc = op.getLoc();
  OpBuilder builder(op);
  SmallVector<Range> ranges = op.createLoopRanges(builder, loc);
  std::optional<PointBlock> block = findPointBlock(op);
  bool byRow = !block && isRowReduction(op);
  remarkOn(op, block.has_value());
  int64_t perBlock = byRow ? PointBlock::kWarps : kThreads;
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantIndexOp::create(builder, loc, value);
  };
  OpFoldResult count = countTasks(builder, op, ranges, block);
  AffineExpr a = builder.getAffineDimExpr(0);
  OpFoldResult blocks = block ? count
                              : affine::makeComposedFoldedAffineApply(
                                    builder, loc, a.ceilDiv(perBlock), {count});
  Value total = getValueOrCreateConstantIndexOp(builder, loc, count);
  Value grid = getValueOrCreateConstantIndexOp(builder, loc, blocks);
  Value one = constant(1), threads = constant(kThreads);
  auto kernel =
      gpu::LaunchOp::create(builder, loc, grid, one, one, threads, one, one);
  kernel.setFunctionAttr(
      FlatSymbolRefAttr::get(&getContext(), op->getName().stripDialect()));
  builder.setInsertionPointToStart(&kernel.getBody().front());
  Value task = kernel.getBlockIds().x, thread = kernel.getThreadIds().x;
  PointEmitter emitter(builder, op, ranges);
  if (block) {
    emitter.emitBlock(*block, task, thread);
    gpu::TerminatorOp::create(builder, loc);
  } else {
    Value first = arith::MulIOp::create(builder, loc, task, constant(perBlock));
    Value lanes = constant(PointBlock::kLanes);
    Value own =
        byRow ? arith::DivUIOp::create(builder, loc, thread, lanes) : thread;
    Value flat = arith::AddIOp::create(builder, loc, first, own);
    Value isInside = arith::CmpIOp::create(
        builder, loc, arith::CmpIPredicate::ult, flat, total);
    auto guard = scf::IfOp::create(builder, loc, isInside);
    gpu::TerminatorOp::create(builder, loc);
    builder.setInsertionPointToStart(guard.thenBlock());
    if (byRow)
      emitter.emitRow(flat,
                      arith::RemUIOp::create(builder, loc, thread, lanes));
    else
      emitter.emit(flat);
  }
  op.erase();
  ++numLaunched;
  return success();
}

/// One thread stores what the host knows.
void LaunchLinalg::launchStore(memref::StoreOp store) {
  Location loc = store.getLoc();
  OpBuilder builder(store);
  Value one = arith::ConstantIndexOp::create(builder, loc, 1);
  auto kernel =
      gpu::LaunchOp::create(builder, loc, one, one, one, one, one, one);
  kernel.setFunctionAttr(FlatSymbolRefAttr::get(&getContext(), "store"));
  builder.setInsertionPointToStart(&kernel.getBody().front());
  store->moveBefore(gpu::TerminatorOp::create(builder, loc));
  ++numLaunched;
}

/// Parallel loops that are no kernels become loops of launches.
LogicalResult LaunchLinalg::makeSequential() {
  SmallVector<scf::ForallOp> loops;
  getOperation().walk([&](scf::ForallOp loop) {
    if (!isInKernel(loop))
      loops.push_back(loop);
  });
  IRRewriter rewriter(&getContext());
  for (scf::ForallOp loop : loops) {
    rewriter.setInsertionPoint(loop);
    if (failed(scf::forallToForLoop(rewriter, loop)))
      return loop.emitOpError("expected a loop that can be made sequential");
  }
  return success();
}

/// A kernel cannot return an error: assertions write their number, from 1, into
/// one word, which the host looks at when all is done.
void LaunchLinalg::recordFailures() {
  SmallVector<cf::AssertOp> assertions;
  getOperation().walk([&](cf::AssertOp assertion) {
    if (isInKernel(assertion))
      assertions.push_back(assertion);
  });
  if (assertions.empty())
    return;
  Location loc = getOperation().getLoc();
  auto builder = OpBuilder::atBlockBegin(&getOperation().front());
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(builder, loc,
                                     builder.getI32IntegerAttr(value));
  };
  Value word = memref::AllocOp::create(
      builder, loc, MemRefType::get({}, builder.getI32Type()));
  launchStore(
      memref::StoreOp::create(builder, loc, constant(0), word, ValueRange()));
  llvm::MapVector<StringRef, int32_t> numbers;
  for (cf::AssertOp assertion : assertions) {
    int32_t number = numbers.try_emplace(assertion.getMsg(), numbers.size() + 1)
                         .first->second;
    builder.setInsertionPoint(assertion);
    Value yes =
        arith::ConstantOp::create(builder, loc, builder.getBoolAttr(true));
    Value failed = arith::XOrIOp::create(builder, loc, assertion.getArg(), yes);
    auto guard = scf::IfOp::create(builder, loc, failed);
    builder.setInsertionPointToStart(guard.thenBlock());
    memref::StoreOp::create(builder, loc, constant(number), word, ValueRange());
  }
  builder.setInsertionPoint(getOperation().getBody().back().getTerminator());
  Value seen = memref::LoadOp::create(builder, loc, word, ValueRange());
  for (auto [message, number] : numbers) {
    Value isFine = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ne,
                                         seen, constant(number));
    cf::AssertOp::create(builder, loc, isFine, message);
  }
}

/// Whether a copy's source is its target, as loops over slices leave behind.
static bool copiesNothing(memref::CopyOp copy) {
  Operation *from = copy.getSource().getDefiningOp<memref::SubViewOp>(),
            *to = copy.getTarget().getDefiningOp<memref::SubViewOp>();
  return copy.getSource() == copy.getTarget() ||
         (from && to &&
          OperationEquivalence::isEquivalentTo(
              from, to, OperationEquivalence::IgnoreLocations));
}

void LaunchLinalg::runOnOperation() {
  if (getOperation().isDeclaration())
    return;
  if (failed(makeSequential()))
    return signalPassFailure();
  IRRewriter rewriter(&getContext());
  SmallVector<memref::CopyOp> copies;
  getOperation().walk([&](memref::CopyOp copy) {
    auto isContiguous = [](Value value) {
      auto type = dyn_cast<MemRefType>(value.getType());
      return !type || type.getLayout().isIdentity();
    };
    if (!isInKernel(copy) &&
        !(isContiguous(copy.getSource()) && isContiguous(copy.getTarget())))
      copies.push_back(copy);
  });
  for (memref::CopyOp copy : copies) {
    rewriter.setInsertionPoint(copy);
    if (!copiesNothing(copy))
      linalg::makeMemRefCopyOp(rewriter, copy.getLoc(), copy.getSource(),
                               copy.getTarget());
    rewriter.eraseOp(copy);
  }
  SmallVector<linalg::LinalgOp> ops;
  SmallVector<memref::StoreOp> stores;
  getOperation().walk([&](Operation *op) {
    if (isInKernel(op))
      return;
    if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op))
      ops.push_back(linalgOp);
    else if (auto store = dyn_cast<memref::StoreOp>(op))
      stores.push_back(store);
  });
  for (linalg::LinalgOp op : ops)
    if (failed(launch(op)))
      return signalPassFailure();
  for (memref::StoreOp store : stores)
    launchStore(store);
  recordFailures();
}
