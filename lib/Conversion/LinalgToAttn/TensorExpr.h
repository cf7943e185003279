//===- TensorExpr.h - tensors as scalar expressions of indices --*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A symbolic view of tensor IR: the element of a tensor at given indices,
// unfolded one defining operation at a time. Matchers see the same expression
// however the program splits, fuses, transposes or reshapes it.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CONVERSION_LINALGTOATTN_TENSOREXPR_H
#define ATTN_LIB_CONVERSION_LINALGTOATTN_TENSOREXPR_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/FoldingSet.h"
#include "llvm/ADT/SmallBitVector.h"

#include <memory>

namespace mlir::attn::raise {

/// What a node of an expression is.
enum class Kind {
  Access,   ///< the element of `value`, a tensor, at the indices `operands`
  Constant, ///< `constant`
  Index,  ///< the affine expression `index` of loop variables, as an integer of
          ///< any type
  Scalar, ///< `value`, a scalar of the program
  Apply,  ///< the scalar operation `name` with attributes `constant`, of
          ///< `operands`
  Reduce  ///< `operands[0]` combined by `name` over all values of the variables
          ///< `bound`
};

/// An expression; nodes are unique in their context, so equal expressions are
/// equal pointers.
struct Node : llvm::FoldingSetNode {
  Kind kind;
  Type type;
  Value value;
  Attribute constant;
  AffineExpr index;
  StringRef name;
  SmallVector<const Node *, 4> operands;
  SmallVector<unsigned, 2> bound;
  /// Variables that the node mentions and does not bind.
  llvm::SmallBitVector free;

  bool isApply(StringRef op) const { return kind == Kind::Apply && name == op; }
  bool isReduce(StringRef op) const {
    return kind == Kind::Reduce && name == op;
  }
  bool mentions(unsigned var) const {
    return var < free.size() && free.test(var);
  }
  void Profile(llvm::FoldingSetNodeID &id) const;
};
using NodeRef = const Node *;

/// Owns nodes and loop variables. A variable is an AffineDimExpr; its extent
/// may be dynamic.
class ExprContext {
public:
  explicit ExprContext(MLIRContext *context) : context(context) {}

  MLIRContext *getContext() const { return context; }

  /// A new variable with values in [0, extent).
  unsigned newVar(int64_t extent);
  /// The expression of a loop of `extent`: a new variable, or 0 for a loop of
  /// one step.
  AffineExpr newLoop(int64_t extent);
  /// The same variable for the same loop of the same operation, every time.
  AffineExpr loopOf(Operation *op, unsigned loop, int64_t extent);
  int64_t getExtent(unsigned var) const { return extents[var]; }
  ArrayRef<int64_t> getExtents() const { return extents; }
  AffineExpr dim(unsigned var) const { return getAffineDimExpr(var, context); }
  /// Makes an affine expression canonical, knowing the extents of the
  /// variables.
  AffineExpr simplify(AffineExpr expr) const;

  NodeRef access(Value tensor, ArrayRef<NodeRef> indices);
  NodeRef access(Value tensor, ArrayRef<AffineExpr> indices);
  NodeRef constant(TypedAttr value);
  NodeRef floatConstant(Type type, double value);
  NodeRef boolConstant(bool value);
  NodeRef index(AffineExpr expr, Type type = nullptr);
  NodeRef scalar(Value value);
  /// A scalar operation, simplified.
  NodeRef apply(StringRef name, Type type, Attribute attributes,
                ArrayRef<NodeRef> operands);
  NodeRef reduce(StringRef name, Type type, ArrayRef<unsigned> bound,
                 NodeRef body);

  /// The node with variables replaced by expressions.
  NodeRef substitute(NodeRef node,
                     const DenseMap<unsigned, AffineExpr> &values);
  /// One defining operation further back, or null for what cannot be looked
  /// into.
  NodeRef peel(NodeRef access);
  /// Peels until the outermost node is no access, or one that cannot be looked
  /// into.
  NodeRef head(NodeRef node);
  /// Whether two expressions are the same after any amount of peeling.
  bool equivalent(NodeRef a, NodeRef b);
  /// Whether the value of a node depends on a variable, looking as deep as
  /// needed.
  bool dependsOn(NodeRef node, unsigned var);
  /// All variables that a node depends on.
  llvm::SmallBitVector dependencies(NodeRef node);

private:
  NodeRef unique(Node &&node);
  NodeRef peelUncached(NodeRef access);

  MLIRContext *context;
  SmallVector<int64_t> extents;
  llvm::FoldingSet<Node> nodes;
  std::vector<std::unique_ptr<Node>> storage;
  DenseMap<std::pair<Operation *, unsigned>, AffineExpr> loops;
  DenseMap<NodeRef, NodeRef> peeled;
  DenseMap<NodeRef, llvm::SmallBitVector> dependencyCache;
};

/// The value of a constant node as a double; none for other nodes.
std::optional<double> getFloat(NodeRef node);
/// The value of a constant integer node or constant index.
std::optional<int64_t> getInteger(NodeRef node);
/// Whether a node is a constant that a softmax treats as minus infinity: -inf
/// or the lowest finite value of a type that models use for masks, at most
/// -1e30 (-65504 for f16).
bool isMinusInfinityLike(NodeRef node);
/// Range [first, second] of an affine expression, given the extents of its
/// variables.
std::pair<int64_t, std::optional<int64_t>> getRange(AffineExpr expr,
                                                    ArrayRef<int64_t> extents);

/// Makes an affine expression canonical, knowing the extents of its dimensions.
AffineExpr simplifyIndex(AffineExpr expr, ArrayRef<int64_t> extents);

} // namespace mlir::attn::raise

#endif // ATTN_LIB_CONVERSION_LINALGTOATTN_TENSOREXPR_H
