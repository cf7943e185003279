//===- RadixSort.h - stable sorts of many segments --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Builds the launches of a radix sort of the tokens of every batch, head and
// round by a key that is computed from the token's position.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_NVVM_RADIXSORT_H
#define ATTN_LIB_TARGET_NVVM_RADIXSORT_H

#include "BlockBuilder.h"

#include <functional>

namespace mlir::attn::nvvm {

/// A token's key, an i32 that is compared without sign. `segment` is batch,
/// head and round.
using KeyFn =
    std::function<Value(BlockBuilder &k, ValueRange segment, Value token)>;

class RadixSort {
public:
  /// `order` is [B, H, R, N]. `workspace` is like it; null: one is allocated
  /// where one is needed.
  RadixSort(OpBuilder &b, Location loc, Value order, Value workspace,
            unsigned keyBits, KeyFn key);
  void emit();

private:
  struct Block; ///< what a block knows of its part

  void emitPass(unsigned pass, Value from, Value to);
  /// The block's tokens, their digits and who shares them; counts by warp.
  Block openBlock(BlockBuilder &k, Value number, unsigned pass, Value from);
  void emitCount(BlockBuilder &k, Value number, unsigned pass, Value from);
  void emitScan(BlockBuilder &k, Value segment);
  Value foldTiles(
      BlockBuilder &k, Value segment, Value digit, Value initial,
      function_ref<Value(Value tile, Value isThere, Value sum, Value count)>
          body);
  void emitPlace(BlockBuilder &k, Value number, unsigned pass, Value from,
                 Value to);
  void launch(StringRef name, Value blocks, int64_t warps,
              function_ref<void(BlockBuilder &, Value block)> body);

  OpBuilder &b;
  Location loc;
  Value order, workspace;
  unsigned passes, digitBits;
  KeyFn key;
  int64_t digits;
  SmallVector<Value> extents; ///< batches, heads, rounds
  Value tokens, tiles, segments;
  Value counts; ///< [segments, tiles, digits]: tokens with a digit, then where
                ///< the first of them goes
};

} // namespace mlir::attn::nvvm

#endif // ATTN_LIB_TARGET_NVVM_RADIXSORT_H
