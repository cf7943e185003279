//===- AttnCanonicalize.cpp - canonicalisation of attn operations ---------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What changes nothing is left out: empty parts of the keys, and operands that
// are neutral. Casts to less static shapes are folded into the operations that
// consume them. Upstream has the same pattern for every destination-style
// operation, but it clones regions in a way that fails on an empty one, such as
// that of attention without a score mod; ours comes first and moves the region
// instead.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
struct FoldTensorCasts
    : OpInterfaceRewritePattern<DestinationStyleOpInterface> {
  FoldTensorCasts(MLIRContext *context)
      : OpInterfaceRewritePattern(context, /*benefit=*/2) {}

  LogicalResult matchAndRewrite(DestinationStyleOpInterface op,
                                PatternRewriter &rewriter) const override {
    if (!isa_and_nonnull<AttnDialect>(op->getDialect()) ||
        !tensor::hasFoldableTensorCastOperand(op))
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

/// Whether a part of the keys is known to have none.
bool isEmptyPart(AttentionOp op, std::pair<Value, Value> part) {
  AffineExpr j = getAffineDimExpr(AttentionOp::kKey, op.getContext());
  for (auto [operand, map] : {std::pair(part.first, op.getKeyMap()),
                              std::pair(part.second, op.getValueMap())})
    if (std::optional<unsigned> position = map.getResultPosition(j);
        position &&
        cast<RankedTensorType>(operand.getType()).getDimSize(*position) == 0)
      return true;
  return false;
}

/// Parts of the keys without any key are left out; one part is no segment.
struct DropEmptySegments : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(AttentionOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getSegments().empty())
      return rewriter.notifyMatchFailure(op, "one part only");
    SmallVector<std::pair<Value, Value>> parts = op.getKeyParts();
    SmallVector<std::pair<Value, Value>> kept = llvm::filter_to_vector(
        parts, [&](auto part) { return !isEmptyPart(op, part); });
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

/// A bias of zeros, keys that are all valid, and a score mod that yields the
/// score are left out: the kernel would touch every score for them.
struct DropNeutralOperands : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(AttentionOp op,
                                PatternRewriter &rewriter) const override {
    bool hasZeroBias = op.getBias() &&
                       matchPattern(op.getBias(), m_AnyZeroFloat()) &&
                       !hasOwnExtent(op, op.getBiasMap());
    bool areAllValid = op.getKeyValid() &&
                       matchPattern(op.getKeyValid(), m_One()) &&
                       !hasOwnExtent(op, op.getKeyValidMap());
    Region &mod = op.getScoreMod();
    bool isIdentity =
        !mod.empty() && cast<YieldOp>(mod.front().getTerminator()).getValue() ==
                            mod.front().getArgument(0);
    if (!hasZeroBias && !areAllValid && !isIdentity)
      return rewriter.notifyMatchFailure(op, "nothing that is neutral");
    rewriter.modifyOpInPlace(op, [&] {
      SmallVector<Attribute> maps(op.getIndexingMaps().getValue());
      // Maps lie as operands do; the later goes first.
      if (areAllValid) {
        maps.erase(maps.begin() +
                   op.getKeyValidMutable().begin()->getOperandNumber());
        op.getKeyValidMutable().clear();
      }
      if (hasZeroBias) {
        maps.erase(maps.begin() +
                   op.getBiasMutable().begin()->getOperandNumber());
        op.getBiasMutable().clear();
      }
      op.setIndexingMapsAttr(rewriter.getArrayAttr(maps));
      if (isIdentity)
        mod.getBlocks().clear();
    });
    return success();
  }

private:
  /// Whether only this operand says how far a dimension goes, or that there is
  /// one: a batch that key_valid alone has is part of the domain.
  static bool hasOwnExtent(AttentionOp op, AffineMap map) {
    return llvm::any_of(map.getResults(), [&](AffineExpr expr) {
      unsigned dim = AttentionOp::getDimOf(expr);
      return dim < AttentionOp::kQuery &&
             !op.getQueryMap().isFunctionOfDim(dim) &&
             !op.getKeyMap().isFunctionOfDim(dim) &&
             !op.getValueMap().isFunctionOfDim(dim);
    });
  }
};
} // namespace

void AttentionOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                              MLIRContext *context) {
  patterns.add<DropEmptySegments, DropNeutralOperands>(context);
}

void AttnDialect::getCanonicalizationPatterns(
    RewritePatternSet &patterns) const {
  patterns.add<FoldTensorCasts>(patterns.getContext());
}
