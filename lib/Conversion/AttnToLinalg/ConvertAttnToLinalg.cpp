//===- ConvertAttnToLinalg.cpp - the pass convert-attn-to-linalg ----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Replaces attn operations on tensors by their decompositions, which are built
// in the files beside this one.
//
//===----------------------------------------------------------------------===//

#include "attn/Conversion/AttnToLinalg/AttnToLinalg.h"
#include "attn/Conversion/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/Support/DebugLog.h"

#define DEBUG_TYPE "convert-attn-to-linalg"

namespace mlir::attn {
#define GEN_PASS_DEF_CONVERTATTNTOLINALGPASS
#include "attn/Conversion/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct ConvertAttnToLinalgPass
    : public mlir::attn::impl::ConvertAttnToLinalgPassBase<
          ConvertAttnToLinalgPass> {
  void getDependentDialects(DialectRegistry &registry) const override {
    ConvertAttnToLinalgPassBase::getDependentDialects(registry);
    registerDecompositionExternalModels(registry);
  }

  void runOnOperation() override {
    SmallVector<linalg::AggregatedOpInterface> ops;
    getOperation()->walk([&](linalg::AggregatedOpInterface op) {
      if (isDecomposable(op))
        ops.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    for (linalg::AggregatedOpInterface op : ops) {
      LDBG() << "decomposing " << *op;
      if (failed(replaceByDecomposition(rewriter, op)))
        return signalPassFailure();
      ++numDecomposed;
    }
  }
};
} // namespace
