//===- FoldScalar.cpp - simplification of scalar operations ---------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Folds what exporters write around a mask or a score: constants in a wider
// type, casts there and back, comparisons that the ranges of indices decide,
// neutral elements.
//
//===----------------------------------------------------------------------===//

#include "TensorExpr.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn::raise;

std::optional<double> mlir::attn::raise::getFloat(NodeRef node) {
  if (node->kind == Kind::Constant)
    if (auto value = dyn_cast<FloatAttr>(node->constant))
      return value.getValueAsDouble();
  return std::nullopt;
}

std::optional<int64_t> mlir::attn::raise::getInteger(NodeRef node) {
  if (node->kind == Kind::Constant)
    if (auto value = dyn_cast<IntegerAttr>(node->constant))
      return value.getType().isInteger(1) ? value.getValue().getZExtValue()
                                          : value.getInt();
  if (node->kind == Kind::Index)
    if (auto value = dyn_cast<AffineConstantExpr>(node->index))
      return value.getValue();
  return std::nullopt;
}

bool mlir::attn::raise::isMinusInfinityLike(NodeRef node) {
  std::optional<double> value = getFloat(node);
  return value &&
         (*value <= -1e30 || (node->type.isF16() && *value <= -65504.0));
}

namespace {
/// One operation to fold; the fold methods return null where nothing can be
/// said.
class Folder {
public:
  Folder(ExprContext &context, StringRef name, Type type, Attribute attributes,
         ArrayRef<NodeRef> operands)
      : context(context), name(name), type(type), attributes(attributes),
        operands(operands) {}

  NodeRef fold() {
    if (name == "arith.select")
      return foldSelect();
    if (name == "arith.cmpi" || name == "arith.cmpf")
      return foldCompare();
    if (name == "arith.andi" || name == "arith.ori" || name == "arith.xori")
      return foldLogic();
    if (isa<FloatType>(type))
      return operands.size() == 1 ? foldUnaryFloat() : foldBinaryFloat();
    return foldInteger();
  }

private:
  NodeRef foldSelect() {
    if (auto condition = getInteger(operands[0]))
      return *condition ? operands[1] : operands[2];
    if (operands[1] == operands[2])
      return operands[1];
    if (NodeRef folded = foldFirstIteration())
      return folded;
    if (type.isInteger(1) && getInteger(operands[1]) == 1 &&
        getInteger(operands[2]) == 0)
      return operands[0];
    return nullptr;
  }

  /// x < 1 ? a : b, where b is a at x = 0.
  NodeRef foldFirstIteration() {
    NodeRef compare = operands[0];
    if (!compare->isApply("arith.cmpi") ||
        getInteger(compare->operands[1]) != 1 ||
        cast<IntegerAttr>(compare->constant).getInt() !=
            static_cast<int64_t>(arith::CmpIPredicate::slt) ||
        compare->operands[0]->kind != Kind::Index)
      return nullptr;
    auto dim = dyn_cast<AffineDimExpr>(compare->operands[0]->index);
    if (!dim)
      return nullptr;
    AffineExpr zero = getAffineConstantExpr(0, context.getContext());
    return context.substitute(operands[2], {{dim.getPosition(), zero}}) ==
                   operands[1]
               ? operands[2]
               : nullptr;
  }

  NodeRef foldCompare() {
    int64_t predicate = cast<IntegerAttr>(attributes).getInt();
    if (name == "arith.cmpf") {
      auto lhs = getFloat(operands[0]), rhs = getFloat(operands[1]);
      if (!lhs || !rhs)
        return nullptr;
      return context.boolConstant(
          arith::applyCmpPredicate(static_cast<arith::CmpFPredicate>(predicate),
                                   llvm::APFloat(*lhs), llvm::APFloat(*rhs)));
    }
    return foldIntegerCompare(static_cast<arith::CmpIPredicate>(predicate));
  }

