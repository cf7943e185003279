//===- CpuLowerTiles.cpp - tile-level operations to vectors
//------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pass attn-cpu-lower-tiles: calls the emitter of each tile-level operation.
// The emitters are in files of their own.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Kernels.h"
#include "attn/Target/CPU/Passes.h"
#include "attn/Target/CPU/VectorizeBlock.h"

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
  if (op->getNumRegions() == 1 && !op->getRegion(0).empty())
    if (Operation *culprit = findUnvectorizable(op->getRegion(0).front()))
      return culprit->emitOpError() << "expected only elementwise operations "
                                       "and constants in a score_mod for this "
                                       "target";
  if (isa<LinearStateOp, LinearOutputOp, LinearChunkOp>(op) &&
      !op->getRegion(0).empty())
    if (Operation *culprit = findUnvectorizable(op->getRegion(0).front()))
      return culprit->emitOpError() << "expected only elementwise operations "
                                       "and constants in a feature region for "
                                       "this target";
  return success();
}

struct LowerTilesPass : cpu::impl::AttnCpuLowerTilesPassBase<LowerTilesPass> {
  using AttnCpuLowerTilesPassBase::AttnCpuLowerTilesPassBase;

  void runOnOperation() override {
    FailureOr<CpuTarget> described =
        getCpuTarget(getOperation(), vectorBits, bf16Dot);
    if (failed(described))
      return signalPassFailure();
    const CpuTarget &target = *described;
    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      if (isa<OnlinePackedOp, PackOp, FinalizeOp, MergeOp, HashOp, BucketSortOp,
              LshChunksOp, ProjectOp, LinearStateOp, LinearOutputOp,
              LinearChunkOp, LinearMergeOp>(op))
        ops.push_back(op);
    });
    for (Operation *op : ops) {
      if (failed(verifyEmittable(op)))
        return signalPassFailure();
      IRRewriter rewriter(op);
      KernelBuilder k(rewriter, op->getLoc());
      TypeSwitch<Operation *>(op)
          .Case([&](OnlinePackedOp packed) {
            emitOnlinePacked(k, packed, target);
          })
          .Case([&](PackOp pack) { emitPack(k, pack, target); })
          .Case([&](HashOp hash) { emitHash(k, hash, target); })
          .Case([&](BucketSortOp sort) { emitBucketSort(k, sort); })
          .Case([&](LshChunksOp chunks) { emitLshChunks(k, chunks, target); })
          .Case([&](FinalizeOp finalize) { emitFinalize(k, finalize, target); })
          .Case([&](MergeOp merge) { emitMerge(k, merge, target); })
          .Case([&](ProjectOp project) { emitProject(k, project, target); })
          .Case([&](LinearStateOp one) { emitLinearState(k, one, target); })
          .Case([&](LinearOutputOp one) { emitLinearOutput(k, one, target); })
          .Case([&](LinearChunkOp one) { emitLinearChunk(k, one, target); })
          .Case([&](LinearMergeOp one) { emitLinearMerge(k, one, target); });
      rewriter.eraseOp(op);
      ++numLowered;
    }
  }
};
} // namespace
