//===- CpuLowerTiles.cpp - tile-level operations to vectors ---------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pass attn-cpu-lower-tiles: calls the emitter of each tile-level operation.
// The emitters are in files of their own.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Kernels.h"
#include "attn/Target/CPU/Passes.h"
#include "attn/Target/CPU/VectorizeBlock.h"

#include "mlir/Dialect/AMX/AMXDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/X86Vector/X86VectorDialect.h"
#include "llvm/ADT/TypeSwitch.h"

#define DEBUG_TYPE "attn-cpu-lower-tiles"

namespace mlir::attn::cpu {
#define GEN_PASS_DEF_ATTNCPULOWERTILESPASS
#include "attn/Target/CPU/Passes.h.inc"
} // namespace mlir::attn::cpu

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

namespace {
/// Whether the emitters can take the operation; says what stands against it.
LogicalResult verifyEmittable(Operation *op) {
  for (Value operand : op->getOperands())
    if (isa<RankedTensorType>(operand.getType()))
      return op->emitOpError() << "expected memrefs, got " << operand.getType()
                               << "; bufferise first";
  if (isa<HashOp, LshChunksOp>(op))
    for (Value operand : op->getOperands())
      if (Type element = getElementTypeOrSelf(operand.getType());
          element.isF16() || element.isBF16())
        return op->emitOpError()
               << "expected vectors of f32 or f64 for this target, got "
               << element;
  if (op->getNumRegions() == 0 || op->getRegion(0).empty())
    return success();
  bool isFeature =
      isa<LinearStateOp, LinearOutputOp, LinearChunkOp, LinearStepOp>(op);
  if (Operation *culprit = findUnvectorizable(op->getRegion(0).front()))
    return culprit->emitOpError()
           << "expected only elementwise operations and constants in a "
           << (isFeature ? "feature region" : "score_mod")
           << " for this target";
  return success();
}

/// Emits the operation's kernel where it stands.
LogicalResult emitKernel(KernelBuilder &k, Operation *op,
                         const CpuTarget &target) {
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](OnlinePackedOp one) {
        emitOnlinePacked(k, one, target);
        return success();
      })
      .Case([&](PackOp one) {
        emitPack(k, one, target);
        return success();
      })
      .Case([&](HashOp one) {
        emitHash(k, one, target);
        return success();
      })
      .Case([&](BucketSortOp one) {
        emitBucketSort(k, one);
        return success();
      })
      .Case([&](RankSortOp one) {
        emitRankSort(k, one);
        return success();
      })
      .Case([&](LshChunksOp one) {
        emitLshChunks(k, one, target);
        return success();
      })
      .Case([&](FinalizeOp one) {
        emitFinalize(k, one, target);
        return success();
      })
      .Case([&](MergeOp one) {
        emitMerge(k, one, target);
        return success();
      })
      .Case([&](ProjectOp one) {
        emitProject(k, one, target);
        return success();
      })
      .Case([&](LinearStateOp one) {
        emitLinearState(k, one, target);
        return success();
      })
      .Case([&](LinearOutputOp one) {
        emitLinearOutput(k, one, target);
        return success();
      })
      .Case([&](LinearChunkOp one) {
        emitLinearChunk(k, one, target);
        return success();
      })
      .Case([&](LinearMergeOp one) {
        emitLinearMerge(k, one, target);
        return success();
      })
      .Case([&](LinearStepOp one) { return emitLinearStep(k, one, target); })
      .Default([](Operation *other) {
        return other->emitOpError()
               << "expected an operation that this target has a kernel for";
      });
}

struct LowerTilesPass : cpu::impl::AttnCpuLowerTilesPassBase<LowerTilesPass> {
  using AttnCpuLowerTilesPassBase::AttnCpuLowerTilesPassBase;

  void runOnOperation() override {
    FailureOr<CpuTarget> described =
        getCpuTarget(getOperation(), vectorBits, bf16Dot, amxBf16);
    if (failed(described))
      return signalPassFailure();
    const CpuTarget &target = *described;
    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      // What works row by row is emitted with the linalg around it; one token
      // of linear attention is of both levels.
      if ((op->hasTrait<TileLevel>() && !isa<RowWiseOpInterface>(op)) ||
          isa<LinearStepOp>(op))
        ops.push_back(op);
    });
    for (Operation *op : ops) {
      IRRewriter rewriter(op);
      KernelBuilder k(rewriter, op->getLoc());
      if (failed(verifyEmittable(op)) || failed(emitKernel(k, op, target)))
        return signalPassFailure();
      rewriter.eraseOp(op);
      ++numLowered;
    }
  }
};
} // namespace
