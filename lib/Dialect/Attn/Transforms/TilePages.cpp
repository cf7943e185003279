//===- TilePages.cpp - slices of operands, and of pages -------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a tile reads of an operand. Few queries read every key once, so a copy
// of what lies in pages would cost more than the attention: a tile of keys is
// kept within a page instead, and its slice is one of the pool.
//
//===----------------------------------------------------------------------===//

#include "TilePages.h"
#include "Tiler.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

#include <numeric>

using namespace mlir;
using namespace mlir::attn;

RankedTensorType Tiler::sliceType(Value source, AffineMap map, const Box &box) {
  SmallVector<int64_t> kept;
  for (AffineExpr expr : map.getResults())
    if (const Span &span = box[AttentionOp::getDimOf(expr)]; !span.isDropped)
      kept.push_back(
          getConstantIntValue(span.size).value_or(ShapedType::kDynamic));
  return RankedTensorType::get(kept, getElementTypeOrSelf(source));
}

Value Tiler::slice(Value source, AffineMap map, const Box &box) {
  if (readsPages)
    if (auto pages = source.getDefiningOp<GatherPagesOp>())
      return slicePages(pages, map, box);
  SlicePosition at = positionIn(map, box);
  return tensor::ExtractSliceOp::create(b, loc, sliceType(source, map, box),
                                        source, at.offsets, at.sizes,
                                        at.strides);
}

/// Tiles of keys are cut so that none crosses a page; ranges begin at 0 where
/// there is no mask. Who takes all keys at once looks pages up itself.
void Tiler::keepWithinPages() {
  if (mask || !hasFewQueries() || options.keyTile == kAllKeys)
    return;
  for (auto [key, rows] : op.getKeyParts())
    for (Value source : {key, rows})
      if (auto pages = source.getDefiningOp<GatherPagesOp>()) {
        keyTile = std::gcd(keyTile, pages.getPageSize());
        keyTile = std::gcd(keyTile, options.keySplit);
        readsPages = op.getKeyParts().size() == 1;
      }
}

/// A slice of what a table brings together, as one of the pool.
Value Tiler::slicePages(GatherPagesOp pages, AffineMap map, const Box &box) {
  SlicePosition at = positionIn(map, box);
  AffineExpr s0 = b.getAffineSymbolExpr(0);
  int64_t size = pages.getPageSize();
  OpFoldResult &row = at.offsets[at.offsets.size() - 2];
  SmallVector<Value> entry{value(apply(s0.floorDiv(size), {row}))};
  if (pages.hasBatch())
    entry.insert(entry.begin(), value(at.offsets.front()));
  row = apply(s0 % size, {row});
  Value page = arith::IndexCastOp::create(
      b, loc, b.getIndexType(),
      tensor::ExtractOp::create(b, loc, pages.getTable(), entry));
  if (pages.hasBatch()) {
    at.offsets.front() = page;
  } else {
    at.offsets.insert(at.offsets.begin(), page);
    at.sizes.insert(at.sizes.begin(), attr(1));
    at.strides.insert(at.strides.begin(), attr(1));
  }
  return tensor::ExtractSliceOp::create(b, loc, sliceType(pages, map, box),
                                        pages.getPool(), at.offsets, at.sizes,
                                        at.strides);
}

/// What is read in place is not copied; the rest is.
LogicalResult mlir::attn::settlePages(IRRewriter &rewriter, GatherPagesOp op) {
  rewriter.setInsertionPoint(op);
  for (Operation *user : llvm::make_early_inc_range(op->getUsers()))
    if (auto dim = dyn_cast<tensor::DimOp>(user))
      rewriter.modifyOpInPlace(
          dim, [&] { dim.getSourceMutable().assign(op.getOutput()); });
  if (op->use_empty()) {
    rewriter.eraseOp(op);
    return success();
  }
  FailureOr<SmallVector<Value>> results =
      cast<linalg::AggregatedOpInterface>(op.getOperation())
          .decomposeOperation(rewriter);
  if (failed(results))
    return failure();
  rewriter.replaceOp(op, *results);
  return success();
}
