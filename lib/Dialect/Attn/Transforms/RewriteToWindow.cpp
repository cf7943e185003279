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
  int64_t queries = op.getStaticExtent(AttentionOp::kQuery);
  int64_t keys = op.getStaticExtent(AttentionOp::kKey);
  bool areKnown =
      !ShapedType::isDynamic(queries) && !ShapedType::isDynamic(keys);
  if (areKnown && queries != keys)
    return FormRewrite::refuse("expected as many queries as keys, got " +
                               Twine(queries) + " and " + Twine(keys));
  // The corners are one where the lengths are; a cache is longer in front.
  Alignment alignment = areKnown ? Alignment::TopLeft : Alignment::BottomRight;
  Attribute mask =
      WindowAttr::get(builder.getContext(), form.getBefore(), form.getAfter(),
                      form.getDilation(), alignment);
  if (std::optional<MaskAttrInterface> own = op.getMask())
    mask = AllOfAttr::get(builder.getContext(), {Attribute(*own), mask});
  op.setMaskAttr(cast<MaskAttrInterface>(mask));
  return FormRewrite::replace(op);
}

void RewriteToWindow::runOnOperation() {
  FormCounts counts =
      rewriteForms<WindowFormAttr>(getOperation(), rewriteToWindow);
  numRewritten += counts.rewritten;
  numRefused += counts.refused;
}
