//===- AttnLshForm.cpp - the request for LSH attention --------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What #attn.lsh_form costs, and how many buckets it means.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;

/// More buckets than this are factorised, so that a token is multiplied with
/// the sum of the factors and not with their product.
static constexpr int64_t kMaxPlainBuckets = 128;

LogicalResult LshFormAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                  int64_t rounds, int64_t chunk,
                                  int64_t lookBack, int64_t lookAhead,
                                  int64_t buckets, int64_t, bool, bool) {
  if (rounds < 1 || rounds > 64)
    return emitError() << "expected rounds in [1, 64] (C1), got " << rounds;
  if (chunk < 1 || chunk > 65536)
    return emitError() << "expected a chunk in [1, 65536] (C2), got " << chunk;
  for (int64_t look : {lookBack, lookAhead})
    if (look < 0 || look > 1024)
      return emitError()
             << "expected look_back and look_ahead in [0, 1024] (C2), got "
             << look;
  if (buckets < 0 || buckets % 2 != 0 || buckets > (1 << 20))
    return emitError() << "expected an even number of buckets in [0, 2^20] "
                          "(C3), got "
                       << buckets;
  return success();
}

SmallVector<int64_t> LshFormAttr::getFactors(int64_t tokens) const {
  int64_t buckets =
      getBuckets()
          ? getBuckets()
          : 2 * std::max<int64_t>(1, llvm::divideCeil(tokens, getChunk()));
  if (buckets <= kMaxPlainBuckets)
    return {buckets};
  // 2^ceil(log2 sqrt(buckets)), and the even number that comes nearest below.
  int64_t first = 1;
  while (first * first < buckets)
    first *= 2;
  return {first, 2 * (buckets / (2 * first))};
}

Cost LshFormAttr::getCost(const AttentionShape &shape) const {
  bool isShared = getSharedQk() || shape.keysAreQueries;
  double rounds = double(getRounds());
  double chunk = double(getChunk());
  double window = chunk * double(1 + getLookBack() + getLookAhead());
  double seen = std::min(window, shape.visible) * rounds;
  Cost cost = softmaxCost(shape, seen);
  // Rows come in the order of a hash.
  cost.work = cost.flops / share::gathered;
  if (isShared && getSameBucket()) {
    // What is outside of the query's own bucket is skipped.
    double buckets =
        getBuckets() ? double(getBuckets()) : 2 * double(shape.queries) / chunk;
    double met = std::max(1.0, double(shape.queries) / buckets) * rounds;
    cost.work *= std::min(1.0, met / std::max(1.0, seen));
  }
  if (isShared) {
    double columns = 0;
    for (int64_t factor : getFactors(shape.queries))
      columns += double(factor) / 2;
    cost = cost + productCost(2 * shape.rows() * columns * rounds *
                                  double(shape.headSize),
                              share::hash);
  } else {
    // One direction a round for queries and for keys, and no buckets.
    cost = cost + productCost(2 * (shape.rows() + shape.keyRows()) * rounds *
                                  double(shape.headSize + 2),
                              share::hash);
  }
  // Every round reads a token's vectors and updates its output.
  double row = 2 * double(shape.headSize) + 3 * double(shape.valueSize);
  cost.bytes = shape.rows() * rounds * (row * double(shape.elementBytes) + 16);
  return cost;
}

std::string LshFormAttr::getErrorContract() const {
  return "without a bound: pairs that no round meets are lost, and keys that "
         "are queries lose their length";
}
