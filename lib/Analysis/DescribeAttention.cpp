//===- DescribeAttention.cpp - an operation's shape for costs -------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Extents come from types, visibility from the mask's own predicate.
//
//===----------------------------------------------------------------------===//

#include "attn/Analysis/DescribeAttention.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace mlir::attn;

double mlir::attn::estimateVisibleKeys(MaskAttrInterface mask, int64_t heads,
                                       int64_t queries, int64_t keys) {
  if (!mask || heads <= 0 || queries <= 0 || keys <= 0)
    return double(keys);
  // The middles of equal strips; masks are sums of few intervals or periodic.
  constexpr int64_t kSamples = 251, kKeySamples = 4096;
  int64_t samples = std::min(queries, kSamples);
  int64_t step = std::max<int64_t>(1, keys / kKeySamples);
  int64_t seen = 0;
  for (int64_t k = 0; k < samples; ++k) {
    int64_t i = (2 * k + 1) * queries / (2 * samples);
    for (int64_t j = i % step; j < keys; j += step)
      seen += mask.allows(k % heads, i, j, queries, keys);
  }
  return double(seen) * double(step) / double(samples);
}

/// All but the visible keys, which take longest to know.
static AttentionShape describeExtents(AttentionOp op, int64_t assumedLength) {
  auto extent = [&](AttentionOp::Dim dim, int64_t otherwise) {
    int64_t size = op.getStaticExtent(dim);
    return ShapedType::isDynamic(size) ? otherwise : size;
  };
  AttentionShape shape;
  shape.batch = extent(AttentionOp::kBatch, 1);
  shape.heads = extent(AttentionOp::kHead, 1);
  shape.keyHeads = std::max<int64_t>(1, shape.heads / op.getGroupSize());
  shape.queries = extent(AttentionOp::kQuery, assumedLength);
  shape.keys = extent(AttentionOp::kKey, assumedLength);
  shape.headSize = extent(AttentionOp::kHeadSize, 1);
  shape.valueSize = extent(AttentionOp::kValueSize, 1);
  Type element = cast<ShapedType>(op.getQuery().getType()).getElementType();
  shape.elementBytes = element.getIntOrFloatBitWidth() / 8;
  AffineMap keyAsQuery = op.getKeyMap().replace(
      getAffineDimExpr(AttentionOp::kKey, op.getContext()),
      getAffineDimExpr(AttentionOp::kQuery, op.getContext()),
      AttentionOp::kNumDims, 0);
  shape.keysAreQueries =
      op.getQuery() == op.getKey() && keyAsQuery == op.getQueryMap();
  shape.isCausal = isa_and_nonnull<CausalAttr>(op.getMaskAttr());
  return shape;
}

AttentionShape mlir::attn::describeAttention(AttentionOp op,
                                             int64_t assumedLength) {
  AttentionShape shape = describeExtents(op, assumedLength);
  shape.visible = estimateVisibleKeys(op.getMask().value_or(nullptr),
                                      shape.heads, shape.queries, shape.keys);
  return shape;
}

AttentionShape mlir::attn::describeAttentionOfLength(AttentionOp op,
                                                     int64_t length) {
  AttentionShape shape = describeExtents(op, length);
  if (op.getStaticExtent(AttentionOp::kQuery) ==
      op.getStaticExtent(AttentionOp::kKey))
    shape.queries = length;
  shape.keys = length;
  shape.visible = estimateVisibleKeys(op.getMask().value_or(nullptr),
                                      shape.heads, shape.queries, shape.keys);
  return shape;
}

std::string mlir::attn::describeCost(Cost cost) {
  return llvm::formatv("{0:e2} flops, {1:e2} bytes", cost.flops, cost.bytes);
}
