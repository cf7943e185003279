//===- TileGathered.cpp - short ranges of keys as one tile ----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where a mask leaves a tile of queries a few short ranges without a mask of
// their own, as BigBird's blocks are, their rows are brought together in cache.
// One kernel then serves all ranges, and every softmax is done in one step
// (docs/Rationale/Masks.md).
//
//===----------------------------------------------------------------------===//

#include "Tiler.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace mlir::attn;

using D = AttentionOp::Dim;

/// The most keys that the ranges have together, if all of them are short and
/// whole and nothing but the mask tells keys apart.
std::optional<int64_t> Tiler::findGatheredKeys(ArrayRef<KeyRange> ranges) {
  if (ranges.size() < 2 || op.getKeyParts().size() != 1 || op.getBias() ||
      op.getKeyValid() || op.getRelative() || !op.getScoreMod().empty())
    return std::nullopt;
  int64_t sum = 0;
  for (const KeyRange &range : ranges) {
    if (range.mask || !range.length)
      return std::nullopt;
    sum += *range.length;
  }
  return sum <= options.windowKeys ? std::optional(sum) : std::nullopt;
}

/// The rows of all ranges one after the other, in a tile of `most` rows of
/// which the first `total` are returned.
Value Tiler::gatherRows(Value source, AffineMap map, ArrayRef<Span> ranges,
                        int64_t most, OpFoldResult total) {
  Box box = boxAt(attr(0), attr(most), /*isKeySide=*/true);
  auto sizesOf = [&](OpFoldResult rows, OpFoldResult first,
                     SmallVectorImpl<OpFoldResult> &offsets) {
    SmallVector<OpFoldResult> sizes;
    for (AffineExpr expr : map.getResults()) {
      unsigned dim = AttentionOp::getDimOf(expr);
      if (box[dim].isDropped)
        continue;
      offsets.push_back(dim == D::kKey ? first : attr(0));
      sizes.push_back(dim == D::kKey ? rows : box[dim].size);
    }
    return sizes;
  };
  SmallVector<OpFoldResult> none;
  Value tile = tensor::EmptyOp::create(
      b, loc, sizesOf(attr(most), attr(0), none), getElementTypeOrSelf(source));
  OpFoldResult first = attr(0);
  for (const Span &range : ranges) {
    box[D::kKey] = range;
    SmallVector<OpFoldResult> offsets,
        sizes = sizesOf(range.size, first, offsets),
        strides(sizes.size(), attr(1));
    tile = tensor::InsertSliceOp::create(b, loc, slice(source, map, box), tile,
                                         offsets, sizes, strides);
    first = apply(b.getAffineSymbolExpr(0) + b.getAffineSymbolExpr(1),
                  {first, range.size});
  }
  SmallVector<OpFoldResult> offsets, sizes = sizesOf(total, attr(0), offsets),
                                     strides(sizes.size(), attr(1));
  return tensor::ExtractSliceOp::create(b, loc, tile, offsets, sizes, strides);
}

SmallVector<Value> Tiler::buildGatheredStep(ArrayRef<KeyRange> ranges,
                                            int64_t most, ValueRange state) {
  AffineExpr s0 = b.getAffineSymbolExpr(0), s1 = b.getAffineSymbolExpr(1);
  SmallVector<Span> spans;
  OpFoldResult total = attr(0);
  for (const KeyRange &range : ranges) {
    Value length = b.createOrFold<arith::MaxSIOp>(
        loc, value(attr(0)),
        b.createOrFold<arith::SubIOp>(loc, range.end, range.begin));
    spans.push_back({OpFoldResult(range.begin), OpFoldResult(length)});
    total = apply(s0 + s1, {total, spans.back().size});
  }
  auto bounded =
      AffineMap::get(0, 1, {b.getAffineConstantExpr(most), s0}, b.getContext());
  total = affine::makeComposedFoldedAffineMin(b, loc, bounded, {total});

  Box queryBox = boxAt(attr(0), total, /*isKeySide=*/false),
      keyBox = boxAt(attr(0), total, /*isKeySide=*/true);
  SmallVector<unsigned> order{D::kHead, D::kQuery, D::kKey, D::kHeadSize,
                              D::kValueSize};
  auto mapOf = [&](AffineMap map, const Box &box) -> Attribute {
    return AffineMapAttr::get(tileMap(map, box, order));
  };
  Value query = slice(op.getQuery(), op.getQueryMap(), queryBox);
  Value key = gatherRows(op.getKey(), op.getKeyMap(), spans, most, total);
  Value rows = gatherRows(op.getValue(), op.getValueMap(), spans, most, total);
  auto online = OnlineAttentionOp::create(
      b, loc, TypeRange(state), query, key, rows, /*bias=*/Value(),
      /*key_valid=*/Value(), state[0], state[1], state[2], value(batch),
      value(head), value(firstQuery), value(attr(0)), value(queries),
      value(keys), /*relative=*/Value(), /*relative_query=*/Value(),
      b.getArrayAttr({mapOf(op.getQueryMap(), queryBox),
                      mapOf(op.getKeyMap(), keyBox),
                      mapOf(op.getValueMap(), keyBox)}),
      b.getF64FloatAttr(op.getEffectiveScale()), op.getSoftcapAttr(),
      MaskAttrInterface());
  return SmallVector<Value>(online.getResults());
}
