//===- MaskAnalysis.cpp - from computed masks to symbolic ones ------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Splits masks and biases into a predicate of the two positions, which becomes
// a mask attribute, a predicate of batch and key, and what remains additive. A
// mask becomes an attribute only when it is proven for every pair of positions:
// by linear inequalities, or by evaluating it at all of them.
//
//===----------------------------------------------------------------------===//

#include "IndexEvaluator.h"
#include "Matchers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>
#include <numeric>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::raise;

/// More pairs of positions than this are not evaluated.
static constexpr int64_t kMaxPairs = int64_t(1) << 22;
/// A side of a window that is not limited; windows count up to 2^40 keys.
static constexpr int64_t kUnlimited = int64_t(1) << 40;

namespace {
/// The keys with low <= j - i <= high and (j - i) mod dilation = 0.
struct Band {
  int64_t low = -kUnlimited, high = kUnlimited, dilation = 1;
  bool allows(int64_t distance) const {
    return distance >= low && distance <= high && distance % dilation == 0;
  }
};

class MaskAnalyzer {
public:
  MaskAnalyzer(ExprContext &context, const Roles &roles)
      : context(context), roles(roles) {
    for (unsigned var : roles.batch)
      if (context.getExtent(var) != 1)
        batchVars.push_back(var);
  }

  MaskResult analyze(const ScoreMatch &score) {
    for (const BiasTerm &bias : score.biases)
      addBias(bias);
    for (const MaskTerm &mask : score.masks)
      addMask(mask, nullptr);
    buildMask();
    return std::move(result);
  }

private:
  bool dependsOnlyOn(NodeRef node, bool query, bool key, bool batch) {
    llvm::SmallBitVector all = context.dependencies(node);
    for (unsigned var : all.set_bits()) {
      bool known = (query && roles.query && var == *roles.query) ||
                   (key && var == roles.key) ||
                   (batch && llvm::is_contained(batchVars, var));
      if (!known)
        return false;
    }
    return true;
  }

  /// Splits a bias into masks and a rest; the bias stays as it is when that
  /// finds no symbolic mask.
  void addBias(const BiasTerm &bias) {
    NodeRef node = stripCasts(context, bias.value);
    if (auto value = getFloat(node);
        value &&
        *value > -1e30) // the same for all keys: softmax does not see it
      return;
    for (unsigned side : {1, 2}) {
      if (bias.factor <= 0 || !node->isApply("arith.select"))
        break;
      NodeRef lowest = stripCasts(context, node->operands[side]);
      if (!isMinusInfinityLike(lowest))
        continue;
      NodeRef allowed = node->operands[0];
      if (side == 1)
        allowed = negate(allowed);
      if (addMask({allowed, *getFloat(lowest)}, &bias))
        addBias({node->operands[3 - side], bias.factor});
      return;
    }
    bool fixed = bias.factor > 0 && dependsOnlyOn(node, true, true, false);
    Band band;
    if (!fixed || !matchTable(node, band) || !restrict(band))
      result.biases.push_back(bias);
  }

  NodeRef negate(NodeRef node) {
    return context.apply("arith.xori", node->type, {},
                         {context.head(node), context.boolConstant(true)});
  }

  /// The conjuncts of a predicate, negations pushed inwards.
  void split(NodeRef node, SmallVectorImpl<NodeRef> &conjuncts) {
    node = context.head(node);
    if (node->isApply("arith.andi")) {
      split(node->operands[0], conjuncts);
      split(node->operands[1], conjuncts);
      return;
    }
    if (node->isApply("arith.xori") &&
        getInteger(context.head(node->operands[1])) == 1) {
      NodeRef inner = context.head(node->operands[0]);
      if (inner->isApply("arith.ori")) {
        split(negate(inner->operands[0]), conjuncts);
        split(negate(inner->operands[1]), conjuncts);
        return;
      }
    }
    if (getInteger(node) == 1)
      return;
    conjuncts.push_back(node);
  }

  /// Adds a mask and returns true, or adds `source`, the bias that the mask is
  /// part of, and returns false if that finds nothing symbolic.
  bool addMask(const MaskTerm &mask, const BiasTerm *source) {
    SmallVector<NodeRef> conjuncts, rest;
    split(mask.allowed, conjuncts);
    bool symbolic = conjuncts.empty();
    for (NodeRef conjunct : conjuncts) {
      Band band;
      if (dependsOnlyOn(conjunct, true, true, false) &&
          (matchInequality(conjunct, band) ||
           matchTable(conjunct, band)) &&restrict(band)) {
        symbolic = true;
      } else if (std::isinf(mask.lowest) &&
                 dependsOnlyOn(conjunct, false, true, true) &&
                 context.dependsOn(conjunct, roles.key)) {
        result.keyValid.push_back(conjunct);
        symbolic = true;
      } else {
        rest.push_back(conjunct);
      }
    }
    if (source && !symbolic) {
      result.biases.push_back(*source);
      return false;
    }
    if (rest.empty())
      return true;
    NodeRef all = rest.front();
    for (NodeRef other : ArrayRef(rest).drop_front())
      all = context.apply("arith.andi", all->type, {}, {all, other});
    Type type = Float32Type::get(context.getContext());
    NodeRef lowest = context.floatConstant(type, mask.lowest),
            zero = context.floatConstant(type, 0);
    result.biases.push_back(
        {context.apply("arith.select", type, {}, {all, zero, lowest}), 1.0});
    return true;
  }

