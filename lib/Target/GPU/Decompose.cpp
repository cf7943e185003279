//===- Decompose.cpp - what has no kernel of its own ----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-gpu-decompose: every form runs on a GPU, the sooner or later
// by a kernel made for it, and until then by its meaning.
//
//===----------------------------------------------------------------------===//

#include "attn/Conversion/AttnToLinalg/AttnToLinalg.h"
#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Target/GPU/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"

#define DEBUG_TYPE "attn-gpu-decompose"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNGPUDECOMPOSEPASS
#include "attn/Target/GPU/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

/// The widest head that the kernel of the streaming softmax takes.
static constexpr int64_t kMostColumns = 256;

namespace {
struct Decompose : attn::impl::AttnGPUDecomposePassBase<Decompose> {
  void getDependentDialects(DialectRegistry &registry) const override {
    AttnGPUDecomposePassBase::getDependentDialects(registry);
    registerDecompositionExternalModels(registry);
  }
  void runOnOperation() override;
};
} // namespace

/// Whether a value of the attention's scores is made by arithmetic alone.
static bool isArithmetic(Region &scoreMod) {
  bool plain = true;
  scoreMod.walk([&](Operation *op) {
    plain &= op->hasTrait<OpTrait::IsTerminator>() ||
             isa_and_nonnull<arith::ArithDialect, math::MathDialect>(
                 op->getDialect());
  });
  return plain;
}

static bool hasKernel(Operation *op) {
  auto attention = dyn_cast<AttentionOp>(op);
  if (!attention || attention.getRelative() ||
      !isArithmetic(attention.getScoreMod()))
    return false;
  for (Value operand : {attention.getKey(), attention.getValue()}) {
    auto type = cast<RankedTensorType>(operand.getType());
    Type element = type.getElementType();
    int64_t columns = type.getShape().back();
    if (!(element.isF16() || element.isBF16() || element.isF32()) ||
        columns > kMostColumns)
      return false;
  }
  return true;
}

void Decompose::runOnOperation() {
  SmallVector<linalg::AggregatedOpInterface> ops;
  getOperation().walk([&](linalg::AggregatedOpInterface op) {
    if (isDecomposable(op) && !hasKernel(op))
      ops.push_back(op);
  });
  IRRewriter rewriter(&getContext());
  for (linalg::AggregatedOpInterface op : ops) {
    remark::missed(op->getLoc(), remark::RemarkOpts::name("NoKernel")
                                     .category(DEBUG_TYPE)
                                     .function(getOperation().getName()))
        << op->getName().getStringRef()
        << " has no kernel for GPUs; it runs as linear algebra, with all its "
           "intermediate values in memory";
    rewriter.setInsertionPoint(op);
    FailureOr<SmallVector<Value>> results = op.decomposeOperation(rewriter);
    if (failed(results))
      return signalPassFailure();
    rewriter.replaceOp(op, *results);
    ++numDecomposed;
  }
}
