//===- ProductPanel.h - a factor of a product in shared memory --*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The part of a factor that a block works on: lines (rows of the left factor,
// columns of the right one) by a step of the depth, brought from any strided
// layout, and read as operands of products.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_NVVM_PRODUCTPANEL_H
#define ATTN_LIB_TARGET_NVVM_PRODUCTPANEL_H

#include "Product.h"

namespace mlir::attn::nvvm {

/// A buffer in global memory by the address of its first element.
struct GlobalBuffer {
  Value base; ///< `index`, in bytes
  SmallVector<Value> strides;
  MemRefType type;

  GlobalBuffer() = default;
  GlobalBuffer(FragmentBuilder &f, Value memref);
  int64_t elementBytes() const { return type.getElementTypeBitWidth() / 8; }
  Value pointer(FragmentBuilder &f, ValueRange indices) const;
};

/// The most elements side by side along dimension `position` that are known to
/// be aligned to their size, at most 16 bytes; 0 if neighbours are not there.
int64_t alignedElements(Value memref, unsigned position);

/// Where a step begins in the dimensions of the depth.
struct DepthPosition {
  SmallVector<Value> outer; ///< of all dimensions but the last
  Value first;              ///< in the last
};

/// What all panels of a block know of its place.
struct ProductPlace {
  const Product *product;
  const ProductTile *tile;
  SmallVector<Value> extents; ///< of the domain
  SmallVector<Value> batch;   ///< the block's place in the batch
};

class ProductPanel {
public:
  /// `lines` are the dimensions across the depth, of which the block has
  /// `lineCount` from `firstLine` on, and `numLines` exist.
  ProductPanel(FragmentBuilder &f, const ProductPlace &place,
               const Factor &factor, ArrayRef<unsigned> lines,
               int64_t lineCount, Value firstLine, Value numLines);

  int64_t bytes() const { return tileAt({}).bytes(); }
  /// Begins to bring a step into shared memory at `base`.
  void stage(Value base, const DepthPosition &at);
  /// Where the depth from `depth` on, in elements, begins in a step at `base`.
  Value sliceAt(Value base, Value depth) const;
  /// Operands of 16 lines from `line` on, `firstLine` being the warp's own.
  Operand loadLeft(Value base, Value warpLine, int64_t line, int64_t step);
  /// Two operands of 8 lines each.
  SmallVector<Operand> loadRight(Value base, Value warpLine, int64_t line,
                                 int64_t step);

private:
  /// What a thread copies in every step.
  struct Piece {
    Value address;  ///< `index`, at the beginning of the depth
    Value depthAt;  ///< where it lies in the step
    Value present;  ///< i32: bytes that exist across the depth
    Value inShared; ///< `index`, in bytes from the beginning of the panel
    Value isDealt;  ///< whether the thread has this piece; null: it has
  };

  SharedTile tileAt(Value base) const;
  SharedTile warpTile(Value base, Value warpLine) const;
  unsigned innerDepth() const { return place.product->depth.back(); }
  Value strideOf(unsigned dim) const;
  void chooseLayout();
  bool isAsync() const { return chunk * buffer.elementBytes() >= 4; }
  Piece makePiece(Value number);
  void preparePieces();
  Value stepOffset(const DepthPosition &at);
  Value presentBytes(const Piece &piece, const DepthPosition &at);
  void stageElements(Value base, const DepthPosition &at);
  /// Whether elements become wider as operands.
  bool isWidened() const { return element != compute; }
  Operand loadElements(const SharedTile &tile, int64_t depth,
                       ArrayRef<int64_t> linesAt);

  FragmentBuilder &f;
  const ProductPlace &place;
  const Factor &factor;
  SmallVector<unsigned> lines;
  int64_t lineCount;
  Value firstLine, numLines;
  Type element, compute;
  GlobalBuffer buffer;
  bool alongDepth = true; ///< neighbours in memory are neighbours in depth
  int64_t chunk = 1;      ///< elements of a copy
  SmallVector<Piece> pieces;
};

} // namespace mlir::attn::nvvm

#endif // ATTN_LIB_TARGET_NVVM_PRODUCTPANEL_H
