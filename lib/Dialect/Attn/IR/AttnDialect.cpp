//===- AttnDialect.cpp - registration of the attn dialect -----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Puts the generated definitions of dialect, attributes and operations
// together.
//
//===----------------------------------------------------------------------===//

#include "MaskMath.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::attn;

#include "attn/Dialect/Attn/IR/AttnDialect.cpp.inc"
#include "attn/Dialect/Attn/IR/AttnEnums.cpp.inc"
#include "attn/Dialect/Attn/IR/AttnForms.cpp.inc"
#include "attn/Dialect/Attn/IR/AttnInterfaces.cpp.inc"
#include "attn/Dialect/Attn/IR/AttnRowWise.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "attn/Dialect/Attn/IR/AttnAttrs.cpp.inc"

#define GET_OP_CLASSES
#include "attn/Dialect/Attn/IR/AttnOps.cpp.inc"

void AttnDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "attn/Dialect/Attn/IR/AttnAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "attn/Dialect/Attn/IR/AttnOps.cpp.inc"
      >();
}

/// Adds what the type says of itself, if it is a form.
template <typename AttrT>
static void addForm(SmallVectorImpl<FormInfo> &forms) {
  if constexpr (std::is_base_of_v<FormAttrInterface::Trait<AttrT>, AttrT>)
    forms.push_back({AttrT::kFormName, AttrT::getKeys()});
}

template <typename... AttrT> static SmallVector<FormInfo> collectForms() {
  SmallVector<FormInfo> forms;
  (addForm<AttrT>(forms), ...);
  llvm::sort(forms, [](const FormInfo &a, const FormInfo &b) {
    return a.name < b.name;
  });
  return forms;
}

SmallVector<FormInfo> mlir::attn::getForms() {
  return collectForms<
#define GET_ATTRDEF_LIST
#include "attn/Dialect/Attn/IR/AttnAttrs.cpp.inc"
      >();
}

LogicalResult AttnDialect::verifyOperationAttribute(Operation *op,
                                                    NamedAttribute attribute) {
  StringRef name = attribute.getName();
  if (name == kMachineAttr && !isa<MachineAttr>(attribute.getValue()))
    return op->emitOpError("expected #attn.machine as 'attn.machine', got ")
           << attribute.getValue();
  bool isLabel = name == kLabelAttr, isForm = name == kFormAttr;
  if (!isLabel && !isForm && name != kRewrittenAttr)
    return success();
  if (isForm && !isa<AttentionOp>(op))
    return op->emitOpError("expected 'attn.form' only on 'attn.attention'");
  if (op->getDialect() != this)
    return op->emitOpError("expected '")
           << name << "' only on operations of the dialect attn";
  if (isLabel && !isa<StringAttr>(attribute.getValue()))
    return op->emitOpError("expected 'attn.label' to be a string, got ")
           << attribute.getValue();
  if (!isLabel && !isa<FormAttrInterface>(attribute.getValue()))
    return op->emitOpError("expected '")
           << name << "' to be a form such as #attn.exact_form, got "
           << attribute.getValue();
  return success();
}
