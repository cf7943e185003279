//===- Decompositions.cpp - which operations decompose --------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// External models of linalg's interface for aggregates, kept out of the
// dialect's own library so that reading IR needs no linalg.
//
//===----------------------------------------------------------------------===//

#include "Decompositions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/DialectRegistry.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
template <typename Op, SmallVector<Value> (*decompose)(OpBuilder &, Op)>
struct Decomposition
    : linalg::AggregatedOpInterface::ExternalModel<Decomposition<Op, decompose>,
                                                   Op> {
  FailureOr<SmallVector<Value>> decomposeOperation(Operation *op,
                                                   OpBuilder &builder) const {
    return decompose(builder, cast<Op>(op));
  }
};

template <typename Op, SmallVector<Value> (*decompose)(OpBuilder &, Op)>
void attach(MLIRContext *context) {
  Op::template attachInterface<Decomposition<Op, decompose>>(*context);
}

SmallVector<Value> drawProjection(OpBuilder &builder, GaussianProjectionOp op) {
  return {arith::ConstantOp::create(builder, op.getLoc(), op.draw())};
}
} // namespace

bool mlir::attn::isDecomposable(Operation *op) {
  auto inPlace = dyn_cast<DestinationStyleOpInterface>(op);
  return isa_and_nonnull<AttnDialect>(op->getDialect()) &&
         isa<linalg::AggregatedOpInterface>(op) &&
         (!inPlace || inPlace.hasPureTensorSemantics());
}

void mlir::attn::registerDecompositionExternalModels(
    DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, AttnDialect *) {
    attach<AsymmetricLshAttentionOp, decomposeAsymmetricLsh>(context);
    attach<AttentionOp, decomposeAttention>(context);
    attach<OnlineAttentionOp, decomposeOnlineAttention>(context);
    attach<OnlinePackedOp, decomposeOnlinePacked>(context);
    attach<PackOp, decomposePack>(context);
    attach<FeedForwardOp, decomposeFeedForward>(context);
    attach<LinearAttentionOp, decomposeLinear>(context);
    attach<LinearStepOp, decomposeLinearStep>(context);
    attach<LshAttentionOp, decomposeLsh>(context);
    attach<MergeOp, decomposeMerge>(context);
    attach<FinalizeOp, decomposeFinalize>(context);
    attach<GatherPagesOp, decomposeGatherPages>(context);
    attach<LowRankAttentionOp, decomposeLowRankAttention>(context);
    attach<RotaryOp, decomposeRotary>(context);
    attach<SinusoidOp, decomposeSinusoid>(context);
    attach<AlibiOp, decomposeAlibi>(context);
    attach<BucketBiasOp, decomposeBucketBias>(context);
    attach<CompressOp, decomposeCompress>(context);
    attach<UpdateMemoryOp, decomposeUpdateMemory>(context);
    attach<GaussianProjectionOp, drawProjection>(context);
  });
}

LogicalResult
mlir::attn::replaceByDecomposition(RewriterBase &rewriter,
                                   linalg::AggregatedOpInterface op) {
  rewriter.setInsertionPoint(op);
  FailureOr<SmallVector<Value>> results = op.decomposeOperation(rewriter);
  if (failed(results))
    return failure();
  rewriter.replaceOp(op, *results);
  return success();
}
