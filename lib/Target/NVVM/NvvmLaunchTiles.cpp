//===- NvvmLaunchTiles.cpp - parallel loops over tiles as kernels ---------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pass attn-nvvm-launch-tiles: an iteration of a parallel loop becomes a block
// of threads. The emitters of the tile-level operations are in files of their
// own.
//
//===----------------------------------------------------------------------===//

#include "Launch.h"
#include "LinearStream.h"
#include "Lsh.h"
#include "PagedRows.h"
#include "ScoreModifier.h"
#include "WarpGroups.h"

#include "attn/Target/NVVM/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

#define DEBUG_TYPE "attn-nvvm-launch-tiles"

namespace mlir::attn::nvvm {
#define GEN_PASS_DEF_ATTNNVVMLAUNCHTILESPASS
#include "attn/Target/NVVM/Passes.h.inc"
} // namespace mlir::attn::nvvm

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

namespace {
/// Whether an operation has a kernel of its own in a launch.
bool isTile(Operation *op) {
  return op->hasTrait<TileLevel>() || isa<LinearStepOp>(op);
}

/// The tile-level operations of a loop, and the fills and copies around them.
SmallVector<Operation *> collectOps(scf::ForallOp loop) {
  SmallVector<Operation *> ops;
  loop.getBody()->walk([&](Operation *op) {
    if (isTile(op) ||
        isa<linalg::LinalgOp, memref::CopyOp, memref::AllocOp, memref::StoreOp>(
            op))
      ops.push_back(op);
  });
  return ops;
}

bool hasTiles(scf::ForallOp loop) {
  return llvm::any_of(collectOps(loop), isTile);
}

/// The operands of a tile-level operation that are parts of its state.
SmallVector<Value> getState(Operation *op) {
  return TypeSwitch<Operation *, SmallVector<Value>>(op)
      .Case<OnlineAttentionOp, MergeOp, FinalizeOp>([](auto one) {
        return SmallVector<Value>{one.getAcc(), one.getMax(), one.getSum()};
      })
      .Default([](Operation *) { return SmallVector<Value>(); });
}

} // namespace

bool attn::nvvm::isStatePart(Value memref) {
  return llvm::any_of(memref.getUsers(), [&](Operation *user) {
    return llvm::is_contained(getState(user), memref);
  });
}

bool attn::nvvm::isIdle(memref::CopyOp copy) {
  return copy.getSource() == copy.getTarget();
}

