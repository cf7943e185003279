//===- AttnLinearForms.cpp - what linear attention costs and gives up -----===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Costs and error contracts of the forms without a softmax.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

using namespace mlir;
using namespace mlir::attn;

/// Every key goes into a state of `features` rows, and every query reads it;
/// `draws` features come from a projection. Under a causal mask queries meet
/// the keys of their own chunk besides. States and projections stay in caches.
static Cost recurrenceCost(const AttentionShape &shape, double features,
                           double draws) {
  // Half of a chunk of 64 is before a query.
  constexpr double inChunk = 32;
  auto valueSize = static_cast<double>(shape.valueSize);
  double perRow =
      features * valueSize + draws * static_cast<double>(shape.headSize);
  Cost cost{2 * (shape.rows() + shape.keyRows()) * perRow, operandBytes(shape)};
  double reached =
      draws == 0 && shape.isCausal ? share::linearCausal : share::linear;
  double chunks =
      shape.isCausal ? 2 * shape.rows() * inChunk * (features + valueSize) : 0;
  cost.work = (cost.flops + chunks) / reached;
  return cost;
}

LogicalResult
LinearFormAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                       FeatureMap feature) {
  if (feature == FeatureMap::EluPlusOne || feature == FeatureMap::Relu)
    return success();
  return emitError() << "expected the feature elu_plus_one or relu (C1), got "
                     << stringifyFeatureMap(feature);
}

Cost LinearFormAttr::getCost(const AttentionShape &shape) const {
  return recurrenceCost(shape, static_cast<double>(shape.headSize), 0);
}

std::string LinearFormAttr::getErrorContract() const {
  return "without a bound: another function than softmax, for models that were "
         "trained with it";
}

LogicalResult
FavorFormAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                      int64_t features, int64_t, int64_t draw, bool, bool,
                      StringAttr) {
  if (features < 1 || features > 4096)
    return emitError() << "expected features in [1, 4096] (C1), got "
                       << features;
  if (draw < 0 || draw >= 65536)
    return emitError() << "expected a draw in [0, 65536) (C2), got " << draw;
  return success();
}

Cost FavorFormAttr::getCost(const AttentionShape &shape) const {
  auto draws = static_cast<double>(getFeatures());
  return recurrenceCost(shape, draws * (getHyperbolic() ? 2 : 1), draws);
}

std::string FavorFormAttr::getErrorContract() const {
  return "random, on average proportional to features^-1/2 and growing with "
         "the norms of queries and keys";
}
