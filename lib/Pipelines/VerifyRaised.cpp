//===- VerifyRaised.cpp - the border after raise -------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-verify-raised; Border.cpp lists what is legal.
//
//===----------------------------------------------------------------------===//

#include "attn/Pipelines/Passes.h"

#include "Border.h"

#define DEBUG_TYPE "attn-verify-raised"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNVERIFYRAISEDPASS
#include "attn/Pipelines/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct VerifyRaised : attn::impl::AttnVerifyRaisedPassBase<VerifyRaised> {
  void runOnOperation() override {
    FailureOr<int64_t> checked = checkBorder(getOperation(), Phase::Raise);
    if (failed(checked))
      return signalPassFailure();
    numChecked += *checked;
  }
};
} // namespace