namespace {
/// A state that lives in registers.
bool isInRegisters(Value memref) {
  return memref.getDefiningOp<memref::AllocOp>() && isStatePart(memref);
}

LogicalResult verifyAcc(Operation *op, Value acc) {
  if (!isa<MemRefType>(acc.getType()))
    return op->emitOpError()
           << "expected memrefs, got " << acc.getType() << "; bufferise first";
  Type element = getElementTypeOrSelf(acc.getType());
  if (!element.isF32())
    return op->emitOpError()
           << "expected a state of f32 for this target, got " << element;
  return success();
}

LogicalResult verifyLinear(Operation *op, Value sum, Region &feature) {
  if (failed(verifyAcc(op, sum)))
    return failure();
  if (Operation *culprit = findUnsupported(feature))
    return culprit->emitOpError()
           << "expected only arithmetic in a feature region for this target";
  return success();
}

LogicalResult verifyEmittable(Operation *op) {
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case([](OnlineAttentionOp one) { return verifyOnline(one); })
      .Case<MergeOp, FinalizeOp>(
          [](auto one) { return verifyAcc(one, one.getAcc()); })
      .Case<LinearStateOp, LinearOutputOp, LinearChunkOp>([](auto one) {
        return verifyLinear(one, one.getSum(), one.getFeature());
      })
      .Case([](LinearStepOp one) {
        return verifyLinear(one, one.getFinal()[0], one.getFeature());
      })
      .Case([](LinearMergeOp one) { return verifyAcc(one, one.getSum()); })
      .Case([](ProjectOp one) { return verifyAcc(one, one.getAcc()); })
      .Case([](memref::AllocOp one) -> LogicalResult {
        if (!one.getType().hasStaticShape() ||
            !one.getType().getLayout().isIdentity())
          return one.emitOpError() << "expected scratch of a kernel to have a "
                                      "static shape for this target, got "
                                   << one.getType();
        return success();
      })
      .Case([](memref::CopyOp one) -> LogicalResult {
        if (!isIdle(one) &&
            (isInRegisters(one.getSource()) || isInRegisters(one.getTarget())))
          return one.emitOpError() << "expected no copies of the state of a "
                                      "softmax in a kernel for this target";
        return success();
      })
      .Case<memref::StoreOp, linalg::LinalgOp>(
          [](auto one) { return verifyElementwise(one); })
      .Default([](Operation *other) {
        return other->emitOpError()
               << "expected an operation that this target has a kernel for";
      });
}

/// Fragments that the rows of the largest state take, all heads of its group
/// together, and the columns of the widest.
std::pair<int64_t, int64_t> measureStates(ArrayRef<Operation *> ops) {
  int64_t rows = 0, columns = 0;
  for (Operation *op : ops)
    if (SmallVector<Value> state = getState(op); !state.empty()) {
      auto type = cast<MemRefType>(state[0].getType());
      rows = std::max(rows, type.getDimSize(0) * type.getDimSize(1));
      columns = std::max(columns, type.getDimSize(2));
    }
  return {llvm::divideCeil(rows, FragmentBuilder::fragmentRows), columns};
}

/// Whether what happens to scores leaves registers for twice the rows.
bool hasSimpleScores(OnlineAttentionOp op) {
  if (op.getBias() || op.getKeyValid() || op.getSoftcap() || op.getRelative() ||
      !op.getScoreMod().empty())
    return false;
  return !op.getMaskAttr() ||
         (op.getMaskAttr().isContiguous() &&
          cast<MemRefType>(op.getAcc().getType()).getDimSize(0) == 1);
}

/// Two fragments of rows for a warp read keys and values half as often as one,
/// if the accumulators still fit in registers and four warps are left.
int64_t chooseRowFragments(ArrayRef<Operation *> ops) {
  constexpr int64_t enough = 8, mostOf16Bits = 128, mostOf32Bits = 64;
  auto [fragments, columns] = measureStates(ops);
  int64_t most = mostOf16Bits;
  // The code of each range of keys has registers of its own.
  if (llvm::count_if(ops, llvm::IsaPred<OnlineAttentionOp>) > 1)
    return 1;
  for (Operation *op : ops)
    if (auto online = dyn_cast<OnlineAttentionOp>(op)) {
      if (!hasSimpleScores(online))
        return 1;
      if (getElementTypeOrSelf(online.getKey().getType()).isF32())
        most = mostOf32Bits;
    }
  return fragments >= enough && columns <= most ? 2 : 1;
}

/// One loop as a launch.
class Launcher {
public:
  Launcher(scf::ForallOp loop, ArrayRef<Operation *> ops, F32Products products,
           int64_t rowFragments, std::optional<WarpGroupPlan> warpGroups)
      : loop(loop), ops(ops), warpGroups(warpGroups), b(loop),
        loc(loop.getLoc()) {
    kernel.products = products;
    int64_t fragments = measureStates(ops).first;
    if (fragments == 0) {
      bool streams = llvm::any_of(ops, canStream);
      kernel.at.warps = streams ? StreamPlan::warps : defaultWarps;
      return;
    }
    kernel.rowFragments =
        rowFragments != 0 ? rowFragments : chooseRowFragments(ops);
    kernel.at.warps = llvm::divideCeil(fragments, kernel.rowFragments);
  }

  void build();

private:
  /// Of kernels that have no state in registers.
  static constexpr int64_t defaultWarps = 8;

  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(b, loc, value);
  }
  void buildLaunch(ArrayRef<Value> bounds, Value tasks);
  void allocateScratch(Value tasks);
  void placeScratch(Value task);

