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

/// What both masks say of themselves.
static constexpr char kLost[] =
    "without a bound: what the hidden keys would have contributed is lost";

static constexpr int64_t kMaxReach = int64_t(1) << 40, kMaxCount = 1 << 20;

LogicalResult
WindowFormAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                       int64_t before, int64_t after, int64_t dilation,
                       int64_t globals) {
  for (int64_t reach : {before, after})
    if (reach < 0 || reach > kMaxReach)
      return emitError() << "expected before and after in [0, 2^40] (C1), got "
                         << reach;
  if (dilation < 1 || dilation > kMaxCount)
    return emitError() << "expected a dilation in [1, 2^20] (C2), got "
                       << dilation;
  if (globals < 0 || globals > kMaxCount)
    return emitError() << "expected globals in [0, 2^20] (C3), got " << globals;
  return success();
}

/// Keys around a position, which a causal mask halves.
static double halveIfCausal(const AttentionShape &shape, double keys) {
  return shape.isCausal ? keys / 2 : keys;
}

/// The mean number of keys within `reach` on one side of a position; the
/// sequence ends before some of them.
static double countWithin(int64_t reach, int64_t keys) {
  double all = double(keys), most = std::min(double(reach), all - 1);
  return keys > 0 ? most - most * (most + 1) / (2 * all) : 0;
}

Cost WindowFormAttr::getCost(const AttentionShape &shape) const {
  double globals = std::min(double(getGlobals()), double(shape.keys));
  double dilation = double(getDilation());
  double after = shape.isCausal ? 0 : countWithin(getAfter(), shape.keys);
  double near = countWithin(getBefore(), shape.keys) + after;
  double keys = 1 + near / dilation + globals;
  // The rows of global tokens see all keys, the others the window.
  double share = shape.queries ? std::min(1.0, globals / shape.queries) : 0;
  double mean = share * shape.visible + (1 - share) * keys;
  return softmaxCost(shape, std::min(mean, shape.visible), globals > 0 ? 2 : 1);
}

std::string WindowFormAttr::getErrorContract() const { return kLost; }

LogicalResult
LocalFormAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                      int64_t chunk, int64_t lookBack, int64_t lookAhead) {
  if (chunk < 1 || chunk > kMaxReach)
    return emitError() << "expected a chunk in [1, 2^40] (C1), got " << chunk;
  for (int64_t chunks : {lookBack, lookAhead})
    if (chunks < 0 || chunks > kMaxCount)
      return emitError()
             << "expected look_back and look_ahead in [0, 2^20] (C2), got "
             << chunks;
  return success();
}

Cost LocalFormAttr::getCost(const AttentionShape &shape) const {
  double ahead = shape.isCausal ? -0.5 : double(getLookAhead());
  double keys = double(getChunk()) * (double(1 + getLookBack()) + ahead);
  return softmaxCost(shape, std::min(keys, shape.visible));
}

std::string LocalFormAttr::getErrorContract() const { return kLost; }

LogicalResult
BigBirdFormAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                        int64_t block, int64_t random, int64_t seed) {
  if (block < 1 || block > kMaxCount)
    return emitError() << "expected a block in [1, 2^20] (C1), got " << block;
  if (random < 0 || random > 16)
    return emitError() << "expected random in [0, 16] (C2), got " << random;
  if (seed < 0)
    return emitError() << "expected a seed that is not negative (C3), got "
                       << seed;
  return success();
}

Cost BigBirdFormAttr::getCost(const AttentionShape &shape) const {
  // Its own block, two beside it, the first, the last and the random ones.
  double keys =
      halveIfCausal(shape, double(getBlock()) * double(5 + getRandom()));
  double share = shape.queries
                     ? std::min(1.0, 2.0 * double(getBlock()) / shape.queries)
                     : 0;
  double mean = share * shape.visible + (1 - share) * keys;
  // Own, first, last and random blocks are ranges of their own.
  return softmaxCost(shape, std::min(mean, shape.visible),
                     double(3 + getRandom()));
}

std::string BigBirdFormAttr::getErrorContract() const { return kLost; }
