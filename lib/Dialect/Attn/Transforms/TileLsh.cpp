//===- TileLsh.cpp - LSH attention as hash, sort and gathered chunks ------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pass attn-tile-lsh. What the kernels do not cover is computed in the dense
// form that is the operation's meaning.
//
//===----------------------------------------------------------------------===//

#include "attn/Conversion/AttnToLinalg/AttnToLinalg.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#define DEBUG_TYPE "attn-tile-lsh"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNTILELSHPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct TileLshPass : attn::impl::AttnTileLshPassBase<TileLshPass> {
  void runOnOperation() override {
    SmallVector<LshAttentionOp> ops;
    getOperation().walk([&](LshAttentionOp op) { ops.push_back(op); });
    for (LshAttentionOp op : ops) {
      IRRewriter rewriter(op);
      rewriter.replaceOp(op, decomposeLsh(rewriter, op));
      ++numDense;
    }
  }
};
} // namespace
