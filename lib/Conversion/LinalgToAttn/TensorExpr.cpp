//===- TensorExpr.cpp - tensors as scalar expressions of indices ----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Creation, substitution and comparison of expression nodes. Unfolding is in
// Peel.cpp, simplification in FoldScalar.cpp and SimplifyIndex.cpp.
//
//===----------------------------------------------------------------------===//

#include "TensorExpr.h"

using namespace mlir;
using namespace mlir::attn::raise;

void Node::Profile(llvm::FoldingSetNodeID &id) const {
  id.AddInteger(static_cast<int>(kind));
  id.AddPointer(type.getAsOpaquePointer());
  id.AddPointer(value.getAsOpaquePointer());
  id.AddPointer(constant.getAsOpaquePointer());
  id.AddPointer(index.getAsOpaquePointer());
  id.AddString(name);
  for (NodeRef operand : operands)
    id.AddPointer(operand);
  for (unsigned var : bound)
    id.AddInteger(var);
}

NodeRef ExprContext::unique(Node &&node) {
  llvm::FoldingSetNodeID id;
  node.Profile(id);
  void *position;
  if (Node *known = nodes.FindNodeOrInsertPos(id, position))
    return known;
  for (NodeRef operand : node.operands) {
    node.free.resize(std::max(node.free.size(), operand->free.size()));
    node.free |= operand->free;
  }
  if (node.index)
    node.index.walk([&](AffineExpr expr) {
      if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
        node.free.resize(
            std::max<unsigned>(node.free.size(), dim.getPosition() + 1));
        node.free.set(dim.getPosition());
      }
    });
  for (unsigned var : node.bound)
    if (var < node.free.size())
      node.free.reset(var);
  storage.push_back(std::make_unique<Node>(std::move(node)));
  nodes.InsertNode(storage.back().get(), position);
  return storage.back().get();
}

unsigned ExprContext::newVar(int64_t extent) {
  extents.push_back(extent);
  return extents.size() - 1;
}

AffineExpr ExprContext::newLoop(int64_t extent) {
  return extent == 1 ? getAffineConstantExpr(0, context) : dim(newVar(extent));
}

AffineExpr ExprContext::loopOf(Operation *op, unsigned loop, int64_t extent) {
  AffineExpr &expr = loops[{op, loop}];
  if (!expr)
    expr = newLoop(extent);
  return expr;
}

NodeRef ExprContext::access(Value tensor, ArrayRef<NodeRef> indices) {
  Node node;
  node.kind = Kind::Access;
  node.type = cast<ShapedType>(tensor.getType()).getElementType();
  node.value = tensor;
  node.operands.assign(indices.begin(), indices.end());
  return unique(std::move(node));
}

NodeRef ExprContext::access(Value tensor, ArrayRef<AffineExpr> indices) {
  SmallVector<NodeRef> nodes;
  for (AffineExpr expr : indices)
    nodes.push_back(index(expr));
  return access(tensor, nodes);
}

NodeRef ExprContext::constant(TypedAttr value) {
  if (auto integer = dyn_cast<IntegerAttr>(value))
    if (!value.getType().isInteger(1))
      return index(getAffineConstantExpr(integer.getInt(), context),
                   value.getType());
  Node node;
  node.kind = Kind::Constant;
  node.type = value.getType();
  node.constant = value;
  return unique(std::move(node));
}

NodeRef ExprContext::floatConstant(Type type, double value) {
  return constant(FloatAttr::get(type, value));
}

NodeRef ExprContext::boolConstant(bool value) {
  return constant(IntegerAttr::get(IntegerType::get(context, 1), value));
}

NodeRef ExprContext::index(AffineExpr expr, Type type) {
  Node node;
  node.kind = Kind::Index;
  node.type = type ? type : IndexType::get(context);
  node.index = simplify(expr);
  return unique(std::move(node));
}

NodeRef ExprContext::scalar(Value value) {
  Node node;
  node.kind = Kind::Scalar;
  node.type = value.getType();
  node.value = value;
  return unique(std::move(node));
}