  scf::ForallOp loop;
  ArrayRef<Operation *> ops;
  std::optional<WarpGroupPlan> warpGroups; ///< for sm_90a
  OpBuilder b;
  Location loc;
  Kernel kernel;
  static constexpr int64_t scratchAlign = 256;
  Value scratch;            ///< of all blocks, if there is any
  int64_t scratchBytes = 0; ///< of one
  llvm::DenseMap<Operation *, int64_t> scratchAt;
};

void Launcher::build() {
  SmallVector<Value> bounds = loop.getUpperBound(b);
  Value tasks = index(1);
  for (Value bound : bounds)
    tasks = b.createOrFold<arith::MulIOp>(loc, tasks, bound);
  std::optional<int64_t> count = getConstantIntValue(tasks);
  if (count == 0)
    return;
  if (count)
    return buildLaunch(bounds, tasks);
  Value isAny =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sgt, tasks, index(0));
  auto branch = scf::IfOp::create(b, loc, isAny, /*withElseRegion=*/false);
  b.setInsertionPointToStart(branch.thenBlock());
  buildLaunch(bounds, tasks);
}

/// Memory for the scratch of all blocks.
void Launcher::allocateScratch(Value tasks) {
  for (Operation *op : ops)
    if (auto alloc = dyn_cast<memref::AllocOp>(op);
        alloc && !isStatePart(alloc)) {
      scratchAt[alloc] = scratchBytes;
      int64_t bits = alloc.getType().getNumElements() *
                     std::max(8u, alloc.getType().getElementTypeBitWidth());
      scratchBytes += llvm::alignTo(bits / 8, scratchAlign);
    }
  if (scratchBytes == 0)
    return;
  Value bytes = arith::MulIOp::create(b, loc, tasks, index(scratchBytes));
  auto type = MemRefType::get({ShapedType::kDynamic}, b.getI8Type());
  scratch = memref::AllocOp::create(b, loc, type, bytes,
                                    b.getI64IntegerAttr(scratchAlign));
}

/// The block's own scratch.
void Launcher::placeScratch(Value task) {
  if (!scratch)
    return;
  Value first = arith::MulIOp::create(b, loc, task, index(scratchBytes));
  for (Operation *op : ops)
    if (auto found = scratchAt.find(op); found != scratchAt.end()) {
      auto alloc = cast<memref::AllocOp>(op);
      Value at =
          b.createOrFold<arith::AddIOp>(loc, first, index(found->second));
      Value own = memref::ViewOp::create(b, loc, alloc.getType(), scratch, at,
                                         ValueRange());
      alloc.replaceAllUsesWith(own);
    }
}

void Launcher::buildLaunch(ArrayRef<Value> bounds, Value tasks) {
  allocateScratch(tasks);
  if (warpGroups)
    createMaps(b, ops, *warpGroups);
  Value one = index(1);
  auto launch = gpu::LaunchOp::create(
      b, loc, tasks, one, one, index(kernel.at.threads()), one, one,
      /*dynamicSharedMemorySize=*/
      arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(0)));
  if (llvm::none_of(ops, isTile))
    launch.setFunctionAttr(FlatSymbolRefAttr::get(b.getContext(), "scatter"));
  Operation *sharedSize = launch.getDynamicSharedMemorySize().getDefiningOp();
  Block &body = launch.getBody().front();
  b.setInsertionPointToStart(&body);
  kernel.dynamicShared = placeThread(b, loc, launch, kernel.at);
  // The last dimension runs fastest: blocks that start together share keys.
  IndexMath math(b, loc);
  SmallVector<Value> ids = delinearise(math, launch.getBlockIds().x, bounds);
  for (auto [id, variable] : llvm::zip_equal(ids, loop.getInductionVars()))
    variable.replaceAllUsesWith(id);
  for (Operation *op : ops)
    if (auto alloc = dyn_cast<memref::AllocOp>(op); alloc && isStatePart(alloc))
      keepInRegisters(b, alloc, kernel);
  placeScratch(launch.getBlockIds().x);
  gpu::TerminatorOp::create(b, loc);
  b.setInsertionPoint(body.getTerminator());
  if (warpGroups) {
    scf::IfOp branch =
        emitWarpGroups(b, loc, *loop.getBody(), kernel.at, *warpGroups);
    b.setInsertionPoint(branch.elseBlock()->getTerminator());
  }
  loop.getTerminator()->erase();
  b.getInsertionBlock()->getOperations().splice(
      b.getInsertionPoint(), loop.getBody()->getOperations());
  for (Operation *op : ops) {
    OpBuilder builder(op);
    emitTileOp(builder, op, kernel);
    if (!isa<memref::AllocOp>(op))
      op->erase();
  }
  sharedSize->setAttr("value", b.getI32IntegerAttr(kernel.sharedBytes));
}

} // namespace

