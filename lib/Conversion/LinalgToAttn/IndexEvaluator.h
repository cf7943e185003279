//===- IndexEvaluator.h - numbers from index expressions -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Evaluates expressions of indices and constants at given positions, to learn
// what a mask says about each pair.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CONVERSION_LINALGTOATTN_INDEXEVALUATOR_H
#define ATTN_LIB_CONVERSION_LINALGTOATTN_INDEXEVALUATOR_H

#include "TensorExpr.h"

namespace mlir::attn::raise {

class IndexEvaluator {
public:
  explicit IndexEvaluator(ExprContext &context) : context(context) {}

  /// The value of a node for values of variables; none if it reads what is not
  /// known at compile time.
  std::optional<double> evaluate(NodeRef node,
                                 ArrayRef<std::pair<unsigned, int64_t>> values);

private:
  std::optional<double> visit(NodeRef node);
  std::optional<double> visitAccess(NodeRef node);
  std::optional<double> visitApply(NodeRef node);
  std::optional<double> compare(NodeRef node, double lhs, double rhs);

  ExprContext &context;
  SmallVector<AffineExpr> dims;
  DenseMap<NodeRef, std::optional<double>> cache;
  DenseMap<NodeRef, NodeRef> heads;
};

} // namespace mlir::attn::raise

#endif // ATTN_LIB_CONVERSION_LINALGTOATTN_INDEXEVALUATOR_H
