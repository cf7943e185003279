//===- AttnImport.cpp - the pass attn-import ------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs the rewrites of the import phase and rejects what they cannot replace.
//
//===----------------------------------------------------------------------===//

#include "Patterns.h"

#include "attn/Import/Passes.h"
#include "attn/Import/TmTensor.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/Support/DebugLog.h"

#define DEBUG_TYPE "attn-import"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNIMPORTPASS
#include "attn/Import/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct AttnImportPass
    : public mlir::attn::impl::AttnImportPassBase<AttnImportPass> {
  void runOnOperation() override {
    unsigned before = countForeign();
    RewritePatternSet patterns(&getContext());
    populateTmTensorPatterns(patterns);
    populateShapePatterns(patterns);
    populateCollapsePatterns(patterns);
    populateConstantPatterns(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      return signalPassFailure();
    numReplaced += before - countForeign();
    bool rejected = false;
    getOperation()->walk([&](Operation *op) {
      if (!isForeign(op) || isa<tm_tensor::YieldOp>(op))
        return;
      op->emitError("expected an operation that can be imported, got '")
          << op->getName() << "'";
      rejected = true;
    });
    if (rejected)
      signalPassFailure();
  }

private:
  static bool isForeign(Operation *op) {
    return isa_and_nonnull<tm_tensor::TmTensorDialect>(op->getDialect());
  }

  unsigned countForeign() {
    unsigned count = 0;
    getOperation()->walk([&](Operation *op) {
      count += isForeign(op) && !isa<tm_tensor::YieldOp>(op);
    });
    return count;
  }
};
} // namespace
