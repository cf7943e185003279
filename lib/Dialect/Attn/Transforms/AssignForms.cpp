//===- AssignForms.cpp - the pass attn-assign-forms -----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Writes what was asked for on the command line or in a file next to the
// operations that it is about; nothing else makes a request.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/Transforms/Forms.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/GlobPattern.h"

#define DEBUG_TYPE "attn-assign-forms"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNASSIGNFORMSPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct AssignForms : attn::impl::AttnAssignFormsPassBase<AssignForms> {
  using AttnAssignFormsPassBase::AttnAssignFormsPassBase;
  void runOnOperation() override;

private:
  LogicalResult apply(const FormRule &rule, ArrayRef<AttentionOp> ops);
};
} // namespace

static StringRef getLabel(Operation *op) {
  auto label = op->getAttrOfType<StringAttr>(kLabelAttr);
  return label ? label.getValue() : "";
}

LogicalResult AssignForms::apply(const FormRule &rule,
                                 ArrayRef<AttentionOp> ops) {
  llvm::Expected<llvm::GlobPattern> glob =
      llvm::GlobPattern::create(rule.pattern, /*MaxSubPatterns=*/64);
  if (!glob)
    return getOperation().emitError(
               "expected a label or a pattern of labels, got '")
           << rule.pattern << "': " << llvm::toString(glob.takeError());
  bool found = false;
  for (AttentionOp op : ops) {
    if (!glob->match(getLabel(op)))
      continue;
    found = true;
    op->setAttr(kFormAttr, rule.form);
  }
  if (found)
    return success();
  if (rule.pattern == "*") {
    getOperation().emitWarning("no attention that could become ")
        << rule.form.getFormName();
    return success();
  }
  auto labels =
      llvm::map_range(ops, [](AttentionOp op) { return getLabel(op); });
  return getOperation().emitError("expected the label of an attention, one of ")
         << llvm::join(labels, ", ") << ", got '" << rule.pattern << "'";
}

void AssignForms::runOnOperation() {
  SmallVector<FormRule> rules;
  Location loc = getOperation().getLoc();
  if ((!file.empty() && failed(readFormFile(file, loc, rules))) ||
      failed(parseFormRules(form, loc, rules)))
    return signalPassFailure();
  SmallVector<AttentionOp> ops;
  getOperation().walk([&](AttentionOp op) { ops.push_back(op); });
  for (const FormRule &rule : rules)
    if (failed(apply(rule, ops)))
      return signalPassFailure();
  for (AttentionOp op : ops)
    numAssigned += op->hasAttr(kFormAttr);
}
