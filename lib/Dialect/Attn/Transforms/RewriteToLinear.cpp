//===- RewriteToLinear.cpp - the pass attn-rewrite-to-linear --------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Another function than the softmax, for models that were trained with it.
//
//===----------------------------------------------------------------------===//

#include "LinearRewrite.h"

#include "attn/Dialect/Attn/Transforms/Passes.h"

#define DEBUG_TYPE "attn-rewrite-to-linear"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNREWRITETOLINEARPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

static FormRewrite rewriteToLinear(OpBuilder &builder, AttentionOp op,
                                   LinearFormAttr form) {
  if (std::string obstacle = findLinearObstacle(op); !obstacle.empty())
    return FormRewrite::refuse(obstacle);
  return FormRewrite::replace(
      makeLinear(builder, op, form.getFeature(), Value(), FloatAttr()));
}

namespace {
struct RewriteToLinearPass
    : attn::impl::AttnRewriteToLinearPassBase<RewriteToLinearPass> {
  void runOnOperation() override {
    FormCounts counts = rewriteForms<LinearFormAttr>(
        getOperation(),
        [](OpBuilder &builder, AttentionOp op, LinearFormAttr form) {
          return rewriteWithoutPadding(builder, op, [&](AttentionOp padded) {
            return rewriteToLinear(builder, padded, form);
          });
        });
    numRewritten += counts.rewritten;
    numRefused += counts.refused;
  }
};
} // namespace
