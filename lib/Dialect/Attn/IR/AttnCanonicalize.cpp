//===- AttnCanonicalize.cpp - canonicalisation of attn operations ---------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Casts to less static shapes are folded into the operations that consume them.
// Upstream has the same pattern for every destination-style operation, but it
// clones regions in a way that fails on an empty one, such as that of attention
// without a score mod; ours comes first and moves the region instead.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
template <typename OpTy> struct FoldTensorCasts : OpRewritePattern<OpTy> {
  FoldTensorCasts(MLIRContext *context)
      : OpRewritePattern<OpTy>(context, /*benefit=*/2) {}

  LogicalResult matchAndRewrite(OpTy op,
                                PatternRewriter &rewriter) const override {
    if (!tensor::hasFoldableTensorCastOperand(op))
      return rewriter.notifyMatchFailure(op, "no cast that can be folded");
    SmallVector<Type> types(op->getResultTypes());
    SmallVector<Value> operands =
        tensor::getUpdatedOperandsAfterCastOpFolding(op, types);
    OperationState state(op.getLoc(), op->getName(), operands, types,
                         op->getAttrs());
    state.propertiesAttr = op->getPropertiesAsAttribute();
    for (unsigned i = 0; i < op->getNumRegions(); ++i)
      state.addRegion()->takeBody(op->getRegion(i));
    Operation *folded = rewriter.create(state);
    SmallVector<Value> results;
    for (auto [result, type] :
         llvm::zip_equal(folded->getResults(), op->getResultTypes()))
      results.push_back(
          result.getType() == type
              ? Value(result)
              : tensor::CastOp::create(rewriter, op.getLoc(), type, result));
    rewriter.replaceOp(op, results);
    return success();
  }
};

/// Parts of the keys without any key are left out; one part is no segment.
struct DropEmptySegments : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(AttentionOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getSegments().empty())
      return rewriter.notifyMatchFailure(op, "one part only");
    SmallVector<std::pair<Value, Value>> kept;
    auto parts = op.getKeyParts();
    for (auto [number, part] : llvm::enumerate(parts))
      if (getConstantIntValue(
              op.getPartExtent(rewriter, op.getLoc(), number)) != 0)
        kept.push_back(part);
    if (kept.size() == parts.size() || kept.empty())
      return rewriter.notifyMatchFailure(op, "no part is empty");
    rewriter.modifyOpInPlace(op, [&] {
      op.getKeyMutable().assign(kept.front().first);
      op.getValueMutable().assign(kept.front().second);
      SmallVector<Value> segments;
      for (auto [key, value] : ArrayRef(kept).drop_front())
        segments.append({key, value});
      op.getSegmentsMutable().assign(segments);
    });
    return success();
  }
};
} // namespace

void AttentionOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                              MLIRContext *context) {
  patterns.add<FoldTensorCasts<AttentionOp>, DropEmptySegments>(context);
}

void OnlineAttentionOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                                    MLIRContext *context) {
  patterns.add<FoldTensorCasts<OnlineAttentionOp>>(context);
}

void OnlinePackedOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                                 MLIRContext *context) {
  patterns.add<FoldTensorCasts<OnlinePackedOp>>(context);
}

void LshAttentionOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                                 MLIRContext *context) {
  patterns.add<FoldTensorCasts<LshAttentionOp>>(context);
}
