//===- CheckKernels.cpp - what a kernel may compute -----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-gpu-check-kernels: no function that LLVM would have to call.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/GPU/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

#define DEBUG_TYPE "attn-gpu-check-kernels"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNGPUCHECKKERNELSPASS
#include "attn/Target/GPU/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

/// Functions that take a few instructions at most, in any float type.
static constexpr StringLiteral kAnyWidth[] = {
    "math.absf",  "math.ceil",     "math.copysign",  "math.floor", "math.fma",
    "math.isinf", "math.isnan",    "math.roundeven", "math.rsqrt", "math.sqrt",
    "math.trunc", "math.isfinite", "math.round"};

/// Functions that have an instruction for f32 alone.
static constexpr StringLiteral kSingle[] = {"math.exp2"};

namespace {
struct CheckKernels : attn::impl::AttnGPUCheckKernelsPassBase<CheckKernels> {
  void runOnOperation() override;
};
} // namespace

static bool isComputable(Operation *op) {
  StringRef name = op->getName().getStringRef();
  Type type = getElementTypeOrSelf(op->getOperand(0).getType());
  return llvm::is_contained(kAnyWidth, name) || type.isIntOrIndex() ||
         (llvm::is_contained(kSingle, name) && type.isF32());
}

void CheckKernels::runOnOperation() {
  WalkResult result = getOperation().walk([&](Operation *op) {
    if (isa<func::CallOp, memref::AllocOp>(op)) {
      op->emitOpError("expected kernels without calls and allocations");
      return WalkResult::interrupt();
    }
    if (!isa_and_nonnull<math::MathDialect>(op->getDialect()))
      return WalkResult::advance();
    ++numChecked;
    if (isComputable(op))
      return WalkResult::advance();
    op->emitOpError("expected a function that a GPU computes without a "
                    "library, got it on ")
        << op->getOperand(0).getType();
    return WalkResult::interrupt();
  });
  if (result.wasInterrupted())
    signalPassFailure();
}
