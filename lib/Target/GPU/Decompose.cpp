//===- Decompose.cpp - what has no kernel of its own ----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-gpu-decompose: every form runs on a GPU, the sooner or later
// by a kernel made for it, and until then by its meaning.
//
//===----------------------------------------------------------------------===//

#include "SliceRows.h"

#include "attn/Conversion/AttnToLinalg/AttnToLinalg.h"
#include "attn/Target/GPU/Passes.h"
#include "attn/Target/NVVM/Kernels.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"

#define DEBUG_TYPE "attn-gpu-decompose"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNGPUDECOMPOSEPASS
#include "attn/Target/GPU/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct Decompose : attn::impl::AttnGPUDecomposePassBase<Decompose> {
  void getDependentDialects(DialectRegistry &registry) const override {
    AttnGPUDecomposePassBase::getDependentDialects(registry);
    registerDecompositionExternalModels(registry);
  }
  void runOnOperation() override;
};
} // namespace

void Decompose::runOnOperation() {
  SmallVector<linalg::AggregatedOpInterface> ops;
  getOperation().walk([&](linalg::AggregatedOpInterface op) {
    if (isDecomposable(op) && !nvvm::hasKernel(op))
      ops.push_back(op);
  });
  IRRewriter rewriter(&getContext());
  for (linalg::AggregatedOpInterface op : ops) {
    if (auto layer = dyn_cast<FeedForwardOp>(op.getOperation())) {
      // Its products have kernels, and activations are part of the first.
      if (failed(replaceByDecomposition(
              rewriter, cast<linalg::AggregatedOpInterface>(
                            sliceRows(rewriter, layer).getOperation()))))
        return signalPassFailure();
      ++numDecomposed;
      continue;
    }
    remark::missed(op->getLoc(), remark::RemarkOpts::name("NoKernel")
                                     .category(DEBUG_TYPE)
                                     .function(getOperation().getName()))
        << remark::reason("{0} has no kernel for GPUs: {1}; it runs as linear "
                          "algebra, with all its intermediate values in memory",
                          op->getName().getStringRef(),
                          nvvm::findKernelObstacle(op));
    if (failed(replaceByDecomposition(rewriter, op)))
      return signalPassFailure();
    ++numDecomposed;
  }
}
