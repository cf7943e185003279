//===- VerifyImported.cpp - the border after import ----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-verify-imported; Border.cpp lists what is legal.
//
//===----------------------------------------------------------------------===//

#include "attn/Pipelines/Passes.h"

#include "Border.h"

#define DEBUG_TYPE "attn-verify-imported"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNVERIFYIMPORTEDPASS
#include "attn/Pipelines/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct VerifyImported : attn::impl::AttnVerifyImportedPassBase<VerifyImported> {
  void runOnOperation() override {
    FailureOr<int64_t> checked = checkBorder(getOperation(), Phase::Import);
    if (failed(checked))
      return signalPassFailure();
    numChecked += *checked;
  }
};
} // namespace