void attn::nvvm::keepInRegisters(OpBuilder &b, memref::AllocOp alloc,
                                 Kernel &kernel) {
  int64_t count = StateAccess::countRegisters(kernel, alloc.getType());
  auto type = MemRefType::get({count}, alloc.getType().getElementType());
  kernel.registers[alloc] = memref::AllocaOp::create(b, alloc.getLoc(), type);
}

static void emitStateFill(OpBuilder &builder, linalg::FillOp op,
                          Kernel &kernel) {
  FragmentBuilder f(builder, op.getLoc(), kernel.at);
  Value memory = op.getOutputs()[0];
  auto type = cast<MemRefType>(memory.getType());
  if (type.getRank() == 2)
    type = MemRefType::get({type.getDimSize(0), type.getDimSize(1), 8},
                           type.getElementType());
  StateAccess(f, kernel, type).fill(memory, op.getInputs()[0]);
}

void attn::nvvm::emitTileOp(OpBuilder &b, Operation *op, Kernel &kernel) {
  TypeSwitch<Operation *>(op)
      .Case([&](OnlineAttentionOp one) { emitOnline(b, one, kernel); })
      .Case([&](FinalizeOp one) { emitFinalize(b, one, kernel); })
      .Case([&](MergeOp one) { emitMerge(b, one, kernel); })
      .Case([&](LinearStateOp one) { emitLinearState(b, one, kernel); })
      .Case([&](LinearOutputOp one) { emitLinearOutput(b, one, kernel); })
      .Case([&](LinearChunkOp one) { emitLinearChunk(b, one, kernel); })
      .Case([&](LinearMergeOp one) { emitLinearMerge(b, one, kernel); })
      .Case([&](LinearStepOp one) { emitLinearStep(b, one, kernel); })
      .Case([&](ProjectOp one) { emitProject(b, one, kernel); })
      .Case([&](linalg::FillOp one) {
        if (isStatePart(one.getOutputs()[0]))
          return emitStateFill(b, one, kernel);
        emitElementwise(b, one, kernel);
      })
      .Case([&](memref::CopyOp one) {
        if (!isIdle(one))
          emitElementwise(b, one, kernel);
      })
      .Case<memref::StoreOp, linalg::LinalgOp>(
          [&](auto one) { emitElementwise(b, one, kernel); })
      .Default([](Operation *) {});
}

