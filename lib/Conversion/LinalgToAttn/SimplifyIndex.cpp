//===- SimplifyIndex.cpp - affine expressions with known ranges -----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reshapes turn indices into quotients and remainders. Knowing the extents of
// the variables, most of them vanish: (b * 12 + h) floordiv 12 is b when h
// < 12. MLIR's own simplification knows no extents.
//
//===----------------------------------------------------------------------===//

#include "TensorExpr.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn::raise;

using Interval = std::pair<int64_t, std::optional<int64_t>>;

namespace {
/// A sum of atoms with coefficients and a constant; atoms are variables,
/// quotients, remainders, symbols.
struct Sum {
  llvm::SmallMapVector<AffineExpr, int64_t, 4> terms;
  int64_t constant = 0;

  void add(const Sum &other, int64_t factor) {
    for (auto [atom, coefficient] : other.terms)
      terms[atom] += coefficient * factor;
    constant += other.constant * factor;
  }
  AffineExpr build(MLIRContext *context) const {
    AffineExpr result = getAffineConstantExpr(0, context);
    for (auto [atom, coefficient] : terms)
      if (coefficient != 0)
        result = result + atom * coefficient;
    return result + constant;
  }
};

class Simplifier {
public:
  Simplifier(MLIRContext *context, ArrayRef<int64_t> extents)
      : context(context), extents(extents) {}

  Sum flatten(AffineExpr expr) {
    Sum sum;
    if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
      sum.constant = constant.getValue();
      return sum;
    }
    auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
    if (!binary) {
      sum.terms[expr] = 1;
      return sum;
    }
    Sum lhs = flatten(binary.getLHS()), rhs = flatten(binary.getRHS());
    if (expr.getKind() == AffineExprKind::Add) {
      lhs.add(rhs, 1);
      recombine(lhs);
      return lhs;
    }
    if (!rhs.terms.empty()) {
      sum.terms[getAffineBinaryOpExpr(expr.getKind(), lhs.build(context),
                                      rhs.build(context))] = 1;
      return sum;
    }
    if (expr.getKind() == AffineExprKind::Mul) {
      sum.add(lhs, rhs.constant);
      return sum;
    }
    return divide(lhs, rhs.constant, expr.getKind());
  }

private:
  /// x floordiv c and x mod c, splitting off what c divides and dropping what
  /// its range makes trivial.
  Sum divide(const Sum &sum, int64_t divisor, AffineExprKind kind) {
    Sum whole, rest;
    for (auto [atom, coefficient] : sum.terms)
      (coefficient % divisor == 0 ? whole : rest).terms[atom] = coefficient;
    whole.constant = llvm::divideFloorSigned(sum.constant, divisor) * divisor;
    rest.constant = sum.constant - whole.constant;
    AffineExpr remainder = rest.build(context);
    Interval range = getRange(remainder, extents);
    bool small = range.first >= 0 && range.second && *range.second < divisor;
    Sum result;
    if (kind == AffineExprKind::Mod) {
      if (small)
        return rest;
      result.terms[nested(remainder, divisor, kind)] = 1;
      return result;
    }
    for (auto [atom, coefficient] : whole.terms)
      result.terms[atom] = coefficient / divisor;
    result.constant = whole.constant / divisor;
    if (!small)
      result.add(flattenAtom(nested(remainder, divisor, kind)), 1);
    return result;
  }

  Sum flattenAtom(AffineExpr atom) {
    Sum sum;
    if (auto constant = dyn_cast<AffineConstantExpr>(atom))
      sum.constant = constant.getValue();
    else
      sum.terms[atom] = 1;
    return sum;
  }

