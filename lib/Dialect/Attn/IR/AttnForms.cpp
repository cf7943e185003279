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

LogicalResult
WindowFormAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                       int64_t before, int64_t after, int64_t dilation) {
  constexpr int64_t kMaxReach = int64_t(1) << 40, kMaxDilation = 1 << 20;
  for (int64_t reach : {before, after})
    if (reach < 0 || reach > kMaxReach)
      return emitError() << "expected before and after in [0, 2^40] (C1), got "
                         << reach;
  if (dilation < 1 || dilation > kMaxDilation)
    return emitError() << "expected a dilation in [1, 2^20] (C2), got "
                       << dilation;
  return success();
}

Cost WindowFormAttr::getCost(const AttentionShape &shape) const {
  double span = 1.0 + double(getBefore() / getDilation()) +
                double(getAfter() / getDilation());
  return softmaxCost(shape, std::min(span, shape.visible));
}

std::string WindowFormAttr::getErrorContract() const {
  return "without a bound: keys outside of the window are lost";
}
