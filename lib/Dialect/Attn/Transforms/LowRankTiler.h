//===- LowRankTiler.h - one low-rank attention being tiled ------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shared by the files that build its parts: the slots, and the softmax over
// them.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TRANSFORMS_LOWRANKTILER_H
#define ATTN_LIB_TRANSFORMS_LOWRANKTILER_H

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace mlir::attn {

/// Keys or values on their way to slots.
struct SlotSide {
  OpOperand *source, *projection;
  unsigned sizeDim; ///< d or e
  bool hasBatch = false, hasHead = false;
  Value slots =
      nullptr; ///< [b, head, slot, size], without the first two as it lacks
};

class LowRankTiler {
public:
  LowRankTiler(LowRankAttentionOp op, OpBuilder &builder,
               const AttnTileLowRankPassOptions &options);
  /// The values of the operation's results.
  SmallVector<Value> tile();

private:
  using D = LowRankAttentionOp::Dim;

  OpFoldResult attr(int64_t value) { return b.getIndexAttr(value); }
  Value value(OpFoldResult folded) {
    return getValueOrCreateConstantIndexOp(b, loc, folded);
  }
  OpFoldResult apply(AffineExpr expr, ArrayRef<OpFoldResult> operands) {
    return affine::makeComposedFoldedAffineApply(b, loc, expr, operands);
  }
  /// min(limit, end - begin), `begin` being a multiple of `limit`.
  OpFoldResult clip(int64_t limit, OpFoldResult begin, OpFoldResult end);

  // LowRankSlots.cpp
  void chooseSizes(SlotSide &side);
  Value buildSlots(SlotSide &side);
  Value buildTask(SlotSide &side, OpFoldResult part, Value tile);
  Value buildBlock(SlotSide &side, OpFoldResult begin, OpFoldResult length,
                   OpFoldResult first, Value tile);
  Value buildPositions(SlotSide &side, OpFoldResult begin, OpFoldResult length,
                       Value acc);
  Value buildProducts(SlotSide &side, Value weights, AffineMap weightMap,
                      OpFoldResult position, OpFoldResult count, Value acc);
  Value store(SlotSide &side, Value acc, OpFoldResult first, Value tile);
  Value sliceSource(SlotSide &side, OpFoldResult head, OpFoldResult position,
                    OpFoldResult count, AffineMap &map);
  Value sliceWeights(SlotSide &side, OpFoldResult position, OpFoldResult count,
                     AffineMap &map);
  Value sliceValid(OpFoldResult position, OpFoldResult count);
  Value sliceHead(Value acc, Value head);

  // TileLowRank.cpp
  void checkLengths();
  SmallVector<Value> attend(Value key, Value values, AffineMap keyMap,
                            AffineMap valueMap, Value valid, AffineMap validMap,
                            Attribute mask, bool needsLse);
  SmallVector<Value> merge(ArrayRef<Value> left, ArrayRef<Value> right);
  Value buildSlotValidity();
  AffineMap attentionMap(AffineMap map);
  AffineMap slotMap(const SlotSide &side);

  LowRankAttentionOp op;
  OpBuilder &b;
  Location loc;
  const AttnTileLowRankPassOptions &options;
  FloatType type;                  ///< of sums
  int64_t block = 0, perBlock = 0; ///< positions, and slots, of a block
  OpFoldResult positions, blocks, slots;
  SlotSide keys, values;
  AffineMap lseMap;        ///< of the results of `attend`
  int64_t slotSharing = 1; ///< query heads per head of the slots

  // Sizes of the side being built.
  int64_t size = 0, paddedSize = 0, headTile = 1, slotTile = 0, partBlocks = 1,
          positionTile = 0;
  OpFoldResult slotHeads, slotTiles, parts;
  // Where the task being built stands.
  OpFoldResult batch, firstHead, headCount, firstSlot, slotCount;
};

} // namespace mlir::attn

#endif // ATTN_LIB_TRANSFORMS_LOWRANKTILER_H
