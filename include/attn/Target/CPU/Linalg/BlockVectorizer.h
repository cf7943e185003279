//===- BlockVectorizer.h - a scalar region on vectors ------------*- C++
//-*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Clones the operations of a block that was written for scalars so that they
// work on a vector of neighbouring elements. Payloads of linalg operations and
// score-mod regions become vector code this way.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_CPU_LINALG_BLOCKVECTORIZER_H
#define ATTN_TARGET_CPU_LINALG_BLOCKVECTORIZER_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace mlir::attn::cpu {

/// Whether BlockVectorizer can clone every operation of a block: element-wise
/// operations, constants, loads, assertions and linalg.index.
bool isVectorizable(Block &block);

/// Clones a block for `lanes` elements at once. A value that is the same for
/// all lanes stays a scalar; operations on scalars alone are cloned unchanged.
class BlockVectorizer {
public:
  /// `mask` (a vector of i1, or null for all lanes) has lane 0 set. Lanes that
  /// are not set may compute anything, but do not load or fail assertions.
  BlockVectorizer(OpBuilder &builder, int64_t lanes, Value mask = Value())
      : builder(builder), lanes(lanes), mask(mask) {}

  /// Gives an argument of the block its value: a scalar, or a vector.
  void map(Value argument, Value value) { mapping.map(argument, value); }
  /// Gives an argument of the block the indices `first`, `first` + 1, ...
  void mapLaneIndices(Value argument, Value first);
  /// What linalg.index of a dimension means; called once per such operation.
  /// The second member says whether the index goes up by one per lane.
  using IndexOf = llvm::function_ref<std::pair<Value, bool>(uint64_t)>;

  /// Clones all operations but the terminator, whose operands' values are
  /// returned, as vectors if `asVectors`. The block must be vectorizable.
  SmallVector<Value> run(Block &block, IndexOf indexOf, bool asVectors = true);

  /// A value as a vector, broadcast if it is a scalar.
  Value asVector(Value value, Location loc);

private:
  Value lookUp(Value value) { return mapping.lookupOrDefault(value); }
  bool isVarying(Value value);
  void clone(Operation &op, IndexOf indexOf);
  void cloneLoad(Operation &op);
  void cloneAssert(Operation &op);

  OpBuilder &builder;
  int64_t lanes;
  Value mask;
  IRMapping mapping;
  /// Index vectors that go up by one per lane, with their first element.
  llvm::DenseMap<Value, Value> firstIndex;
};

/// Loads `lanes` scalars at the indices that `at` gives for each lane; lanes
/// beyond a mask read what lane 0 reads.
Value loadLanes(OpBuilder &builder, Location loc, Value memref, int64_t lanes,
                llvm::function_ref<SmallVector<Value>(int64_t)> at);

} // namespace mlir::attn::cpu

#endif // ATTN_TARGET_CPU_LINALG_BLOCKVECTORIZER_H
