//===- RewriteToBigBird.cpp - the pass attn-rewrite-to-big-bird -----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// BigBird's pattern is a mask more; lowerings skip what it hides, so that
// nothing else has to change.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/Transforms/Forms.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"

#define DEBUG_TYPE "attn-rewrite-to-big-bird"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNREWRITETOBIGBIRDPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct RewriteToBigBird
    : attn::impl::AttnRewriteToBigBirdPassBase<RewriteToBigBird> {
  void runOnOperation() override;
};
} // namespace

static FormRewrite rewriteToBigBird(OpBuilder &builder, AttentionOp op,
                                    BigBirdFormAttr form) {
  return restrictKeys(op, [&](Alignment) -> Attribute {
    return BigBirdAttr::get(builder.getContext(), form.getBlock(),
                            form.getRandom(), form.getSeed(),
                            /*table=*/DenseIntElementsAttr());
  });
}

void RewriteToBigBird::runOnOperation() {
  FormCounts counts =
      rewriteForms<BigBirdFormAttr>(getOperation(), rewriteToBigBird);
  numRewritten += counts.rewritten;
  numRefused += counts.refused;
}
