//===- RewriteToLocal.cpp - the pass attn-rewrite-to-local ----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Chunks are a mask more; lowerings skip what it hides, so that nothing else
// has to change.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/Transforms/Forms.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"

#define DEBUG_TYPE "attn-rewrite-to-local"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNREWRITETOLOCALPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct RewriteToLocal : attn::impl::AttnRewriteToLocalPassBase<RewriteToLocal> {
  void runOnOperation() override;
};
} // namespace

static FormRewrite rewriteToLocal(OpBuilder &builder, AttentionOp op,
                                  LocalFormAttr form) {
  return restrictKeys(op, [&](Alignment alignment) -> Attribute {
    return LocalChunksAttr::get(builder.getContext(), form.getChunk(),
                                form.getLookBack(), form.getLookAhead(),
                                alignment);
  });
}

void RewriteToLocal::runOnOperation() {
  FormCounts counts =
      rewriteForms<LocalFormAttr>(getOperation(), rewriteToLocal);
  numRewritten += counts.rewritten;
  numRefused += counts.refused;
}
