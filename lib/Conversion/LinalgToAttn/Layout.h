//===- Layout.h - operands and maps of an attention ------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Finds, behind transposes, reshapes and broadcasts, the tensor that an operand
// can be read from without a copy, and the reshapes that bring it to what an
// indexing map may say.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CONVERSION_LINALGTOATTN_LAYOUT_H
#define ATTN_LIB_CONVERSION_LINALGTOATTN_LAYOUT_H

#include "TensorExpr.h"

namespace mlir::attn::raise {

/// A tensor and the expressions that it is indexed with, in loop variables or
/// in dimensions of the attention.
struct Operand {
  Value tensor;
  SmallVector<AffineExpr> indices;
  /// What its elements must be multiplied with.
  double factor = 1;
  /// How many copying operations have been looked through.
  unsigned copies = 0;

  Type getElementType() const {
    return cast<ShapedType>(tensor.getType()).getElementType();
  }
};

/// All tensors that a node can be read from, outermost first.
SmallVector<Operand> collectOperands(ExprContext &context, NodeRef node);

/// All values that a result is only rearranged into, each used by nothing but
/// the next; the result itself first. `indices` are those of the result.
SmallVector<Operand> collectResults(Value result, ArrayRef<AffineExpr> indices,
                                    ArrayRef<int64_t> extents);

/// How a tensor becomes one that a map can describe: expand_shape, then
/// collapse_shape.
struct LayoutPlan {
  /// After expansion: index and extent of every dimension, and the groups that
  /// make the tensor's dimensions.
  SmallVector<AffineExpr> expandedIndices;
  SmallVector<int64_t> expandedShape;
  SmallVector<ReassociationIndices> expansion;
  /// After collapsing: the results of the map, and groups of expanded
  /// dimensions.
  SmallVector<AffineExpr> results;
  SmallVector<ReassociationIndices> collapse;

  bool expands() const { return expansion.size() != expandedShape.size(); }
  bool collapses() const { return collapse.size() != expandedShape.size(); }
  bool isTrivial() const { return !expands() && !collapses(); }
};

/// The dimensions of the attention: their static extents (dynamic allowed), and
/// as values.
struct Domain {
  SmallVector<int64_t> shape;
  SmallVector<OpFoldResult> sizes;
};

/// Which dimensions of extent 1 unit dimensions of a tensor stand for:
/// `required` ones always, `optional` ones if there are enough. `quotients`
/// allows `h floordiv g`.
struct LayoutRules {
  SmallVector<unsigned> required;
  SmallVector<unsigned> optional = {};
  bool quotients = false;
  /// A dimension that must come last where there is one.
  std::optional<unsigned> innermost = std::nullopt;
};

/// A plan for a tensor indexed by dimensions of the domain.
std::optional<LayoutPlan> planLayout(const Operand &operand,
                                     const Domain &domain,
                                     const LayoutRules &rules);

/// The best of several operands of an element type (any if null), with its
/// plan: behind as many copies as possible, without reshapes if possible.
std::optional<std::pair<Operand, LayoutPlan>>
chooseOperand(ArrayRef<Operand> candidates, Type elementType,
              const Domain &domain, const LayoutRules &rules);

/// Applies a plan: the tensor that the plan's map describes.
Value applyPlan(OpBuilder &builder, Location loc, const LayoutPlan &plan,
                Value tensor);
/// Undoes a plan: a tensor of type `type` from what the plan's map describes.
Value undoPlan(OpBuilder &builder, Location loc, const LayoutPlan &plan,
               Value tensor, RankedTensorType type, const Domain &domain);

} // namespace mlir::attn::raise

#endif // ATTN_LIB_CONVERSION_LINALGTOATTN_LAYOUT_H
