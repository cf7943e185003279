//===- Layout.cpp - operands and maps of an attention ---------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Plans of free reshapes between a tensor in the program and one that an
// indexing map can describe, for operands in one direction and for the result
// in the other. What tensors there are is found in LayoutChain.cpp.
//
//===----------------------------------------------------------------------===//

#include "Layout.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace mlir::attn::raise;

/// `d floordiv g` or `d mod g` of a dimension: dimension and g; g is 0 for
/// anything else.
static std::pair<unsigned, int64_t> matchDivision(AffineExpr expr,
                                                  AffineExprKind kind) {
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary || binary.getKind() != kind)
    return {0, 0};
  auto dim = dyn_cast<AffineDimExpr>(binary.getLHS());
  auto divisor = dyn_cast<AffineConstantExpr>(binary.getRHS());
  return dim && divisor ? std::pair<unsigned, int64_t>(dim.getPosition(),
                                                       divisor.getValue())
                        : std::pair<unsigned, int64_t>(0, 0);
}

static void
collectTerms(AffineExpr expr,
             llvm::SmallVectorImpl<std::pair<int64_t, AffineExpr>> &terms) {
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (binary && binary.getKind() == AffineExprKind::Add) {
    collectTerms(binary.getLHS(), terms);
    collectTerms(binary.getRHS(), terms);
    return;
  }
  if (binary && binary.getKind() == AffineExprKind::Mul)
    if (auto factor = dyn_cast<AffineConstantExpr>(binary.getRHS())) {
      terms.push_back({factor.getValue(), binary.getLHS()});
      return;
    }
  terms.push_back({1, expr});
}

/// Extent of a simple index: a dimension, its quotient or its remainder; 0 for
/// anything else.
static int64_t getIndexExtent(AffineExpr expr, ArrayRef<int64_t> shape) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return dim.getPosition() < shape.size() ? shape[dim.getPosition()] : 0;
  if (auto [dim, divisor] = matchDivision(expr, AffineExprKind::FloorDiv);
      divisor > 0)
    return ShapedType::isDynamic(shape[dim])
               ? ShapedType::kDynamic
               : (shape[dim] % divisor == 0 ? shape[dim] / divisor : 0);
  if (auto [dim, divisor] = matchDivision(expr, AffineExprKind::Mod);
      divisor > 0)
    return divisor;
  return 0;
}

/// Splits one dimension into dimensions with simple indices, outermost first: x
/// = a * n + b with b < n.
static bool splitDim(AffineExpr index, int64_t extent, ArrayRef<int64_t> shape,
                     SmallVectorImpl<AffineExpr> &indices,
                     SmallVectorImpl<int64_t> &extents) {
  if (auto constant = dyn_cast<AffineConstantExpr>(index)) {
    indices.push_back(index);
    extents.push_back(1);
    return constant.getValue() == 0 && extent == 1;
  }
  SmallVector<std::pair<int64_t, AffineExpr>> terms;
  collectTerms(index, terms);
  llvm::sort(terms, [](auto &a, auto &b) { return a.first > b.first; });
  int64_t stride = 1;
  SmallVector<int64_t> inner;
  for (size_t position = terms.size(); position-- > 0;) {
    auto term = terms[position];
    int64_t size = getIndexExtent(term.second, shape);
    if (size == 0 || term.first != stride ||
        (ShapedType::isDynamic(size) && position != 0))
      return false;
    inner.push_back(size);
    if (!ShapedType::isDynamic(size))
      stride *= size;
  }
  bool dynamic = ShapedType::isDynamic(inner.back());
  if (!dynamic && !ShapedType::isDynamic(extent) && stride != extent)
    return false; // part of the dimension only
  if (ShapedType::isDynamic(extent) && terms.size() > 1 && !dynamic)
    inner.back() = ShapedType::kDynamic;
  for (auto &term : terms)
    indices.push_back(term.second);
  extents.append(inner.rbegin(), inner.rend());
  return true;
}

/// Groups expanded dimensions: unit dimensions stand for those of `missing`, in
/// order, and then join a neighbour; quotient and remainder become their
/// dimension.
static bool planCollapse(LayoutPlan &plan, ArrayRef<unsigned> missing,
                         bool quotients) {
  ReassociationIndices pendingUnits;
  for (unsigned at = 0; at < plan.expandedIndices.size(); ++at) {
    AffineExpr index = plan.expandedIndices[at];
    bool unit = isa<AffineConstantExpr>(index);
    if (unit && missing.empty()) {
      auto &target =
          plan.collapse.empty() ? pendingUnits : plan.collapse.back();
      target.push_back(at);
      continue;
    }
    ReassociationIndices group = std::move(pendingUnits);
    pendingUnits.clear();
    group.push_back(at);
    auto [dim, divisor] = matchDivision(index, AffineExprKind::FloorDiv);
    if (unit) {
      index = getAffineDimExpr(missing.front(), index.getContext());
      missing = missing.drop_front();
    } else if (divisor > 0 && at + 1 < plan.expandedIndices.size() &&
               matchDivision(plan.expandedIndices[at + 1],
                             AffineExprKind::Mod) == std::pair(dim, divisor)) {
      group.push_back(++at);
      index = getAffineDimExpr(dim, index.getContext());
    } else if (divisor > 0 && (!quotients || dim != 1)) {
      return false;
    }
    if (matchDivision(index, AffineExprKind::Mod).second > 0 ||
        llvm::is_contained(plan.results, index))
      return false;
    plan.results.push_back(index);
    plan.collapse.push_back(std::move(group));
  }
  if (!pendingUnits.empty() && !plan.collapse.empty())
    plan.collapse.back().append(pendingUnits);
  return missing.empty();
}