namespace {
struct LaunchTilesPass
    : nvvm::impl::AttnNvvmLaunchTilesPassBase<LaunchTilesPass> {
  using AttnNvvmLaunchTilesPassBase::AttnNvvmLaunchTilesPassBase;

  void runOnOperation() override {
    if (rowFragments < 0 || rowFragments > 2) {
      getOperation().emitError() << "expected row-fragments of 0, 1 or 2, got "
                                 << rowFragments.getValue();
      return signalPassFailure();
    }
    constexpr int64_t step = 16, most = 128;
    if (keyTile < 0 || keyTile > most || keyTile % step != 0) {
      getOperation().emitError()
          << "expected key-tile to be a multiple of " << step << " up to "
          << most << ", got " << keyTile.getValue();
      return signalPassFailure();
    }
    if (keyTile != 0)
      getOperation().walk([&](OnlineAttentionOp op) {
        auto type = IntegerType::get(&getContext(), 64);
        op->setDiscardableAttr(kKeyTileAttr, IntegerAttr::get(type, keyTile));
      });
    SmallVector<scf::ForallOp> loops;
    getOperation().walk<WalkOrder::PreOrder>([&](scf::ForallOp loop) {
      if (!hasTiles(loop) && !isScatter(loop))
        return WalkResult::advance();
      loops.push_back(loop);
      return WalkResult::skip();
    });
    // All before the first launch, which nothing is known of.
    for (scf::ForallOp loop : loops)
      findPages(loop);
    for (scf::ForallOp loop : loops)
      if (failed(launch(loop)))
        return signalPassFailure();
    erasePagedCopies(getOperation());
    if (failed(launchSorted()))
      return signalPassFailure();
  }

  F32Products products() const {
    return tf32 ? F32Products::One : F32Products::Three;
  }

  /// The operations of sorted attention, which are about all tiles at once.
  LogicalResult launchSorted() {
    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      if (isSortedOp(op))
        ops.push_back(op);
    });
    for (Operation *op : ops) {
      if (failed(verifySortedOp(op)))
        return failure();
      OpBuilder builder(op);
      emitSortedOp(builder, op, products());
      op->erase();
      ++numEmitted;
    }
    return success();
  }

  auto missed(StringRef name, Operation *op) {
    return remark::missed(op->getLoc(),
                          remark::RemarkOpts::name(name)
                              .category(DEBUG_TYPE)
                              .function(getOperation().getName()));
  }

  void findPages(scf::ForallOp loop) {
    std::string reason;
    markPaged(loop, reason);
    if (!reason.empty())
      missed("CopiedPages", loop)
          << "rows in pages are copied in front of the kernel that reads them: "
          << reason;
  }

  /// The layout for warp groups, if the module is for sm_90a too.
  std::optional<WarpGroupPlan> planFor90a(ArrayRef<Operation *> ops) {
    auto module = getOperation()->getParentOfType<ModuleOp>();
    auto names = module ? module->getAttrOfType<ArrayAttr>("attn.sm") : nullptr;
    auto online = llvm::find_if(ops, llvm::IsaPred<OnlineAttentionOp>);
    if (!names || online == ops.end() ||
        !llvm::is_contained(names.getAsValueRange<StringAttr>(), "90a"))
      return std::nullopt;
    std::string reason;
    std::optional<WarpGroupPlan> plan = planWarpGroups(ops, reason);
    if (plan) {
      ++numWarpGroups;
      for (const std::string &text : plan->describeOtherCopies())
        missed("NoTensorMap", *online) << text;
      return plan;
    }
    missed("NoWarpGroups", *online)
        << "sm_90a runs the kernel of the other architectures, without warp "
           "group products: "
        << reason;
    return std::nullopt;
  }

  LogicalResult launch(scf::ForallOp loop) {
    if (loop.getNumResults() != 0)
      return loop.emitOpError()
             << "expected a loop on memrefs; bufferise first";
    if (!loop.isNormalized())
      return loop.emitOpError() << "expected a loop from 0 by steps of 1";
    SmallVector<Operation *> ops = collectOps(loop);
    for (Operation *op : ops)
      if (failed(verifyEmittable(op)))
        return failure();
    numEmitted += llvm::count_if(ops, isTile);
    auto scratch = llvm::filter_to_vector(ops, llvm::IsaPred<memref::AllocOp>);
    Launcher(loop, ops, products(), rowFragments, planFor90a(ops)).build();
    for (Operation *alloc : scratch)
      alloc->erase();
    loop.erase();
    ++numLaunched;
    return success();
  }
};
} // namespace

void attn::nvvm::addKernelPasses(OpPassManager &manager,
                                 const AttnNvvmLaunchTilesPassOptions &tiles) {
  manager.addNestedPass<func::FuncOp>(createAttnNvvmLaunchTilesPass(tiles));
  manager.addNestedPass<func::FuncOp>(createAttnNvvmLaunchProductsPass());
}