  /// Merges quotients of quotients and remainders of remainders.
  AffineExpr nested(AffineExpr expr, int64_t divisor, AffineExprKind kind) {
    auto inner = dyn_cast<AffineBinaryOpExpr>(expr);
    auto innerDivisor = inner ? dyn_cast<AffineConstantExpr>(inner.getRHS())
                              : AffineConstantExpr();
    if (innerDivisor) {
      int64_t modulus = innerDivisor.getValue();
      if (kind == AffineExprKind::FloorDiv &&
          inner.getKind() == AffineExprKind::FloorDiv)
        return inner.getLHS().floorDiv(modulus * divisor);
      if (kind == AffineExprKind::FloorDiv &&
          inner.getKind() == AffineExprKind::Mod && modulus % divisor == 0)
        return divide(flatten(inner.getLHS().floorDiv(divisor)),
                      modulus / divisor, AffineExprKind::Mod)
            .build(context);
      if (kind == AffineExprKind::Mod &&
          inner.getKind() == AffineExprKind::Mod && modulus % divisor == 0)
        return inner.getLHS() % divisor;
    }
    return getAffineBinaryOpExpr(kind, expr,
                                 getAffineConstantExpr(divisor, context));
  }

  /// (x floordiv c) * c + x mod c is x.
  void recombine(Sum &sum) {
    for (auto [atom, coefficient] : sum.terms) {
      auto remainder = dyn_cast<AffineBinaryOpExpr>(atom);
      if (!remainder || remainder.getKind() != AffineExprKind::Mod ||
          coefficient == 0)
        continue;
      auto divisor = dyn_cast<AffineConstantExpr>(remainder.getRHS());
      if (!divisor)
        continue;
      AffineExpr quotient = remainder.getLHS().floorDiv(divisor);
      auto found = sum.terms.find(quotient);
      if (found == sum.terms.end() ||
          found->second != coefficient * divisor.getValue())
        continue;
      Sum joined = flatten(remainder.getLHS());
      sum.terms.erase(quotient);
      int64_t factor = coefficient;
      sum.terms.erase(atom);
      sum.add(joined, factor);
      return recombine(sum);
    }
  }

  MLIRContext *context;
  ArrayRef<int64_t> extents;
};
} // namespace

static Interval add(Interval a, Interval b) {
  std::optional<int64_t> high;
  if (a.second && b.second)
    high = *a.second + *b.second;
  return {a.first + b.first, high};
}

Interval mlir::attn::raise::getRange(AffineExpr expr,
                                     ArrayRef<int64_t> extents) {
  constexpr int64_t unbounded = -(int64_t(1) << 40);
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return {constant.getValue(), constant.getValue()};
  if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
    int64_t extent = dim.getPosition() < extents.size()
                         ? extents[dim.getPosition()]
                         : ShapedType::kDynamic;
    return {0, ShapedType::isDynamic(extent)
                   ? std::nullopt
                   : std::optional<int64_t>(extent - 1)};
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return {unbounded, std::nullopt};
  Interval lhs = getRange(binary.getLHS(), extents),
           rhs = getRange(binary.getRHS(), extents);
  if (expr.getKind() == AffineExprKind::Add)
    return add(lhs, rhs);
  auto constant = dyn_cast<AffineConstantExpr>(binary.getRHS());
  if (!constant)
    return {unbounded, std::nullopt};
  int64_t value = constant.getValue();
  switch (expr.getKind()) {
  case AffineExprKind::Mul: {
    if (value >= 0)
      return {lhs.first * value,
              lhs.second ? std::optional(*lhs.second * value) : std::nullopt};
    return {lhs.second ? *lhs.second * value : unbounded, lhs.first * value};
  }
  case AffineExprKind::Mod: {
    int64_t high = value - 1;
    if (lhs.first >= 0 && lhs.second)
      high = std::min(high, *lhs.second);
    return {0, high};
  }
  case AffineExprKind::FloorDiv:
    return {llvm::divideFloorSigned(lhs.first, value),
            lhs.second
                ? std::optional(llvm::divideFloorSigned(*lhs.second, value))
                : std::nullopt};
  default:
    return {unbounded, std::nullopt};
  }
}

AffineExpr mlir::attn::raise::simplifyIndex(AffineExpr expr,
                                            ArrayRef<int64_t> extents) {
  return Simplifier(expr.getContext(), extents)
      .flatten(expr)
      .build(expr.getContext());
}

AffineExpr ExprContext::simplify(AffineExpr expr) const {
  return simplifyIndex(expr, extents);
}
