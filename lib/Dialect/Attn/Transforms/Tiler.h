//===- Tiler.h - builds the tiled form of one attention ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shared by the ways to tile attention: over queries (Tile.cpp), over keys
// where there are too few queries (TileOverKeys.cpp), and as the tiling
// interfaces ask for it (TileBox.cpp).
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TRANSFORMS_TILER_H
#define ATTN_LIB_TRANSFORMS_TILER_H

#include "TileBox.h"

#include "attn/Dialect/Attn/Transforms/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace mlir::attn {

class Tiler {
public:
  Tiler(AttentionOp op, OpBuilder &builder, const AttnTilePassOptions &options)
      : op(op), b(builder), loc(op.getLoc()), options(options) {}

  /// Tiles over batch, key heads and queries; the results replace the op's.
  SmallVector<Value> tile();
  /// Tiles over batch, key heads and ranges of keys, and merges the partial
  /// states in a second parallel loop.
  ValueRange tileOverKeys();
  /// Builds assertions on what only the running program knows.
  void check();
  /// The tile of a box: all keys of its queries in one step for each range of
  /// them. Fails where the rows of the box have no constant bound.
  FailureOr<TiledBox> tileBox(const Box &box);
  /// The part of a result that belongs to a box.
  SlicePosition positionIn(AffineMap map, const Box &box);

  /// Tasks that the keys of a head are cut into, kTasksByLength where only
  /// their length says, or 0 where tiles of queries are tasks enough.
  int64_t countKeyTasks();
  static constexpr int64_t kTasksByLength = -1;

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

  int64_t rowAlign() {
    Type type =
        cast<RankedTensorType>(op.getQuery().getType()).getElementType();
    return type.isBF16() ? options.pairRowAlign : options.rowAlign;
  }
  void checkLengths();
  void chooseSizes();
  SmallVector<QueryRange> buildQueryRanges();
  ValueRange tileQueries(const QueryRange &piece, ValueRange outputs);
  void chooseQueryTile();
  void chooseBlockTile();
  int64_t mostRelativeRows();
  void placeInBlock();
  bool isGrouped();
  void placeHeads(Value batchId, Value headId);
  void buildTile(ValueRange ids, ValueRange outputs);
  SmallVector<Value> buildInitialState();
  SmallVector<Value> buildKeyLoop(const KeyRange &range, ValueRange state);
  FinalizeOp buildOutputs(ValueRange state, ValueRange outputs,
                          SmallVectorImpl<SlicePosition> &positions);
  void buildFinish(ValueRange state, ValueRange outputs);
  void insertInParallel(ValueRange parts, ValueRange wholes,
                        ArrayRef<SlicePosition> positions);
  // A split over keys: partial states [batch, key head, split, ...state].
  SmallVector<Value> buildPartials(OpFoldResult splits);
  SlicePosition partialPosition(unsigned part, ValueRange ids,
                                OpFoldResult split, OpFoldResult number);
  ValueRange mergePartials(ValueRange partials, OpFoldResult splits);
  OpFoldResult keyHeads();
  OpFoldResult chooseKeySplit(int64_t tasks, Value length);
  bool hasFewQueries(); ///< so that only their keys can be shared
  bool canSplitKeys();
  void placeBox(const Box &box);
  SmallVector<KeyRange> buildKeyRanges();
  int64_t chooseKeyTile(const KeyRange &range);
  RankedTensorType stateType(unsigned part);
  scf::ForallOp buildForall(ArrayRef<OpFoldResult> bounds, ValueRange outputs,
                            function_ref<void(scf::ForallOp)> body);
  SmallVector<Value> buildPartLoop(const KeyRange &range, ValueRange state);
  OpFoldResult countKeys(Value firstKey, const KeyRange &range);
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
  RankedTensorType sliceType(Value source, AffineMap map, const Box &box);
  Value slice(Value source, AffineMap map, const Box &box);
  void keepWithinPages();
  Value slicePages(GatherPagesOp pages, AffineMap map, const Box &box);
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
  bool readsPages = false; ///< whether slices of keys lie within a page
  int64_t queryBlock = 0;  ///< what tiles keep to the multiples of, unless 0
  OpFoldResult tileOrigin; ///< the multiple of it that the first tile is at
  int64_t sharing = 1;     ///< query heads per key head
  int64_t group = 1;       ///< query heads in a tile
  int64_t rows = 0;        ///< rows of the state
  int64_t keyTile = 0;     ///< of the range being built, or kAllKeys
  static constexpr int64_t kAllKeys = 0;
  OpFoldResult step, tiles; ///< queries of a tile and how many tiles
  // Of the tile being built.
  OpFoldResult batch, head, keyHead, firstQuery, count;
  /// Where the outputs begin, if they are those of a box.
  std::optional<Box> outputBox;
  // Of the part of the keys being walked; partFirst is its first position.
  Value partKey, partValue;
  OpFoldResult partFirst;
};

} // namespace mlir::attn

#endif // ATTN_LIB_TRANSFORMS_TILER_H