  bool matchInequality(NodeRef node, Band &band) {
    if (!node->isApply("arith.cmpi") || !roles.query)
      return false;
    NodeRef lhs = context.head(node->operands[0]),
            rhs = context.head(node->operands[1]);
    if (lhs->kind != Kind::Index || rhs->kind != Kind::Index)
      return false;
    AffineExpr difference = context.simplify(lhs->index - rhs->index);
    AffineExpr distance = context.dim(roles.key) - context.dim(*roles.query);
    using P = arith::CmpIPredicate;
    auto predicate = static_cast<P>(cast<IntegerAttr>(node->constant).getInt());
    bool flipped = false;
    auto rest =
        dyn_cast<AffineConstantExpr>(context.simplify(difference - distance));
    if (!rest) {
      rest =
          dyn_cast<AffineConstantExpr>(context.simplify(difference + distance));
      flipped = true;
    }
    if (!rest)
      return false;
    // distance + c <= 0, or with flipped signs c - distance <= 0.
    int64_t c = rest.getValue();
    auto below = [&](int64_t bound) { band.high = bound; };
    auto above = [&](int64_t bound) { band.low = bound; };
    switch (predicate) {
    case P::sle:
      flipped ? above(c) : below(-c);
      return true;
    case P::slt:
      flipped ? above(c + 1) : below(-c - 1);
      return true;
    case P::sge:
      flipped ? below(c) : above(-c);
      return true;
    case P::sgt:
      flipped ? below(c - 1) : above(-c + 1);
      return true;
    default:
      return false;
    }
  }

  /// Evaluates a predicate, or a bias of zeros and lowest values, at every pair
  /// and fits a band.
  bool matchTable(NodeRef node, Band &band) {
    int64_t n = roles.numQueries, m = roles.numKeys;
    if (ShapedType::isDynamic(n) || ShapedType::isDynamic(m) ||
        n * m > kMaxPairs)
      return false;
    IndexEvaluator evaluator(context);
    std::vector<bool> table;
    table.reserve(n * m);
    int64_t low = kUnlimited, high = -kUnlimited, step = 0;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < m; ++j) {
        SmallVector<std::pair<unsigned, int64_t>, 2> values{{roles.key, j}};
        if (roles.query)
          values.push_back({*roles.query, i});
        std::optional<double> value = evaluator.evaluate(node, values);
        if (!value ||
            (!node->type.isInteger(1) && *value != 0 && *value > -1e30))
          return false;
        bool allowed = node->type.isInteger(1) ? *value != 0 : *value == 0;
        table.push_back(allowed);
        if (!allowed)
          continue;
        low = std::min(low, j - i);
        high = std::max(high, j - i);
        step = std::gcd(step, std::abs(j - i));
      }
    band.low = low <= 1 - n ? -kUnlimited : low;
    band.high = high >= m - 1 ? kUnlimited : high;
    if (step > 1)
      band.dilation = step;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < m; ++j)
        if (table[i * m + j] != band.allows(j - i))
          return false;
    return true;
  }

  /// Restricts the mask to a band; false, and nothing done, if no attribute
  /// says that.
  bool restrict(const Band &band) {
    if (band.dilation != 1) {
      if (!getAttribute(band))
        return false;
      dilated.push_back(band);
      return true;
    }
    Band joined{std::max(solid.low, band.low), std::min(solid.high, band.high)};
    if (!getAttribute(joined))
      return false;
    solid = joined;
    return true;
  }

  void buildMask() {
    SmallVector<Attribute> all;
    if (solid.low > -kUnlimited || solid.high < kUnlimited)
      all.push_back(getAttribute(solid));
    for (const Band &band : dilated)
      all.push_back(getAttribute(band));
    if (all.size() == 1)
      result.mask = cast<MaskAttrInterface>(all.front());
    if (all.size() > 1)
      result.mask = cast<MaskAttrInterface>(
          Attribute(AllOfAttr::get(context.getContext(), all)));
  }

  /// A band as an attribute, aligned so that its upper end is the diagonal
  /// where possible; null if there is none.
  Attribute getAttribute(const Band &band) {
    MLIRContext *mlirContext = context.getContext();
    bool below = band.low > -kUnlimited, above = band.high < kUnlimited;
    bool known = !ShapedType::isDynamic(roles.numQueries) &&
                 !ShapedType::isDynamic(roles.numKeys);
    int64_t offset = 0;
    if (above && band.high != 0 && known &&
        band.high == roles.numKeys - roles.numQueries)
      offset = band.high;
    if (offset % band.dilation != 0)
      return {};
    Alignment alignment =
        offset != 0 ? Alignment::BottomRight : Alignment::TopLeft;
    int64_t before = below ? (offset - band.low) / band.dilation : kUnlimited;
    int64_t after = above ? (band.high - offset) / band.dilation : kUnlimited;
    if ((below && band.low > offset) || (above && band.high < offset))
      return {};
    if (!below && after == 0 && band.dilation == 1)
      return CausalAttr::get(mlirContext, alignment);
    return WindowAttr::get(mlirContext, before, after, band.dilation,
                           alignment);
  }

  ExprContext &context;
  const Roles &roles;
  SmallVector<unsigned> batchVars;
  Band solid;
  SmallVector<Band> dilated;
  MaskResult result;
};
} // namespace

MaskResult mlir::attn::raise::analyzeMasks(ExprContext &context,
                                           const ScoreMatch &score,
                                           const Roles &roles) {
  return MaskAnalyzer(context, roles).analyze(score);
}
