//===- Extent.cpp - products of extents -----------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Exporters compute shapes with integer arithmetic. As products of extents they
// can be compared and divided.
//
//===----------------------------------------------------------------------===//

#include "Patterns.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace mlir::attn;

bool Extent::isNonNegative() const {
  return factor >= 0 &&
         llvm::all_of(atoms, [](const auto &atom) { return atom.second >= 0; });
}

Extent mlir::attn::multiply(const Extent &a, const Extent &b) {
  Extent result{a.factor * b.factor, a.atoms};
  result.atoms.append(b.atoms.begin(), b.atoms.end());
  llvm::sort(result.atoms, [](const auto &x, const auto &y) {
    return std::pair(x.first.getAsOpaquePointer(), x.second) <
           std::pair(y.first.getAsOpaquePointer(), y.second);
  });
  return result;
}

std::optional<Extent> mlir::attn::divide(const Extent &a, const Extent &b) {
  if (b.factor == 0 || a.factor % b.factor != 0)
    return std::nullopt;
  Extent result{a.factor / b.factor, a.atoms};
  for (const auto &atom : b.atoms) {
    auto *found = llvm::find(result.atoms, atom);
    if (found == result.atoms.end())
      return std::nullopt;
    result.atoms.erase(found);
  }
  return result;
}

static Extent getExtent(OpFoldResult size) {
  if (std::optional<int64_t> constant = getConstantIntValue(size))
    return {*constant, {}};
  return mlir::attn::getExtent(cast<Value>(size));
}

/// A product or exact quotient of the operands of affine.apply.
static std::optional<Extent> getExtent(affine::AffineApplyOp op,
                                       AffineExpr expr) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return Extent{constant.getValue(), {}};
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return mlir::attn::getExtent(op.getDimOperands()[dim.getPosition()]);
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return mlir::attn::getExtent(op.getSymbolOperands()[symbol.getPosition()]);
  auto binary = cast<AffineBinaryOpExpr>(expr);
  auto lhs = getExtent(op, binary.getLHS());
  auto rhs = getExtent(op, binary.getRHS());
  if (!lhs || !rhs)
    return std::nullopt;
  if (expr.getKind() == AffineExprKind::Mul)
    return multiply(*lhs, *rhs);
  if (expr.getKind() == AffineExprKind::FloorDiv && lhs->isNonNegative())
    return divide(*lhs, *rhs);
  return std::nullopt;
}

Extent mlir::attn::getExtent(Value value) {
  if (std::optional<int64_t> constant = getConstantIntValue(value))
    return {*constant, {}};
  if (auto cast = value.getDefiningOp<arith::IndexCastOp>())
    return getExtent(cast.getIn());
  if (auto apply = value.getDefiningOp<affine::AffineApplyOp>())
    if (auto extent = ::getExtent(apply, apply.getAffineMap().getResult(0)))
      return *extent;
  if (auto product = value.getDefiningOp<arith::MulIOp>())
    return multiply(getExtent(product.getLhs()), getExtent(product.getRhs()));
  if (auto quotient = value.getDefiningOp<arith::DivSIOp>())
    if (auto exact =
            divide(getExtent(quotient.getLhs()), getExtent(quotient.getRhs()));
        exact && getExtent(quotient.getLhs()).isNonNegative())
      return *exact;
  if (auto dim = value.getDefiningOp<tensor::DimOp>())
    if (std::optional<int64_t> position = dim.getConstantIndex())
      return getExtent(dim.getSource(), *position);
  return {1, {{value, -1}}};
}

Extent mlir::attn::getExtent(Value tensor, int64_t dim) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.isDynamicDim(dim))
    return {type.getDimSize(dim), {}};
  Operation *op = tensor.getDefiningOp();
  if (auto empty = dyn_cast_or_null<tensor::EmptyOp>(op))
    return ::getExtent(empty.getMixedSizes()[dim]);
  if (auto expand = dyn_cast_or_null<tensor::ExpandShapeOp>(op))
    return ::getExtent(expand.getMixedOutputShape()[dim]);
  if (auto collapse = dyn_cast_or_null<tensor::CollapseShapeOp>(op)) {
    Extent product;
    for (int64_t member : collapse.getReassociationIndices()[dim])
      product = multiply(product, getExtent(collapse.getSrc(), member));
    return product;
  }
  if (auto reshape = dyn_cast_or_null<tensor::ReshapeOp>(op))
    if (auto shape = reshape.getShape().getDefiningOp<tensor::FromElementsOp>())
      return getExtent(shape.getElements()[dim]);
  if (auto slice = dyn_cast_or_null<tensor::ExtractSliceOp>(op);
      slice && slice.getType().getRank() == slice.getSourceType().getRank())
    return ::getExtent(slice.getMixedSizes()[dim]);
  if (auto convert = dyn_cast_or_null<tensor::CastOp>(op);
      convert && isa<RankedTensorType>(convert.getSource().getType()))
    return getExtent(convert.getSource(), dim);
  if (auto destination = dyn_cast_or_null<DestinationStyleOpInterface>(op))
    return getExtent(
        destination.getTiedOpOperand(cast<OpResult>(tensor))->get(), dim);
  return {1, {{tensor, dim}}};
}
