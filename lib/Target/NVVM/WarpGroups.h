//===- WarpGroups.h - attention by specialised warp groups ------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The version of a kernel that sm_90a gets: one warp group brings keys and
// values into shared memory, one or two others multiply.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_NVVM_WARPGROUPS_H
#define ATTN_LIB_TARGET_NVVM_WARPGROUPS_H

#include "Kernel.h"
#include "TensorMaps.h"

namespace mlir::attn::nvvm {

/// How an operand gets into shared memory: by copies through a tensor map, or
/// for the reason given by all threads of the producer.
struct OperandCopies {
  TileShape shape;
  std::string obstacle;
  SmallVector<Value> maps; ///< of createMaps, by range of keys

  bool useMap() const { return obstacle.empty(); }
  /// Arrivals of a tile.
  int64_t arrivals() const { return useMap() ? 1 : WarpGroupBuilder::threads; }
};

/// How a kernel for warp groups is laid out.
struct WarpGroupPlan {
  int64_t consumers = 0; ///< groups of 64 rows that multiply
  int64_t keyTile = 0, stages = 0;
  int64_t blocks = 1;                  ///< on a multiprocessor at once
  int64_t ranges = 1;                  ///< of keys, one after the other
  int64_t headSize = 0, valueSize = 0; ///< of products: multiples of 16
  OperandCopies queryCopies, keyCopies, valueCopies;

  bool hasManyRanges() const { return ranges > 2; }
  int64_t columns() const { return std::max(headSize, valueSize); }
  bool useMaps() const {
    return queryCopies.useMap() && keyCopies.useMap() && valueCopies.useMap();
  }
  /// A sentence for every operand that no tensor map is used for.
  SmallVector<std::string> describeOtherCopies() const;

  int64_t threads() const {
    return (consumers + 1) * WarpGroupBuilder::threads;
  }
  SwizzledTile queryTile(Value base) const {
    return {base, consumers * WarpGroupBuilder::rows, headSize};
  }
  SwizzledTile keys(Value base) const { return {base, keyTile, headSize}; }
  SwizzledTile values(Value base) const { return {base, keyTile, valueSize}; }

  // Bytes from the start of shared memory, once that is aligned.
  int64_t keysAt() const { return queryTile({}).bytes(); }
  int64_t valuesAt() const { return keysAt() + stages * keys({}).bytes(); }
  int64_t barriersAt() const {
    return valuesAt() + stages * values({}).bytes();
  }
  int64_t barriers() const { return 1 + 4 * stages; }
  int64_t sharedBytes() const {
    return SwizzledTile::alignment + barriersAt() + 8 * barriers();
  }
};

/// The layout for a kernel of `ops`, or nothing and why not.
std::optional<WarpGroupPlan> planWarpGroups(ArrayRef<Operation *> ops,
                                            std::string &reason);

/// Has the host encode the maps that the plan wants.
void createMaps(OpBuilder &host, ArrayRef<Operation *> ops,
                WarpGroupPlan &plan);

/// Where a role goes on after a range of keys.
struct RingPosition {
  int64_t range = 0;
  Value stage, parity; ///< of the next tile
  Value isLeader; ///< of the producer: the thread that copies by tensor maps
};

/// The parts of attn.online_attention: who brings keys and values, and who
/// multiplies. `kernel.at.shared` is aligned for swizzled tiles.
void initBarriers(FragmentBuilder &f, const WarpGroupPlan &plan);
void emitProducer(OpBuilder &b, OnlineAttentionOp op, Kernel &kernel,
                  const WarpGroupPlan &plan, RingPosition &at);
void emitConsumer(OpBuilder &b, OnlineAttentionOp op, Kernel &kernel,
                  const WarpGroupPlan &plan, RingPosition &at);

/// Builds a branch on the number of threads of a block: with the plan's, the
/// code of `body` for warp groups; what a block of another size does is to be
/// put into the `else` block. `at` places a thread in its block.
scf::IfOp emitWarpGroups(OpBuilder &b, Location loc, Block &body,
                         const ThreadPosition &at, const WarpGroupPlan &plan);

} // namespace mlir::attn::nvvm

#endif // ATTN_LIB_TARGET_NVVM_WARPGROUPS_H
