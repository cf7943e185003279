//===- SettleForms.cpp - the pass attn-settle-forms -----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The end of all requests: what no rewrite has granted stays exact, and whoever
// asked for it hears so.
//
//===----------------------------------------------------------------------===//

#include "attn/Analysis/DescribeAttention.h"
#include "attn/Dialect/Attn/Transforms/Forms.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"

#define DEBUG_TYPE "attn-settle-forms"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNSETTLEFORMSPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct SettleForms : attn::impl::AttnSettleFormsPassBase<SettleForms> {
  using AttnSettleFormsPassBase::AttnSettleFormsPassBase;
  void runOnOperation() override;
};
} // namespace

void SettleForms::runOnOperation() {
  getOperation().walk([&](AttentionOp op) {
    auto form = op->getAttrOfType<FormAttrInterface>(kFormAttr);
    if (!form)
      return;
    op->removeAttr(kFormAttr);
    if (isa<ExactFormAttr>(form)) {
      AttentionShape shape = describeAttention(op, kAssumedLength);
      op->emitRemark() << describeOp(op) << " stays exact, as asked: "
                       << describeCost(exactCost(shape)) << " at "
                       << shape.queries << " queries and " << shape.keys
                       << " keys";
      return;
    }
    ++numRefused;
    op->emitWarning() << describeOp(op) << " stays exact though "
                      << form.getFormName()
                      << " was asked for; a remark says why";
  });
}
