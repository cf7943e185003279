//===- RewriteToWindow.cpp - the pass attn-rewrite-to-window --------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A window is a mask more; lowerings skip what it hides, so that nothing else
// has to change.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/Transforms/Forms.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"

#define DEBUG_TYPE "attn-rewrite-to-window"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNREWRITETOWINDOWPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct RewriteToWindow
    : attn::impl::AttnRewriteToWindowPassBase<RewriteToWindow> {
  void runOnOperation() override;
};
} // namespace

static FormRewrite rewriteToWindow(OpBuilder &builder, AttentionOp op,
                                   WindowFormAttr form) {
  MLIRContext *context = builder.getContext();
  return restrictKeys(op, [&](Alignment alignment) -> Attribute {
    Attribute mask = WindowAttr::get(context, form.getBefore(), form.getAfter(),
                                     form.getDilation(), alignment);
    if (form.getGlobals() == 0)
      return mask;
    Attribute first = GlobalAttr::get(context, {0, form.getGlobals()},
                                      GlobalSide::Both, alignment);
    return AnyOfAttr::get(context, {mask, first});
  });
}

void RewriteToWindow::runOnOperation() {
  FormCounts counts =
      rewriteForms<WindowFormAttr>(getOperation(), rewriteToWindow);
  numRewritten += counts.rewritten;
  numRefused += counts.refused;
}
