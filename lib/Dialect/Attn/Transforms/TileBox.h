//===- TileBox.h - boxes of the attention domain ----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a tile is before it is operations: a span of each dimension, and the
// parts of tensors that belong to it.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TRANSFORMS_TILEBOX_H
#define ATTN_LIB_TRANSFORMS_TILEBOX_H

#include "attn/Dialect/Attn/IR/Attn.h"

#include <array>

namespace mlir::attn {

/// Offset and size of a dimension of the attention domain within a slice.
struct Span {
  OpFoldResult offset, size;
  bool isDropped = false; ///< a unit dimension that the tile does not have
};
using Box = std::array<Span, AttentionOp::kRelative + 1>;

/// Offsets and sizes of a part of a tensor, all strides 1.
struct SlicePosition {
  SmallVector<OpFoldResult> offsets, sizes, strides;
};

/// The part of a tensor that a box of its domain reads; `dimOf` says which
/// dimension a result of `map` is.
SlicePosition positionIn(OpBuilder &builder, AffineMap map, ArrayRef<Span> box,
                         function_ref<unsigned(AffineExpr)> dimOf);

/// The positions `j - i + queries - 1` of a tile of queries and keys in an
/// operand of `extent` of them, of which the last may be missing: from that of
/// the last query and the first key to that of the first query and the last
/// key.
Span getRelativeSpan(OpBuilder &builder, Location loc, OpFoldResult extent,
                     OpFoldResult queries, const Span &ofQueries,
                     const Span &ofKeys);

/// `empty` filled with what an empty state has: acc = 0, max = -inf, sum = 0.
Value buildIdentity(OpBuilder &builder, Location loc, unsigned part,
                    Value empty);

/// What a box of the domain became, and its parts of the results.
struct TiledBox {
  SmallVector<Operation *> ops;
  SmallVector<Value> results;
};

} // namespace mlir::attn

#endif // ATTN_LIB_TRANSFORMS_TILEBOX_H