std::optional<LayoutPlan>
mlir::attn::raise::planLayout(const Operand &operand, const Domain &domain,
                              const LayoutRules &rules) {
  LayoutPlan plan;
  auto type = cast<RankedTensorType>(operand.tensor.getType());
  for (auto [index, extent] :
       llvm::zip_equal(operand.indices, type.getShape())) {
    int64_t first = plan.expandedIndices.size();
    if (!splitDim(simplifyIndex(index, domain.shape), extent, domain.shape,
                  plan.expandedIndices, plan.expandedShape))
      return std::nullopt;
    plan.expansion.push_back(llvm::to_vector<2>(
        llvm::seq<int64_t>(first, plan.expandedIndices.size())));
  }
  MLIRContext *context = operand.tensor.getContext();
  auto isMissing = [&](unsigned dim) {
    return domain.shape[dim] == 1 &&
           !llvm::is_contained(plan.expandedIndices,
                               getAffineDimExpr(dim, context));
  };
  SmallVector<unsigned> missing;
  llvm::copy_if(rules.required, std::back_inserter(missing), isMissing);
  unsigned units = llvm::count_if(plan.expandedIndices, [](AffineExpr index) {
    return isa<AffineConstantExpr>(index);
  });
  for (; units < missing.size(); ++units) { // nothing stands for it: add one
    if (plan.expansion.empty())
      return std::nullopt;
    plan.expansion.back().push_back(plan.expandedIndices.size());
    plan.expandedIndices.push_back(getAffineConstantExpr(0, context));
    plan.expandedShape.push_back(1);
  }
  for (unsigned dim : rules.optional)
    if (missing.size() < units && isMissing(dim))
      missing.push_back(dim);
  llvm::sort(missing);
  if (!planCollapse(plan, missing, rules.quotients))
    return std::nullopt;
  if (rules.innermost) {
    AffineExpr last = getAffineDimExpr(*rules.innermost, context);
    if (llvm::is_contained(plan.results, last) && plan.results.back() != last)
      return std::nullopt;
  }
  return plan;
}

std::optional<std::pair<Operand, LayoutPlan>>
mlir::attn::raise::chooseOperand(ArrayRef<Operand> candidates, Type elementType,
                                 const Domain &domain,
                                 const LayoutRules &rules) {
  std::optional<std::pair<Operand, LayoutPlan>> best;
  for (const Operand &candidate : candidates) {
    if (elementType && candidate.getElementType() != elementType)
      continue;
    std::optional<LayoutPlan> plan = planLayout(candidate, domain, rules);
    if (!plan)
      continue;
    if (!best || candidate.copies > best->first.copies ||
        (candidate.copies == best->first.copies && plan->isTrivial()))
      best = {candidate, *plan};
  }
  return best;
}

/// Extents of expanded dimensions as values, from the sizes of the domain.
static SmallVector<OpFoldResult>
getExpandedSizes(OpBuilder &builder, Location loc, const LayoutPlan &plan,
                 const Domain &domain, Value tensor) {
  SmallVector<OpFoldResult> sizes;
  for (auto [position, extent] : llvm::enumerate(plan.expandedShape)) {
    if (!ShapedType::isDynamic(extent)) {
      sizes.push_back(builder.getIndexAttr(extent));
      continue;
    }
    if (auto dim = dyn_cast<AffineDimExpr>(plan.expandedIndices[position]);
        dim && dim.getPosition() < domain.sizes.size() &&
        domain.sizes[dim.getPosition()]) {
      sizes.push_back(domain.sizes[dim.getPosition()]);
      continue;
    }
    sizes.push_back(OpFoldResult());
  }
  return sizes;
}

Value mlir::attn::raise::applyPlan(OpBuilder &builder, Location loc,
                                   const LayoutPlan &plan, Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (plan.expands()) {
    SmallVector<OpFoldResult> sizes;
    for (auto [position, group] : llvm::enumerate(plan.expansion)) {
      int64_t inner = 1;
      for (int64_t member : group)
        inner *= ShapedType::isDynamic(plan.expandedShape[member])
                     ? 1
                     : plan.expandedShape[member];
      for (int64_t member : group) {
        if (!ShapedType::isDynamic(plan.expandedShape[member])) {
          sizes.push_back(builder.getIndexAttr(plan.expandedShape[member]));
          continue;
        }
        Value size = tensor::DimOp::create(builder, loc, tensor, position);
        if (inner != 1)
          size = arith::DivUIOp::create(
              builder, loc, size,
              arith::ConstantIndexOp::create(builder, loc, inner));
        sizes.push_back(size);
      }
    }
    type = RankedTensorType::get(plan.expandedShape, type.getElementType());
    tensor = tensor::ExpandShapeOp::create(builder, loc, type, tensor,
                                           plan.expansion, sizes);
  }
  if (plan.collapses())
    tensor =
        tensor::CollapseShapeOp::create(builder, loc, tensor, plan.collapse);
  return tensor;
}

Value mlir::attn::raise::undoPlan(OpBuilder &builder, Location loc,
                                  const LayoutPlan &plan, Value tensor,
                                  RankedTensorType type, const Domain &domain) {
  if (plan.collapses()) {
    auto expanded =
        RankedTensorType::get(plan.expandedShape, type.getElementType());
    SmallVector<OpFoldResult> sizes =
        getExpandedSizes(builder, loc, plan, domain, tensor);
    tensor = tensor::ExpandShapeOp::create(builder, loc, expanded, tensor,
                                           plan.collapse, sizes);
  }
  if (plan.expands())
    tensor =
        tensor::CollapseShapeOp::create(builder, loc, tensor, plan.expansion);
  if (tensor.getType() != type)
    tensor = tensor::CastOp::create(builder, loc, type, tensor);
  return tensor;
}
