//===- AttnForms.cpp - what the forms say of themselves -------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Costs and error contracts of the forms that need no operation of their own.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

using namespace mlir;
using namespace mlir::attn;

Cost ExactFormAttr::getCost(const AttentionShape &shape) const {
  return exactCost(shape);
}

std::string ExactFormAttr::getErrorContract() const { return "rounding alone"; }
