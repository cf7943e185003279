//===- Packing.h - operands of packed products ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Builds, on tensors, what the passes that pack products have in common:
// matrices in panels, and conversions to the type of sums.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_CPU_LINALG_PACKING_H
#define ATTN_TARGET_CPU_LINALG_PACKING_H

#include "attn/Target/CPU/CpuTarget.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace mlir::attn::cpu {

/// A matrix on the right of a product: `columns` of the product, each of
/// `depth` elements, which come first in the tensor if `isDepthFirst`.
struct RightMatrix {
  Value tensor;
  int64_t columns, depth;
  bool isDepthFirst;
};

/// The matrix in panels for the register tiles of `target`.
Value packPanels(OpBuilder &builder, Location loc, const RightMatrix &matrix,
                 Type element, const CpuTarget &target);

/// An element-wise operation on tensors of one shape.
Value buildElementwise(
    OpBuilder &builder, Location loc, ValueRange inputs, Type element,
    llvm::function_ref<Value(OpBuilder &, Location, ValueRange)> body);

/// A tensor of floats with another element type.
Value castTensor(OpBuilder &builder, Location loc, Value tensor, Type element);

} // namespace mlir::attn::cpu

#endif // ATTN_TARGET_CPU_LINALG_PACKING_H
