//===- TensorMaps.h - copies by the tensor memory accelerator ---*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operands of kernels as boxes of tensors that the host sees. The host makes an
// nvgpu.tma.create.descriptor of each, which becomes a parameter of the kernel;
// one thread then starts a copy of a whole tile.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_NVVM_TENSORMAPS_H
#define ATTN_LIB_TARGET_NVVM_TENSORMAPS_H

#include "WarpGroupBuilder.h"

namespace mlir::attn::nvvm {

/// An operand as a part of a larger memref.
struct TensorPart {
  Value tensor;
  SmallVector<unsigned> dims; ///< of `tensor`, by dimension of the operand
  /// Of each dimension of `tensor`, where the operand begins: the sum of these.
  SmallVector<SmallVector<OpFoldResult, 2>> first;
  bool isDense = true; ///< neighbours in the operand are neighbours in `tensor`

  static TensorPart find(Value memref);
  /// Whether one map can do for operands of both.
  bool hasMapOf(const TensorPart &other, unsigned columnPosition) const;
};

/// What a tile is made of: columns that lie side by side, rows of one dimension
/// of the operand, and above these as many `groups` of another, if there is
/// one.
struct TileShape {
  unsigned columnPosition = 0, rowPosition = 0;
  std::optional<unsigned> groupPosition;
  int64_t rows = 0, groups = 1;
};

/// Why no tensor map describes tiles of an operand of `kernel`, a loop that is
/// going to be launched; empty if one does.
std::string findMapObstacle(Value operand, const TileShape &shape,
                            Operation *kernel);

/// Describes the operand's tensor on the host, with boxes of a tile's rows and
/// as many columns as the swizzle spans: an !nvgpu.tensormap.descriptor.
Value createMap(OpBuilder &host, Value operand, const TileShape &shape);

/// Copies tiles of an operand through its map.
class TensorCopier {
public:
  /// Builds what all copies share.
  TensorCopier(FragmentBuilder &f, Value map, Value operand,
               const TileShape &shape);

  void prefetchMap();
  /// On one thread: begins to copy the tile whose first row is `firstRow` of
  /// the operand, and arrives at `barrier`, which waits for its bytes too.
  void copy(const SwizzledTile &tile, Value firstRow, Value barrier);

private:
  FragmentBuilder &f;
  Value pointer;
  SmallVector<Value> first; ///< i32, by dimension of the map, innermost first
  size_t rowAt = 0;         ///< the place of rows among these
};

} // namespace mlir::attn::nvvm

#endif // ATTN_LIB_TARGET_NVVM_TENSORMAPS_H