NodeRef ExprContext::reduce(StringRef name, Type type, ArrayRef<unsigned> bound,
                            NodeRef body) {
  if (bound.empty())
    return body;
  if ((name == "arith.addf" && getFloat(body) == 0.0) ||
      (name == "arith.addi" && getInteger(body) == 0))
    return body;
  Node node;
  node.kind = Kind::Reduce;
  node.type = type;
  node.name = name;
  node.bound.assign(bound.begin(), bound.end());
  node.operands = {body};
  return unique(std::move(node));
}

namespace mlir::attn::raise {
NodeRef foldApply(ExprContext &context, StringRef name, Type type,
                  Attribute attributes, ArrayRef<NodeRef> operands);
} // namespace mlir::attn::raise

NodeRef ExprContext::apply(StringRef name, Type type, Attribute attributes,
                           ArrayRef<NodeRef> operands) {
  if (NodeRef folded = foldApply(*this, name, type, attributes, operands))
    return folded;
  Node node;
  node.kind = Kind::Apply;
  node.type = type;
  node.name = name;
  node.constant = attributes;
  node.operands.assign(operands.begin(), operands.end());
  return unique(std::move(node));
}

NodeRef ExprContext::substitute(NodeRef node,
                                const DenseMap<unsigned, AffineExpr> &values) {
  bool touched = llvm::any_of(
      values, [&](auto &entry) { return node->mentions(entry.first); });
  if (!touched)
    return node;
  if (node->kind == Kind::Index) {
    DenseMap<AffineExpr, AffineExpr> replacements;
    for (auto [var, expr] : values)
      replacements[dim(var)] = expr;
    return index(node->index.replace(replacements), node->type);
  }
  auto operands = llvm::map_to_vector(node->operands, [&](NodeRef operand) {
    return substitute(operand, values);
  });
  switch (node->kind) {
  case Kind::Access:
    return access(node->value, operands);
  case Kind::Apply:
    return apply(node->name, node->type, node->constant, operands);
  case Kind::Reduce:
    return reduce(node->name, node->type, node->bound, operands.front());
  default:
    return node;
  }
}

NodeRef ExprContext::peel(NodeRef node) {
  if (node->kind != Kind::Access)
    return nullptr;
  auto [entry, inserted] = peeled.try_emplace(node, nullptr);
  if (!inserted)
    return entry->second;
  NodeRef result = peelUncached(node);
  peeled[node] = result;
  return result;
}

NodeRef ExprContext::head(NodeRef node) {
  while (NodeRef next = peel(node))
    node = next;
  return node;
}

bool ExprContext::equivalent(NodeRef a, NodeRef b) {
  if (a == b)
    return true;
  if (a->type != b->type)
    return false;
  if (a->kind == Kind::Access && b->kind == Kind::Access &&
      a->value == b->value && a->operands.size() == b->operands.size())
    return llvm::all_of_zip(
        a->operands, b->operands,
        [&](NodeRef x, NodeRef y) { return equivalent(x, y); });
  NodeRef headA = head(a), headB = head(b);
  if (headA != a || headB != b)
    return equivalent(headA, headB);
  if (a->kind != b->kind || a->name != b->name || a->constant != b->constant ||
      a->bound != b->bound || a->value != b->value || a->index != b->index ||
      a->operands.size() != b->operands.size())
    return false;
  return !a->operands.empty() &&
         llvm::all_of_zip(a->operands, b->operands, [&](NodeRef x, NodeRef y) {
           return equivalent(x, y);
         });
}

llvm::SmallBitVector ExprContext::dependencies(NodeRef node) {
  auto known = dependencyCache.find(node);
  if (known != dependencyCache.end())
    return known->second;
  llvm::SmallBitVector result(extents.size());
  auto join = [&](const llvm::SmallBitVector &other) {
    result.resize(std::max(result.size(), other.size()));
    result |= other;
  };
  NodeRef next =
      node->kind == Kind::Access && node->free.any() ? peel(node) : nullptr;
  if (next)
    join(dependencies(next));
  else if (node->kind == Kind::Reduce ||
           node->kind ==
               Kind::Index) // looking into sums would walk the whole program
    join(node->free);
  else
    for (NodeRef operand : node->operands)
      join(dependencies(operand));
  dependencyCache[node] = result;
  return result;
}

bool ExprContext::dependsOn(NodeRef node, unsigned var) {
  if (!node->mentions(var))
    return false;
  llvm::SmallBitVector all = dependencies(node);
  return var < all.size() && all.test(var);
}
