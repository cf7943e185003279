//===- BufferizableOpInterfaceImpl.cpp - from tensors to memrefs ----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How the tile-level operations bufferise: in place on their destinations, as
// operations without results. What tells them apart is whether a destination's
// old contents are read, since contents that nobody reads need no copy.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/Interfaces/BufferizableOpInterfaceImpl.h"
#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.h"
#include "mlir/Dialect/Bufferization/IR/DstBufferizableOpInterfaceImpl.h"
#include "mlir/IR/DialectRegistry.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::bufferization;

namespace {
/// The same operation on the buffers of its operands; its results become the
/// buffers of its destinations.
LogicalResult bufferizeTileOp(DestinationStyleOpInterface op,
                              RewriterBase &rewriter,
                              const BufferizationOptions &options,
                              BufferizationState &state) {
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPoint(op);
  if (op.hasPureBufferSemantics())
    return success();
  if (!op.hasPureTensorSemantics())
    return op->emitOpError()
           << "expected all operands to be tensors, or all memrefs";

  SmallVector<Value> operands;
  for (Value operand : op->getOperands()) {
    if (!isa<TensorType>(operand.getType())) {
      operands.push_back(operand);
      continue;
    }
    FailureOr<Value> buffer = getBuffer(rewriter, operand, options, state);
    if (failed(buffer))
      return failure();
    operands.push_back(*buffer);
  }

  OperationState newState(op.getLoc(), op->getName(), operands, TypeRange(),
                          op->getAttrs());
  for (unsigned i = 0, end = op->getNumRegions(); i < end; ++i)
    newState.addRegion();
  Operation *newOp = rewriter.create(newState);
  for (auto [region, newRegion] :
       llvm::zip_equal(op->getRegions(), newOp->getRegions()))
    rewriter.inlineRegionBefore(region, newRegion, newRegion.begin());

  SmallVector<Value> buffers;
  for (Value init : cast<DestinationStyleOpInterface>(newOp).getDpsInits())
    buffers.push_back(init);
  replaceOpWithBufferizedValues(rewriter, op, buffers);
  return success();
}

/// Methods are those of `Model`, which may add to the ones here.
template <typename Model, typename OpTy, bool readsInits>
struct TileOpModelBase
    : public DstBufferizableOpInterfaceExternalModel<Model, OpTy> {
  bool bufferizesToMemoryRead(Operation *op, OpOperand &operand,
                              const AnalysisState &) const {
    return readsInits ||
           !cast<DestinationStyleOpInterface>(op).isDpsInit(&operand);
  }

  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &options,
                          BufferizationState &state) const {
    return bufferizeTileOp(cast<DestinationStyleOpInterface>(op), rewriter,
                           options, state);
  }
};

template <typename OpTy, bool readsInits>
struct TileOpModel
    : TileOpModelBase<TileOpModel<OpTy, readsInits>, OpTy, readsInits> {};

/// A state may be updated where it is: every element is read before it is
/// written.
struct LinearStepModel
    : TileOpModelBase<LinearStepModel, LinearStepOp, /*readsInits=*/false> {
  bool bufferizesToElementwiseAccess(Operation *op, const AnalysisState &,
                                     ArrayRef<OpOperand *> operands) const {
    auto step = cast<LinearStepOp>(op);
    return llvm::all_of(operands, [&](OpOperand *operand) {
      return llvm::is_contained(step.getInitial(), operand->get()) ||
             llvm::is_contained(step.getFinal(), operand->get());
    });
  }
};
} // namespace

void mlir::attn::registerBufferizableOpInterfaceExternalModels(
    DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, AttnDialect *) {
    OnlineAttentionOp::attachInterface<
        TileOpModel<OnlineAttentionOp, /*readsInits=*/true>>(*context);
    OnlinePackedOp::attachInterface<
        TileOpModel<OnlinePackedOp, /*readsInits=*/true>>(*context);
    MergeOp::attachInterface<TileOpModel<MergeOp, /*readsInits=*/false>>(
        *context);
    FinalizeOp::attachInterface<TileOpModel<FinalizeOp, /*readsInits=*/false>>(
        *context);
    HashOp::attachInterface<TileOpModel<HashOp, /*readsInits=*/false>>(
        *context);
    BucketSortOp::attachInterface<
        TileOpModel<BucketSortOp, /*readsInits=*/false>>(*context);
    RankSortOp::attachInterface<TileOpModel<RankSortOp, /*readsInits=*/false>>(
        *context);
    LshChunksOp::attachInterface<
        TileOpModel<LshChunksOp, /*readsInits=*/false>>(*context);
    ProjectOp::attachInterface<TileOpModel<ProjectOp, /*readsInits=*/true>>(
        *context);
    LinearStateOp::attachInterface<
        TileOpModel<LinearStateOp, /*readsInits=*/true>>(*context);
    LinearOutputOp::attachInterface<
        TileOpModel<LinearOutputOp, /*readsInits=*/false>>(*context);
    LinearChunkOp::attachInterface<
        TileOpModel<LinearChunkOp, /*readsInits=*/true>>(*context);
    LinearStepOp::attachInterface<LinearStepModel>(*context);
    LinearMergeOp::attachInterface<
        TileOpModel<LinearMergeOp, /*readsInits=*/true>>(*context);
    PackOp::attachInterface<TileOpModel<PackOp, /*readsInits=*/false>>(
        *context);
    PackedMatmulOp::attachInterface<
        TileOpModel<PackedMatmulOp, /*readsInits=*/false>>(*context);
    PackedFeedForwardOp::attachInterface<
        TileOpModel<PackedFeedForwardOp, /*readsInits=*/false>>(*context);
  });
}
