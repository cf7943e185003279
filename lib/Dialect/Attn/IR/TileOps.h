//===- TileOps.h - what tile-level operations share -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Memory effects, speculatability, states and result types of operations in
// destination style that work on tensors and on memrefs.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_DIALECT_ATTN_IR_TILEOPS_H
#define ATTN_LIB_DIALECT_ATTN_IR_TILEOPS_H

#include "attn/Dialect/Attn/IR/Attn.h"

namespace mlir::attn {

using TileEffects =
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>;

/// Reads of the inputs and writes of the destinations where they are memrefs;
/// tensors have no effects.
void addTileEffects(DestinationStyleOpInterface op, bool readsInits,
                    TileEffects &effects);

Speculation::Speculatability
getTileSpeculatability(DestinationStyleOpInterface op);

/// acc [G, T, E'], max and sum [G, T] with one element type, optionally all
/// static.
LogicalResult verifySoftmaxState(Operation *op, Value acc, Value max, Value sum,
                                 StringRef constraint, bool isStatic);

/// A map whose results are distinct dimensions, all of `required` and otherwise
/// only of `allowed`.
LogicalResult verifyTileMap(Operation *op, StringRef name, AffineMap map,
                            Value operand, unsigned numDims,
                            ArrayRef<unsigned> required,
                            ArrayRef<unsigned> allowed, StringRef constraint);

/// Result types are those of the destinations on tensors, none on memrefs.
LogicalResult verifyTileResults(DestinationStyleOpInterface op,
                                StringRef constraint);

} // namespace mlir::attn

#endif // ATTN_LIB_DIALECT_ATTN_IR_TILEOPS_H