  NodeRef foldIntegerCompare(arith::CmpIPredicate predicate) {
    NodeRef lhs = operands[0], rhs = operands[1];
    auto constant = getInteger(rhs);
    if (lhs->type.isInteger(1) && constant) { // x != 0, x == 1 of a truth value
      if (predicate == arith::CmpIPredicate::ne ||
          predicate == arith::CmpIPredicate::eq)
        return (predicate == arith::CmpIPredicate::ne) == (*constant == 0)
                   ? lhs
                   : negate(lhs);
      return nullptr;
    }
    if (constant &&
        (lhs->isApply("arith.extui") || lhs->isApply("arith.extsi")) &&
        lhs->operands[0]->type.isInteger(1) && *constant == 0) {
      if (predicate == arith::CmpIPredicate::ne)
        return lhs->operands[0];
      if (predicate == arith::CmpIPredicate::eq)
        return negate(lhs->operands[0]);
    }
    if (lhs->kind != Kind::Index || rhs->kind != Kind::Index)
      return nullptr;
    auto [low, high] = getRange(context.simplify(lhs->index - rhs->index),
                                context.getExtents());
    using P = arith::CmpIPredicate;
    switch (predicate) {
    case P::eq:
    case P::ne:
      if (low == 0 && high == 0)
        return context.boolConstant(predicate == P::eq);
      if (low > 0 || (high && *high < 0))
        return context.boolConstant(predicate == P::ne);
      return nullptr;
    case P::slt:
    case P::ult:
      return decide(high && *high < 0, low >= 0);
    case P::sle:
    case P::ule:
      return decide(high && *high <= 0, low > 0);
    case P::sgt:
    case P::ugt:
      return decide(low > 0, high && *high <= 0);
    case P::sge:
    case P::uge:
      return decide(low >= 0, high && *high < 0);
    }
    return nullptr;
  }

  NodeRef decide(bool isTrue, bool isFalse) {
    return isTrue || isFalse ? context.boolConstant(isTrue) : nullptr;
  }

  NodeRef negate(NodeRef node) {
    return context.apply("arith.xori", node->type, {},
                         {node, context.boolConstant(true)});
  }

  NodeRef foldLogic() {
    if (!type.isInteger(1))
      return nullptr;
    NodeRef lhs = operands[0], rhs = operands[1];
    if (getInteger(lhs))
      std::swap(lhs, rhs);
    auto constant = getInteger(rhs);
    if (lhs == rhs && name != "arith.xori")
      return lhs;
    if (!constant)
      return nullptr;
    if (name == "arith.andi")
      return *constant ? lhs : rhs;
    if (name == "arith.ori")
      return *constant ? rhs : lhs;
    if (!*constant)
      return lhs;
    if (auto known = getInteger(lhs))
      return context.boolConstant(!*known);
    return lhs->isApply("arith.xori") && getInteger(lhs->operands[1]) == 1
               ? lhs->operands[0]
               : nullptr;
  }

  NodeRef foldUnaryFloat() {
    NodeRef operand = operands[0];
    if (auto value = getFloat(operand)) {
      if (name == "arith.truncf" || name == "arith.extf")
        return context.floatConstant(type, *value);
      if (name == "arith.negf")
        return context.floatConstant(type, -*value);
      if (name == "math.sqrt")
        return context.floatConstant(type, std::sqrt(*value));
      if (name == "math.rsqrt")
        return context.floatConstant(type, 1 / std::sqrt(*value));
    }
    if (auto value = getInteger(operand); value && name == "arith.sitofp")
      return context.floatConstant(type, *value);
    if (name == "arith.truncf" && operand->isApply("arith.extf") &&
        operand->operands[0]->type == type)
      return operand->operands[0];
    if (name == "arith.extf" && operand->isApply("arith.extf"))
      return context.apply(name, type, {}, {operand->operands[0]});
    if (name == "arith.uitofp" &&
        operand->type.isInteger(1)) // as a choice, so that masks are recognised
      return context.apply("arith.select", type, {},
                           {operand, context.floatConstant(type, 1),
                            context.floatConstant(type, 0)});
    return nullptr;
  }

