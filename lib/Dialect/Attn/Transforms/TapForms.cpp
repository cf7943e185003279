//===- TapForms.cpp - the pass attn-tap-forms -----------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Keeps an exact twin beside every attention that is about to be rewritten, and
// lets the function return both, so that their difference can be measured where
// they stand in the model.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/Transforms/Forms.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"

#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"

#define DEBUG_TYPE "attn-tap-forms"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNTAPFORMSPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct TapForms : attn::impl::AttnTapFormsPassBase<TapForms> {
  void runOnOperation() override;
};
} // namespace

SmallVector<Value> mlir::attn::getTapInputs(AttentionOp op) {
  SmallVector<Value> inputs;
  for (OpOperand &operand : op->getOpOperands())
    if (!op.isDpsInit(&operand))
      inputs.push_back(operand.get());
  llvm::SetVector<Value> captures;
  getUsedValuesDefinedAbove(op->getRegions(), captures);
  llvm::append_range(inputs, llvm::make_filter_range(captures, [](Value value) {
                       return isa<RankedTensorType>(value.getType());
                     }));
  return inputs;
}

bool mlir::attn::asksForForm(Operation *op) {
  Attribute form = op->getAttr(kFormAttr);
  return form && !isa<ExactFormAttr>(form);
}

/// The values to return for one attention, whose twin is made here.
static SmallVector<Value> tap(AttentionOp op) {
  OpBuilder builder(op);
  builder.setInsertionPointAfter(op);
  Operation *twin = builder.clone(*op);
  twin->removeAttr(kFormAttr);
  twin->removeAttr(kLabelAttr);
  if (auto label = op->getAttrOfType<StringAttr>(kLabelAttr))
    twin->setAttr(kLabelAttr,
                  builder.getStringAttr(label.getValue() + ".exact"));
  SmallVector<Value> values(op->getResults());
  llvm::append_range(values, twin->getResults());
  llvm::append_range(values, getTapInputs(op));
  return values;
}

void TapForms::runOnOperation() {
  func::FuncOp function = getOperation();
  if (!function.isPublic() || function.isDeclaration() ||
      !function.getBody().hasOneBlock())
    return;
  SmallVector<AttentionOp> asking;
  function.walk([&](AttentionOp op) {
    if (!asksForForm(op))
      return;
    if (op->getBlock() == &function.front())
      asking.push_back(op);
    else
      op->emitWarning("the error cannot be measured within '")
          << op->getParentOp()->getName() << "'";
  });
  Operation *terminator = function.front().getTerminator();
  SmallVector<Value> values;
  for (AttentionOp op : asking)
    llvm::append_range(values, tap(op));
  numTapped += asking.size();
  if (values.empty())
    return;
  unsigned count = function.getNumResults();
  SmallVector<unsigned> places(values.size(), count);
  SmallVector<DictionaryAttr> attributes(values.size());
  if (failed(function.insertResults(places, ValueRange(values).getTypes(),
                                    attributes)))
    return signalPassFailure();
  terminator->insertOperands(count, values);
  // What was written down of the function's results no longer holds.
  function->removeAttr("attn.signature");
}
