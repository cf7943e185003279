//===- FuseElementwise.cpp - fewer kernels between products ---------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-gpu-fuse-elementwise: upstream's fusion, which leaves products
// as they are.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/GPU/Passes.h"
#include "attn/Target/NVVM/Kernels.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

#define DEBUG_TYPE "attn-gpu-fuse-elementwise"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNGPUFUSEELEMENTWISEPASS
#include "attn/Target/GPU/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct FuseElementwise
    : attn::impl::AttnGPUFuseElementwisePassBase<FuseElementwise> {
  void runOnOperation() override;
};
} // namespace

/// Whether an operation does nothing but move elements or widen them, as
/// kernels of products do at no cost.
static bool onlyMovesOrWidens(Operation *op) {
  auto generic = dyn_cast<linalg::GenericOp>(op);
  if (!generic || generic.getNumDpsInputs() != 1)
    return false;
  Block &body = generic.getRegion().front();
  Value result = body.getTerminator()->getOperand(0);
  if (auto extension = result.getDefiningOp<arith::ExtFOp>())
    result = extension.getIn();
  return result == body.getArgument(0);
}

/// What a product would compute again for each of its rows or columns stays
/// outside.
static bool shouldFuse(OpOperand *operand) {
  Operation *producer = operand->get().getDefiningOp();
  if (!producer || !producer->hasOneUse())
    return false;
  return !nvvm::addsProducts(operand->getOwner()) ||
         onlyMovesOrWidens(producer);
}

void FuseElementwise::runOnOperation() {
  MLIRContext *context = &getContext();
  int64_t before = 0, after = 0;
  auto count = [&](int64_t &number) {
    getOperation().walk([&](linalg::GenericOp) { ++number; });
  };
  SmallVector<linalg::TransposeOp> transpositions;
  getOperation().walk(
      [&](linalg::TransposeOp op) { transpositions.push_back(op); });
  IRRewriter rewriter(context);
  for (linalg::TransposeOp op : transpositions) {
    rewriter.setInsertionPoint(op);
    if (failed(linalg::generalizeNamedOp(rewriter, op)))
      return signalPassFailure();
  }
  count(before);
  RewritePatternSet patterns(context);
  linalg::populateElementwiseOpsFusionPatterns(patterns, shouldFuse);
  linalg::populateFoldReshapeOpsByExpansionPatterns(patterns, shouldFuse);
  affine::AffineApplyOp::getCanonicalizationPatterns(patterns, context);
  linalg::GenericOp::getCanonicalizationPatterns(patterns, context);
  tensor::ExpandShapeOp::getCanonicalizationPatterns(patterns, context);
  tensor::CollapseShapeOp::getCanonicalizationPatterns(patterns, context);
  context->getLoadedDialect<linalg::LinalgDialect>()
      ->getCanonicalizationPatterns(patterns);
  linalg::populateConstantFoldLinalgOperations(patterns, shouldFuse);
  if (failed(applyPatternsGreedily(
          getOperation(), std::move(patterns),
          GreedyRewriteConfig().setUseTopDownTraversal())))
    return signalPassFailure();
  count(after);
  numFused += std::max<int64_t>(0, before - after);
}
