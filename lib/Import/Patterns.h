//===- Patterns.h - rewrites of the import phase ---------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The parts of attn-import: replacing operations, simplifying shapes, and what
// exporters are known to write otherwise than meant.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_IMPORT_PATTERNS_H
#define ATTN_LIB_IMPORT_PATTERNS_H

#include "mlir/IR/PatternMatch.h"

namespace mlir::attn {

/// Operations of tm_tensor as linalg.
void populateTmTensorPatterns(RewritePatternSet &patterns);

/// Computed extents, reshapes, run-time broadcasts and assertions.
void populateShapePatterns(RewritePatternSet &patterns);

/// Elementwise code between an expansion and its collapse.
void populateCollapsePatterns(RewritePatternSet &patterns);

/// Constants of known formulas.
void populateConstantPatterns(RewritePatternSet &patterns);

/// A product of extents, comparable by its factors: an extent is a dimension of
/// a tensor, or a scalar (with dimension -1).
struct Extent {
  int64_t factor = 1;
  SmallVector<std::pair<Value, int64_t>, 4> atoms;

  bool operator==(const Extent &other) const {
    return factor == other.factor && atoms == other.atoms;
  }
  /// Whether it cannot be negative, every factor being one of a shape.
  bool isNonNegative() const;
};

/// The extent that an integer or index computes.
Extent getExtent(Value value);
/// The extent of a dimension of a tensor, looking through its definition.
Extent getExtent(Value tensor, int64_t dim);
Extent multiply(const Extent &a, const Extent &b);
/// a / b if b divides a.
std::optional<Extent> divide(const Extent &a, const Extent &b);

} // namespace mlir::attn

#endif // ATTN_LIB_IMPORT_PATTERNS_H
