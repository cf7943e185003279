//===- LayoutChain.cpp - rearrangements before and after a value ----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Follows an operand backwards and a result forwards through operations that
// only move, scale or convert elements.
//
//===----------------------------------------------------------------------===//

#include "Layout.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::attn::raise;

/// Adds an access as a candidate if all its indices are affine.
static bool addOperand(NodeRef access, double factor, unsigned copies,
                       SmallVectorImpl<Operand> &operands) {
  Operand operand{access->value, {}, factor, copies};
  for (NodeRef index : access->operands) {
    if (index->kind != Kind::Index)
      return false;
    operand.indices.push_back(index->index);
  }
  if (!isa<RankedTensorType>(access->value.getType()))
    return false;
  operands.push_back(std::move(operand));
  return true;
}

SmallVector<Operand> mlir::attn::raise::collectOperands(ExprContext &context,
                                                        NodeRef node) {
  SmallVector<Operand> operands;
  double factor = 1;
  unsigned copies = 0;
  while (node) {
    if (node->kind == Kind::Access) {
      if (!addOperand(node, factor, copies, operands))
        break;
      Operation *op = node->value.getDefiningOp();
      // A slice of unknown size reads a part of its source, which a map cannot
      // say.
      if (auto slice = dyn_cast_or_null<tensor::ExtractSliceOp>(op);
          slice && !slice.getType().hasStaticShape())
        break;
      copies += isa_and_nonnull<linalg::LinalgOp>(op);
      node = context.peel(node);
      continue;
    }
    bool product = node->isApply("arith.mulf");
    if (product || node->isApply("arith.divf")) {
      NodeRef constant = context.head(node->operands[1]),
              other = node->operands[0];
      if (product && !getFloat(context.head(constant)))
        std::swap(constant, other);
      auto value = getFloat(context.head(constant));
      if (!value)
        break;
      factor *= product ? *value : 1 / *value;
      node = other;
      continue;
    }
    if (!node->isApply("arith.extf") && !node->isApply("arith.truncf"))
      break;
    node = node->operands[0];
  }
  return operands;
}

/// The operation that does nothing but rearrange or convert `value`, its only
/// user; null if there is none.
static Operation *getRearranger(Value value) {
  if (!value.hasOneUse())
    return nullptr;
  Operation *user = *value.user_begin();
  if (isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::CastOp>(user))
    return user;
  auto op = dyn_cast<linalg::LinalgOp>(user);
  if (!op || op.getNumDpsInputs() != 1 || op.getNumDpsInits() != 1 ||
      op.getDpsInputOperand(0)->get() != value ||
      op.getNumReductionLoops() != 0 ||
      !op.getIndexingMapsArray()[0].isProjectedPermutation() ||
      !op.getIndexingMapsArray()[0].isPermutation() ||
      !op.getIndexingMapsArray()[1].isPermutation())
    return nullptr;
  Value yielded = op.getBlock()->getTerminator()->getOperand(0);
  if (Operation *convert = yielded.getDefiningOp();
      isa_and_nonnull<arith::TruncFOp, arith::ExtFOp>(convert))
    yielded = convert->getOperand(0);
  return yielded == op.getBlock()->getArgument(0) ? user : nullptr;
}

/// Indices of a rearranged result from those of its source, or failure.
static FailureOr<SmallVector<AffineExpr>>
rearrange(Operation *op, ArrayRef<AffineExpr> indices,
          ArrayRef<int64_t> extents) {
  MLIRContext *context = op->getContext();
  SmallVector<AffineExpr> result;
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op)) {
    SmallVector<AffineExpr> loops(linalgOp.getNumLoops());
    for (auto [expr, index] : llvm::zip_equal(
             linalgOp.getIndexingMapsArray()[0].getResults(), indices))
      loops[cast<AffineDimExpr>(expr).getPosition()] = index;
    for (AffineExpr expr : linalgOp.getIndexingMapsArray()[1].getResults())
      result.push_back(expr.replaceDims(loops));
    return result;
  }
  if (isa<tensor::CastOp>(op)) {
    if (!isa<RankedTensorType>(op->getResult(0).getType()))
      return failure();
    return SmallVector<AffineExpr>(indices);
  }
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
    for (const ReassociationIndices &group :
         collapse.getReassociationIndices()) {
      AffineExpr linear = getAffineConstantExpr(0, context);
      for (int64_t dim : group) {
        int64_t extent = collapse.getSrcType().getDimSize(dim);
        if (ShapedType::isDynamic(extent) && dim != group.front())
          return failure();
        linear = dim == group.front() ? indices[dim]
                                      : linear * extent + indices[dim];
      }
      result.push_back(simplifyIndex(linear, extents));
    }
    return result;
  }
  auto expand = cast<tensor::ExpandShapeOp>(op);
  for (auto [position, group] :
       llvm::enumerate(expand.getReassociationIndices())) {
    AffineExpr linear = indices[position];
    SmallVector<AffineExpr> reversed;
    for (int64_t dim : llvm::reverse(group)) {
      int64_t extent = expand.getResultType().getDimSize(dim);
      if (dim == group.front()) {
        reversed.push_back(linear);
      } else if (ShapedType::isDynamic(extent)) {
        return failure();
      } else {
        reversed.push_back(linear % extent);
        linear = linear.floorDiv(extent);
      }
    }
    for (AffineExpr expr : llvm::reverse(reversed))
      result.push_back(simplifyIndex(expr, extents));
  }
  return result;
}

SmallVector<Operand>
mlir::attn::raise::collectResults(Value result, ArrayRef<AffineExpr> indices,
                                  ArrayRef<int64_t> extents) {
  SmallVector<Operand> results{
      {result, SmallVector<AffineExpr>(indices), 1, 0}};
  unsigned copies = 0;
  while (Operation *user = getRearranger(results.back().tensor)) {
    auto next = rearrange(user, results.back().indices, extents);
    if (failed(next))
      break;
    copies += isa<linalg::LinalgOp>(user);
    results.push_back({user->getResult(0), *next, 1, copies});
  }
  return results;
}
