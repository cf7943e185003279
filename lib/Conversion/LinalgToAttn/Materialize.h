//===- Materialize.h - expressions back to tensors -------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Builds a linalg.generic that computes an expression, for the parts of masks
// and biases that stay data.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CONVERSION_LINALGTOATTN_MATERIALIZE_H
#define ATTN_LIB_CONVERSION_LINALGTOATTN_MATERIALIZE_H

#include "Layout.h"

namespace mlir::attn::raise {

/// A tensor and its map over the domain.
struct MappedTensor {
  Value tensor;
  AffineMap map;
};

/// Computes `node` for all values of the domain's dimensions that it depends
/// on. `dims` translates loop variables to dimensions of the domain. Null
/// tensor if the expression contains what cannot be computed element by
/// element.
MappedTensor materialize(OpBuilder &builder, Location loc, ExprContext &context,
                         NodeRef node, const Domain &domain,
                         ArrayRef<AffineExpr> dims);

} // namespace mlir::attn::raise

#endif // ATTN_LIB_CONVERSION_LINALGTOATTN_MATERIALIZE_H
