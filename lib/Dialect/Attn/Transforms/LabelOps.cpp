//===- LabelOps.cpp - the pass attn-label-ops -----------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Names that files and reports can refer to, by order in the program.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"

#include "llvm/ADT/StringSet.h"

#define DEBUG_TYPE "attn-label-ops"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNLABELOPSPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct LabelOps : attn::impl::AttnLabelOpsPassBase<LabelOps> {
  void runOnOperation() override;
};
} // namespace

void LabelOps::runOnOperation() {
  llvm::StringSet<> taken;
  SmallVector<AttentionOp> unnamed;
  WalkResult result = getOperation().walk([&](AttentionOp op) {
    auto label = op->getAttrOfType<StringAttr>(kLabelAttr);
    if (!label)
      unnamed.push_back(op);
    else if (!taken.insert(label.getValue()).second) {
      op->emitError("expected distinct labels, got ") << label << " twice";
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  if (result.wasInterrupted())
    return signalPassFailure();
  int64_t number = 0;
  for (AttentionOp op : unnamed) {
    std::string label;
    do
      label = "attention" + std::to_string(number++);
    while (!taken.insert(label).second);
    op->setAttr(kLabelAttr, StringAttr::get(&getContext(), label));
    ++numLabelled;
  }
}
