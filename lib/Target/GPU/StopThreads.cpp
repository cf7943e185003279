//===- StopThreads.cpp - a failed assertion ends its thread ---------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-gpu-stop-threads: what an assertion guards is not done when it
// fails, and neither driver nor device is left in a state that cannot go on.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/GPU/Passes.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"

#define DEBUG_TYPE "attn-gpu-stop-threads"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNGPUSTOPTHREADSPASS
#include "attn/Target/GPU/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct StopThreads : attn::impl::AttnGPUStopThreadsPassBase<StopThreads> {
  void runOnOperation() override;
};
} // namespace

void StopThreads::runOnOperation() {
  for (auto kernel : getOperation().getOps<mlir::gpu::GPUFuncOp>()) {
    SmallVector<cf::AssertOp> assertions;
    kernel.walk(
        [&](cf::AssertOp assertion) { assertions.push_back(assertion); });
    if (assertions.empty())
      continue;
    Location loc = kernel.getLoc();
    auto *stop = new Block();
    kernel.getBody().push_back(stop);
    auto builder = OpBuilder::atBlockEnd(stop);
    mlir::gpu::ReturnOp::create(builder, loc);
    for (cf::AssertOp assertion : assertions) {
      Block *block = assertion->getBlock();
      if (block->getParent() != &kernel.getBody()) {
        assertion.emitOpError("expected an assertion outside of regions");
        return signalPassFailure();
      }
      Block *rest = block->splitBlock(assertion->getNextNode());
      builder.setInsertionPointToEnd(block);
      cf::CondBranchOp::create(builder, assertion.getLoc(), assertion.getArg(),
                               rest, stop);
      assertion.erase();
      ++numStops;
    }
  }
}
