//===- VerifyRewritten.cpp - the border after rewrite --------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-verify-rewritten; Border.cpp lists what is legal.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Pipelines/Passes.h"

#include "Border.h"

#define DEBUG_TYPE "attn-verify-rewritten"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNVERIFYREWRITTENPASS
#include "attn/Pipelines/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct VerifyRewritten
    : attn::impl::AttnVerifyRewrittenPassBase<VerifyRewritten> {
  void runOnOperation() override {
    FailureOr<int64_t> checked = checkBorder(getOperation(), Phase::Rewrite);
    if (failed(checked) || failed(checkRequests()))
      return signalPassFailure();
    numChecked += *checked;
  }

private:
  /// Every request has been granted or refused.
  LogicalResult checkRequests() {
    WalkResult result = getOperation().walk([](Operation *op) {
      Attribute form = op->getAttr(kFormAttr);
      if (!form)
        return WalkResult::advance();
      op->emitError("expected no 'attn.form' after the phase 'rewrite', got ")
          << form;
      return WalkResult::interrupt();
    });
    return failure(result.wasInterrupted());
  }
};
} // namespace
