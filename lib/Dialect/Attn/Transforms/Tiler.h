//===- Tiler.h - builds the tiled form of one attention ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shared by the two ways to tile attention: over queries (Tile.cpp), and over
// keys where there are too few queries (TileOverKeys.cpp).
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TRANSFORMS_TILER_H
#define ATTN_LIB_TRANSFORMS_TILER_H

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <array>

namespace mlir::attn {

/// Offset and size of a dimension of the attention domain within a slice.
struct Span {
  OpFoldResult offset, size;
  bool isDropped = false; ///< a unit dimension that the tile does not have
};
using Box = std::array<Span, AttentionOp::kRelative + 1>;

class Tiler {
public:
  Tiler(AttentionOp op, OpBuilder &builder, const AttnTilePassOptions &options)
      : op(op), b(builder), loc(op.getLoc()), options(options) {}

  /// Tiles over batch, key heads and queries; the results replace the op's.
  SmallVector<Value> tile();
  /// Tiles over batch, key heads and ranges of keys, and merges the partial
  /// states in a second parallel loop.
  ValueRange tileOverKeys();
  /// Whether the queries of a group are so few that their keys are all there is
  /// to share among threads.
  bool hasFewQueries();

private:
  using D = AttentionOp::Dim;

  OpFoldResult attr(int64_t value) { return b.getIndexAttr(value); }
  OpFoldResult apply(AffineExpr expr, ArrayRef<OpFoldResult> operands) {
    return affine::makeComposedFoldedAffineApply(b, loc, expr, operands);
  }
  /// min(limit, end - begin)
  OpFoldResult clip(int64_t limit, OpFoldResult begin, OpFoldResult end) {
    AffineExpr s0 = b.getAffineSymbolExpr(0), s1 = b.getAffineSymbolExpr(1);
    auto map = AffineMap::get(0, 2, {b.getAffineConstantExpr(limit), s1 - s0},
                              b.getContext());
    return affine::makeComposedFoldedAffineMin(b, loc, map, {begin, end});
  }
  Value value(OpFoldResult folded) {
    return getValueOrCreateConstantIndexOp(b, loc, folded);
  }

  void checkLengths();
  void chooseSizes();
  SmallVector<QueryRange> buildQueryRanges();
  ValueRange tileQueries(const QueryRange &piece, ValueRange outputs);
  void checkKeys();
  void chooseQueryTile();
  void chooseBlockTile();
  void placeInBlock();
  bool isGrouped();
  void placeHeads(Value batchId, Value headId);
  void buildTile(ValueRange ids, ValueRange outputs);
  SmallVector<Value> buildInitialState();
  SmallVector<Value> buildKeyLoop(const KeyRange &range, ValueRange state);
  void buildFinish(ValueRange state, ValueRange outputs);
  SmallVector<KeyRange> buildKeyRanges();
  int64_t chooseKeyTile(const KeyRange &range);
  RankedTensorType stateType(unsigned part);
  scf::ForallOp buildForall(ArrayRef<OpFoldResult> bounds, ValueRange outputs,
                            function_ref<void(scf::ForallOp)> body);
  SmallVector<Value> buildPartLoop(const KeyRange &range, ValueRange state);
  SmallVector<Value> buildStep(Value firstKey, const KeyRange &range,
                               ValueRange state);
  // TileGathered.cpp
  std::optional<int64_t> findGatheredKeys(ArrayRef<KeyRange> ranges);
  Value gatherRows(Value source, AffineMap map, ArrayRef<Span> ranges,
                   int64_t most, OpFoldResult total);
  SmallVector<Value> buildGatheredStep(ArrayRef<KeyRange> ranges, int64_t most,
                                       ValueRange state);
  Span relativeSpan(Value source, AffineMap map, OpFoldResult firstKey,
                    OpFoldResult keyCount);
  Value slice(Value source, AffineMap map, const Box &box);
  RankedTensorType sliceShape(Value source, AffineMap map, const Box &box,
                              SmallVectorImpl<OpFoldResult> &offsets,
                              SmallVectorImpl<OpFoldResult> &sizes);
  AffineMap tileMap(AffineMap map, const Box &box, ArrayRef<unsigned> order);
  Box boxAt(OpFoldResult firstKey, OpFoldResult keys, bool isKeySide);

  AttentionOp op;
  OpBuilder &b;
  Location loc;
  const AttnTilePassOptions &options;

  OpFoldResult batches, heads, queries, keys; ///< extents
  OpFoldResult firstOfPiece, pieceQueries;    ///< of the queries being tiled
  MaskAttrInterface mask;                     ///< of these queries
  bool seesNothing = false;
  int64_t queryBlock = 0;   ///< what tiles keep to the multiples of, unless 0
  OpFoldResult tileOrigin;  ///< the multiple of it that the first tile is at
  int64_t sharing = 1;      ///< query heads per key head
  int64_t group = 1;        ///< query heads in a tile
  int64_t rows = 0;         ///< rows of the state
  int64_t keyTile = 0;      ///< of the range being built
  OpFoldResult step, tiles; ///< queries of a tile and how many tiles
  OpFoldResult batch, head, keyHead, firstQuery,
      count; ///< of the tile being built
  /// Of the part of the keys that is being walked: its operands and its first
  /// position.
  Value partKey, partValue;
  OpFoldResult partFirst;
};

} // namespace mlir::attn

#endif // ATTN_LIB_TRANSFORMS_TILER_H
