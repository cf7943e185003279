//===- Kernel.h - what the emitters of one launch share ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The distribution of a tile's rows over warps, the states that live in
// registers, and the emitters of the tile-level operations.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_NVVM_KERNEL_H
#define ATTN_LIB_TARGET_NVVM_KERNEL_H

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Target/NVVM/FragmentBuilder.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace mlir::attn::nvvm {

/// One launch. Rows of a tile, all heads of its group together, are dealt to
/// the warps in fragments of 16, `rowFragments` to each.
struct Kernel {
  ThreadPosition at;
  int64_t rowFragments = 1;
  F32Products products = F32Products::Three;
  /// States that were scratch: private memory with constant indices only,
  /// which LLVM turns into registers.
  llvm::DenseMap<Value, Value> registers;
  Value dynamicShared;     ///< the block's shared memory as bytes
  int64_t sharedBytes = 0; ///< what the emitters asked for

  int64_t warpRows() const {
    return FragmentBuilder::fragmentRows * rowFragments;
  }
  void requireShared(int64_t bytes) {
    sharedBytes = std::max(sharedBytes, bytes);
  }
};

/// A row of a tile that a lane has a share of.
struct StateRow {
  Value group, query; ///< as the state is indexed, in bounds
  Value isThere;      ///< whether the state has such a row
};

/// The elements of accumulators in their order, and back.
SmallVector<Value> flatten(ArrayRef<Accumulator> parts);
SmallVector<Accumulator> unflatten(ValueRange all);

/// The extreme of i32 values over all lanes of the warp. The assembler knows
/// that the result is the same for all, which a butterfly of shuffles hides
/// from it: branches on it take no care of lanes that part.
Value reduceWarp(FragmentBuilder &f, ArrayRef<Value> values, bool isMax);

/// What a lane holds of a streaming softmax. Sums are its own share: the four
/// lanes of a row add theirs up when the state ends.
struct SoftmaxState {
  SmallVector<Accumulator> acc; ///< [row fragment][column fragment]
  SmallVector<Value> max, sum;  ///< [row fragment][upper, lower half]

  SmallVector<Value> flatten() const;
  /// The same shape with other values.
  SoftmaxState with(ValueRange values) const;
};

/// Loads and stores the states of one shape, from registers or from memory.
class StateAccess {
public:
  StateAccess(FragmentBuilder &f, const Kernel &kernel, MemRefType accType);

  int64_t getColumnFragments() const { return columns / 8; }
  ArrayRef<StateRow> getRows() const { return rows; }
  /// Number of fragments of a lane for a state of `rank` dimensions.
  static int64_t countRegisters(const Kernel &kernel, MemRefType type);

  SoftmaxState load(Value acc, Value max, Value sum);
  void store(const SoftmaxState &state, Value acc, Value max, Value sum);
  /// Part of a state from or to memory; `leading` indices come first.
  SmallVector<Value> loadRows(Value memory, ValueRange leading, double none);
  SmallVector<Accumulator> loadColumns(Value memory, ValueRange leading);
  void fill(Value memory, Value value);
  /// One lane of a row keeps its sum, the others begin with 0.
  SmallVector<Value> share(ValueRange sums);

private:
  void storeRows(ValueRange values, Value memory);
  void storeColumns(ArrayRef<Accumulator> values, Value memory);

  FragmentBuilder &f;
  const Kernel &kernel;
  int64_t columns;
  SmallVector<StateRow> rows;
};

/// On an attn.online_attention: keys of a tile, where not the emitter's choice.
inline constexpr llvm::StringLiteral kKeyTileAttr = "attn.key_tile";

/// attn.online_attention: keys and values by asynchronous copies into shared
/// memory, a tile ahead of the products.
void emitOnline(OpBuilder &b, OnlineAttentionOp op, Kernel &kernel);
/// What the kernel cannot do yet, as an error.
LogicalResult verifyOnline(OnlineAttentionOp op);

/// attn.linear_state, attn.linear_output, attn.linear_chunk and
/// attn.linear_merge.
void emitLinearState(OpBuilder &b, LinearStateOp op, Kernel &kernel);
void emitLinearOutput(OpBuilder &b, LinearOutputOp op, Kernel &kernel);
void emitLinearChunk(OpBuilder &b, LinearChunkOp op, Kernel &kernel);
void emitLinearMerge(OpBuilder &b, LinearMergeOp op, Kernel &kernel);

/// attn.linear_step.
void emitLinearStep(OpBuilder &b, LinearStepOp op, Kernel &kernel);

/// attn.project.
void emitProject(OpBuilder &b, ProjectOp op, Kernel &kernel);

/// What stands between tile-level operations, element by element: fills,
/// copies and generic operations of linalg, stores of scalars.
void emitElementwise(OpBuilder &b, Operation *op, Kernel &kernel);
LogicalResult verifyElementwise(Operation *op);

/// Any operation of a kernel; it stays where it is, without a use.
void emitTileOp(OpBuilder &b, Operation *op, Kernel &kernel);
/// Whether a memref is a part of the state of a softmax.
bool isStatePart(Value memref);
/// Gives a state that is scratch its registers, at `b`.
void keepInRegisters(OpBuilder &b, memref::AllocOp alloc, Kernel &kernel);
/// Whether a copy has the same source and destination, as bufferisation leaves
/// behind.
bool isIdle(memref::CopyOp copy);

/// attn.finalize and attn.merge.
void emitFinalize(OpBuilder &b, FinalizeOp op, Kernel &kernel);
void emitMerge(OpBuilder &b, MergeOp op, Kernel &kernel);

} // namespace mlir::attn::nvvm

#endif // ATTN_LIB_TARGET_NVVM_KERNEL_H
