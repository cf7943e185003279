//===- SoftmaxUpdate.h - between the products of attention ------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What every kernel for attn.online_attention does, whichever instructions
// form its products: where rows come from, which keys they see, and the update
// of the softmax by a tile of scores.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_NVVM_SOFTMAXUPDATE_H
#define ATTN_LIB_TARGET_NVVM_SOFTMAXUPDATE_H

#include "PagedRows.h"
#include "ScoreModifier.h"

namespace mlir::attn::nvvm {

class SoftmaxUpdate {
public:
  SoftmaxUpdate(OpBuilder &b, OnlineAttentionOp op, Kernel &kernel);

  /// The position in a memref's map of one of the operation's dimensions.
  static unsigned positionOf(AffineMap map, unsigned dim) {
    return *map.getResultPosition(getAffineDimExpr(dim, map.getContext()));
  }

protected:
  using D = OnlineAttentionOp;
  using Scores = SmallVector<Accumulator>; ///< [row fragment][key fragment]

  AffineMap mapAt(unsigned index) {
    return cast<AffineMapAttr>(op.getIndexingMaps()[index]).getValue();
  }
  Value dim(Value memref, unsigned position) {
    return f.b.createOrFold<memref::DimOp>(f.loc, memref, int64_t(position));
  }
  int64_t keyFragments() const { return keyTile / 8; }

  GlobalRows queryRows(bool isRelative = false) {
    return GlobalRows(f, isRelative ? op.getRelativeQuery() : op.getQuery(),
                      positionOf(queryMap, D::kHeadSize));
  }
  GlobalRows keyRows() {
    return pagedKeys
               ? pagedKeys->rows(f)
               : GlobalRows(f, op.getKey(), positionOf(keyMap, D::kHeadSize));
  }
  GlobalRows valueRows() {
    return pagedValues ? pagedValues->rows(f)
                       : GlobalRows(f, op.getValue(),
                                    positionOf(valueMap, D::kValueSize));
  }
  /// Rows of all groups below each other, as in the state.
  RowOrigin queryOrigin(Value row);
  /// Before rows of the tile at `firstKey` are asked for: whether its keys, or
  /// values, lie in pages.
  bool enterTile(std::optional<PagedRows> &paged, Value firstKey);
  /// Rows of a tile that begins at `firstKey`. Values of keys that are not
  /// valid become zero: 0 * NaN must not escape.
  RowOrigin keyOrigin(Value firstKey, Value row, bool isValue);

  /// Finds the keys that the rows of the warp see: must be called before any
  /// of the functions below.
  void describeRows();
  /// Modifiers and predicates everywhere, ranges where a row of the warp does
  /// not see all keys of the tile.
  Scores restrict(Scores scores, Value firstKey);
  /// Row `half` of the lane: maximum, probabilities in place of scores, and
  /// sum. Returns the factor that lowers the accumulator to the new maximum.
  Value updateRow(Scores &scores, SoftmaxState &state, int64_t half);
  void lowerRow(SoftmaxState &state, int64_t half, Value factor);

  OnlineAttentionOp op;
  Kernel &kernel;
  FragmentBuilder f;
  StateAccess access;
  AffineMap queryMap, keyMap, valueMap;
  Type element;
  Value numRows, numKeys;
  ScoreModifier modifier;
  std::optional<PagedRows> pagedKeys, pagedValues; ///< if they lie in pages
  int64_t keyTile = 0;        ///< set by who derives from this
  SmallVector<ScoreRow> rows; ///< [row fragment][upper, lower half]
  /// Keys that all rows of the warp see, and those outside of which no row
  /// sees any. Begins are null if every row begins with the first key, hulls
  /// if rows are no ranges.
  Value fullBegin, fullEnd, hullBegin, hullEnd;
  /// Where begins and ends of all rows of the block are kept, if they are to
  /// take no registers: `rangeBytes` of shared memory.
  Value rangesAt;
  int64_t rangeBytes();

private:
  Scores applyRanges(Scores scores, Value firstKey);
  /// Calls with every element of the scores, its row and its column.
  void forEach(Scores &scores,
               function_ref<Value(Value, const ScoreRow &, int64_t column)> to);
  bool hasRanges() { return op.getMaskAttr() && !modifier.needsPredicate(); }
  Value rangeAt(int64_t half, bool isEnd);
  void keepRanges();
  /// The begin or the end of a row's keys.
  Value boundOf(int64_t half, bool isEnd);
};

} // namespace mlir::attn::nvvm

#endif // ATTN_LIB_TARGET_NVVM_SOFTMAXUPDATE_H
