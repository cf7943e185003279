//===- FormRewrite.cpp - what every rewrite of attention shares -----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One walk and one wording of remarks for all forms.
//
//===----------------------------------------------------------------------===//

#include "attn/Analysis/DescribeAttention.h"
#include "attn/Dialect/Attn/Transforms/Forms.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace mlir::attn;

std::string mlir::attn::describeOp(Operation *op) {
  if (auto label = op->getAttrOfType<StringAttr>(kLabelAttr))
    return ("'" + label.getValue() + "'").str();
  return ("'" + op->getName().getStringRef() + "'").str();
}

void mlir::attn::reportRewritten(Operation *op, FormAttrInterface form,
                                 const AttentionShape &shape) {
  Cost before = exactCost(shape), after = form.getCost(shape);
  // An attention with another mask knows best what it visits.
  if (auto attention = dyn_cast<AttentionOp>(op))
    after = exactCost(describeAttention(attention, shape.keys));
  op->emitRemark() << describeOp(op) << " rewritten to " << form.getFormName()
                   << ": " << describeCost(after) << " instead of "
                   << describeCost(before) << " at " << shape.queries
                   << " queries and " << shape.keys
                   << " keys; error: " << form.getErrorContract();
}

void mlir::attn::reportRefused(Operation *op, FormAttrInterface form,
                               StringRef reason) {
  op->emitRemark() << describeOp(op) << " stays exact, not "
                   << form.getFormName() << ": " << reason;
}

FormRewrite
mlir::attn::restrictKeys(AttentionOp op,
                         llvm::function_ref<Attribute(Alignment)> makeMask) {
  if (op.getDocuments())
    return FormRewrite::refuse("its sequence is one of documents");
  int64_t queries = op.getStaticExtent(AttentionOp::kQuery);
  int64_t keys = op.getStaticExtent(AttentionOp::kKey);
  bool areKnown =
      !ShapedType::isDynamic(queries) && !ShapedType::isDynamic(keys);
  if (areKnown && queries != keys)
    return FormRewrite::refuse("expected as many queries as keys, got " +
                               Twine(queries) + " and " + Twine(keys));
  // The corners are one where the lengths are; a cache is longer in front.
  Attribute mask =
      makeMask(areKnown ? Alignment::TopLeft : Alignment::BottomRight);
  std::string problem;
  {
    ScopedDiagnosticHandler handler(
        op.getContext(), [&](Diagnostic &error) { problem = error.str(); });
    int64_t heads = op.getStaticExtent(AttentionOp::kHead);
    (void)cast<MaskAttrInterface>(mask).verifyFor(
        [&] { return emitError(op.getLoc()); }, heads, queries, keys);
  }
  if (!problem.empty())
    return FormRewrite::refuse(problem);
  if (std::optional<MaskAttrInterface> own = op.getMask())
    mask = AllOfAttr::get(op.getContext(), {Attribute(*own), mask});
  op.setMaskAttr(cast<MaskAttrInterface>(mask));
  return FormRewrite::replace(op);
}

FormCounts mlir::attn::rewriteForms(
    Operation *root, llvm::function_ref<bool(Attribute)> isOwn,
    llvm::function_ref<FormRewrite(OpBuilder &, AttentionOp, Attribute)>
        rewrite,
    int64_t assumedLength) {
  SmallVector<AttentionOp> asking;
  root->walk([&](AttentionOp op) {
    Attribute form = op->getAttr(kFormAttr);
    if (form && isOwn(form))
      asking.push_back(op);
  });
  FormCounts counts;
  for (AttentionOp op : asking) {
    auto form = cast<FormAttrInterface>(op->getAttr(kFormAttr));
    AttentionShape shape = describeAttention(op, assumedLength);
    OpBuilder builder(op);
    FormRewrite made = rewrite(builder, op, form);
    if (!made.op) {
      reportRefused(op, form, made.reason);
      ++counts.refused;
      continue;
    }
    if (Attribute label = op->getAttr(kLabelAttr))
      made.op->setAttr(kLabelAttr, label);
    made.op->setAttr(kRewrittenAttr, form);
    made.op->removeAttr(kFormAttr);
    reportRewritten(made.op, form, shape);
    ++counts.rewritten;
    if (made.op == op)
      continue;
    op->replaceAllUsesWith(made.results);
    op->erase();
  }
  return counts;
}