  NodeRef foldBinaryFloat() {
    if (operands.size() != 2)
      return nullptr;
    auto lhs = getFloat(operands[0]), rhs = getFloat(operands[1]);
    if (lhs && rhs) {
      if (name == "arith.addf")
        return context.floatConstant(type, *lhs + *rhs);
      if (name == "arith.subf")
        return context.floatConstant(type, *lhs - *rhs);
      if (name == "arith.mulf")
        return context.floatConstant(type, *lhs * *rhs);
      if (name == "arith.divf")
        return context.floatConstant(type, *lhs / *rhs);
    }
    if ((name == "arith.addf" && rhs == 0.0) ||
        (name == "arith.subf" && rhs == 0.0) ||
        (name == "arith.mulf" && rhs == 1.0) ||
        (name == "arith.divf" && rhs == 1.0))
      return operands[0];
    if ((name == "arith.addf" && lhs == 0.0) ||
        (name == "arith.mulf" && lhs == 1.0))
      return operands[1];
    return distribute();
  }

  /// (c ? x : y) op z with constants x, y, z is a choice of two constants, and
  /// likewise z op (c ? x : y).
  NodeRef distribute() {
    for (unsigned side : {0, 1}) {
      NodeRef choice = operands[side], other = operands[1 - side];
      if (!choice->isApply("arith.select") || !getFloat(other) ||
          !getFloat(choice->operands[1]) || !getFloat(choice->operands[2]))
        continue;
      SmallVector<NodeRef> branches;
      for (NodeRef branch : {choice->operands[1], choice->operands[2]})
        branches.push_back(
            side == 0 ? context.apply(name, type, attributes, {branch, other})
                      : context.apply(name, type, attributes, {other, branch}));
      if (getFloat(branches[0]) && getFloat(branches[1]))
        return context.apply("arith.select", type, {},
                             {choice->operands[0], branches[0], branches[1]});
    }
    return nullptr;
  }

  NodeRef foldInteger() {
    bool castLike =
        llvm::is_contained({"arith.index_cast", "arith.index_castui",
                            "arith.extsi", "arith.extui", "arith.trunci"},
                           name);
    if (castLike && operands[0]->kind == Kind::Index)
      return context.index(operands[0]->index, type);
    if (auto value = getInteger(operands[0]);
        value && (name == "arith.extui" || name == "arith.extsi"))
      return context.index(
          getAffineConstantExpr(name == "arith.extui" ? *value : -*value,
                                context.getContext()),
          type);
    if (name == "arith.trunci" && type.isInteger(1) &&
        (operands[0]->isApply("arith.extui") ||
         operands[0]->isApply("arith.extsi")) &&
        operands[0]->operands[0]->type.isInteger(1))
      return operands[0]->operands[0];
    if (name == "arith.fptosi")
      if (auto value = getFloat(operands[0]))
        return context.index(getAffineConstantExpr(static_cast<int64_t>(*value),
                                                   context.getContext()),
                             type);
    if (operands.size() != 2 || operands[0]->kind != Kind::Index ||
        operands[1]->kind != Kind::Index)
      return nullptr;
    AffineExpr lhs = operands[0]->index, rhs = operands[1]->index;
    if (name == "arith.addi")
      return context.index(lhs + rhs, type);
    if (name == "arith.subi")
      return context.index(lhs - rhs, type);
    if (name == "arith.muli" &&
        (isa<AffineConstantExpr>(lhs) || isa<AffineConstantExpr>(rhs)))
      return context.index(lhs * rhs, type);
    return nullptr;
  }

  ExprContext &context;
  StringRef name;
  Type type;
  Attribute attributes;
  ArrayRef<NodeRef> operands;
};
} // namespace

namespace mlir::attn::raise {
NodeRef foldApply(ExprContext &context, StringRef name, Type type,
                  Attribute attributes, ArrayRef<NodeRef> operands) {
  if (type.isF64() && attributes == nullptr && name == "arith.truncf")
    return nullptr;
  return Folder(context, name, type, attributes, operands).fold();
}
} // namespace mlir::attn::raise
