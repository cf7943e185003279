//===- VerifyTiled.cpp - the border after tile ---------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-verify-tiled; Border.cpp lists what is legal.
//
//===----------------------------------------------------------------------===//

#include "attn/Pipelines/Passes.h"

#include "Border.h"

#define DEBUG_TYPE "attn-verify-tiled"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNVERIFYTILEDPASS
#include "attn/Pipelines/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct VerifyTiled : attn::impl::AttnVerifyTiledPassBase<VerifyTiled> {
  void runOnOperation() override {
    FailureOr<int64_t> checked = checkBorder(getOperation(), Phase::Tile);
    if (failed(checked))
      return signalPassFailure();
    numChecked += *checked;
  }
};
} // namespace
