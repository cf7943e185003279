//===- VerifyTarget.cpp - the border after target ------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-verify-target; Border.cpp lists what is legal.
//
//===----------------------------------------------------------------------===//

#include "attn/Pipelines/Passes.h"

#include "Border.h"

#define DEBUG_TYPE "attn-verify-target"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNVERIFYTARGETPASS
#include "attn/Pipelines/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct VerifyTarget : attn::impl::AttnVerifyTargetPassBase<VerifyTarget> {
  void runOnOperation() override {
    FailureOr<int64_t> checked = checkBorder(getOperation(), Phase::Target);
    if (failed(checked))
      return signalPassFailure();
    numChecked += *checked;
  }
};
} // namespace
