//===- Materialize.cpp - expressions back to tensors ----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// First collects the tensors that an expression reads, then emits its scalar
// operations into the body of a generic.
//
//===----------------------------------------------------------------------===//

#include "Materialize.h"

#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::attn::raise;

namespace {
class Materializer {
public:
  Materializer(OpBuilder &builder, Location loc, ExprContext &context,
               const Domain &domain, ArrayRef<AffineExpr> dims)
      : builder(builder), loc(loc), context(context), domain(domain),
        dims(dims) {}

  MappedTensor run(NodeRef node) {
    if (!chooseLoops(node) || !collect(node))
      return {};
    unsigned numLoops = loopDims.size();
    MLIRContext *mlirContext = builder.getContext();
    SmallVector<int64_t> shape;
    SmallVector<Value> dynamic;
    SmallVector<AffineExpr> results;
    for (unsigned dim : loopDims) {
      shape.push_back(domain.shape[dim]);
      if (ShapedType::isDynamic(shape.back()))
        dynamic.push_back(cast<Value>(domain.sizes[dim]));
      results.push_back(getAffineDimExpr(dim, mlirContext));
    }
    SmallVector<AffineMap> maps;
    for (const Input &input : inputs)
      maps.push_back(AffineMap::get(numLoops, 0, input.indices, mlirContext));
    maps.push_back(AffineMap::getMultiDimIdentityMap(numLoops, mlirContext));
    Value init =
        tensor::EmptyOp::create(builder, loc, shape, node->type, dynamic);
    SmallVector<utils::IteratorType> iterators(numLoops,
                                               utils::IteratorType::parallel);
    auto tensors = llvm::map_to_vector(
        inputs, [](const Input &input) { return input.tensor; });
    auto generic = linalg::GenericOp::create(
        builder, loc, TypeRange{init.getType()}, tensors, ValueRange{init},
        maps, iterators,
        [&](OpBuilder &nested, Location, ValueRange arguments) {
          Value result = emit(nested, node, arguments);
          linalg::YieldOp::create(nested, loc, result);
        });
    return {generic.getResult(0), AffineMap::get(6, 0, results, mlirContext)};
  }

private:
  struct Input {
    Value tensor;
    SmallVector<AffineExpr> indices;
  };

  /// The loops: dimensions of the domain that the expression depends on.
  bool chooseLoops(NodeRef node) {
    llvm::SmallBitVector used(domain.shape.size());
    llvm::SmallBitVector vars = context.dependencies(node);
    for (unsigned var : vars.set_bits()) {
      if (var >= dims.size() || !dims[var])
        return false;
      dims[var].walk([&](AffineExpr expr) {
        if (auto dim = dyn_cast<AffineDimExpr>(expr))
          used.set(dim.getPosition());
      });
    }
    loopOf.assign(domain.shape.size(),
                  getAffineConstantExpr(0, builder.getContext()));
    for (unsigned dim : used.set_bits()) {
      loopOf[dim] = getAffineDimExpr(loopDims.size(), builder.getContext());
      loopDims.push_back(dim);
      loopShape.push_back(domain.shape[dim]);
    }
    return true;
  }

  /// An index in loops of the generic; null if it mentions a variable that the
  /// expression does not depend on.
  AffineExpr translate(AffineExpr index) {
    bool known = true;
    index.walk([&](AffineExpr expr) {
      if (auto dim = dyn_cast<AffineDimExpr>(expr))
        known &= dim.getPosition() < dims.size() && dims[dim.getPosition()] &&
                 isLoop(dims[dim.getPosition()]);
    });
    if (!known)
      return {};
    return simplifyIndex(index.replaceDims(dims).replaceDims(loopOf),
                         loopShape);
  }

  bool isLoop(AffineExpr expr) {
    bool all = true;
    expr.walk([&](AffineExpr inner) {
      if (auto dim = dyn_cast<AffineDimExpr>(inner))
        all &= llvm::is_contained(loopDims, dim.getPosition());
    });
    return all;
  }

  /// Finds the tensors that a node reads; an access that mentions other
  /// variables is looked through.
  bool collect(NodeRef node) {
    if (!seen.insert(node).second)
      return true;
    if (node->kind == Kind::Access) {
      Input input{node->value, {}};
      bool affine = true, nested = false;
      for (NodeRef operand : node->operands) {
        AffineExpr index = operand->kind == Kind::Index
                               ? translate(operand->index)
                               : AffineExpr();
        affine &= static_cast<bool>(index);
        nested |= operand->kind != Kind::Index;
        input.indices.push_back(index);
      }
      if (affine) {
        positions[node] = inputs.size();
        inputs.push_back(std::move(input));
        return true;
      }
      if (NodeRef next = context.peel(node)) {
        replaced[node] = next;
        return collect(next);
      }
      // A gather: the indices are computed, the tensor is read in the body.
      return nested && llvm::all_of(node->operands, [&](NodeRef operand) {
               return collect(operand);
             });
    }
    if (node->kind == Kind::Index)
      return static_cast<bool>(translate(node->index));
    if (node->kind == Kind::Reduce)
      return false;
    return llvm::all_of(node->operands,
                        [&](NodeRef operand) { return collect(operand); });
  }

  Value emit(OpBuilder &nested, NodeRef node, ValueRange arguments) {
    Value &value = emitted[node];
    if (!value) {
      Value created = emitUncached(nested, node, arguments);
      emitted[node] = created;
      return created;
    }
    return value;
  }

  Value emitUncached(OpBuilder &nested, NodeRef node, ValueRange arguments) {
    if (auto input = positions.find(node); input != positions.end())
      return arguments[input->second];
    if (auto next = replaced.find(node); next != replaced.end())
      return emit(nested, next->second, arguments);
    switch (node->kind) {
    case Kind::Constant:
      return arith::ConstantOp::create(nested, loc,
                                       cast<TypedAttr>(node->constant));
    case Kind::Scalar:
      return node->value;
    case Kind::Index:
      return emitIndex(nested, translate(node->index), node->type);
    default:
      break;
    }
    auto operands = llvm::map_to_vector(node->operands, [&](NodeRef operand) {
      return emit(nested, operand, arguments);
    });
    if (node->kind == Kind::Access) {
      for (Value &operand : operands)
        if (!operand.getType().isIndex())
          operand = arith::IndexCastOp::create(nested, loc,
                                               nested.getIndexType(), operand);
      return tensor::ExtractOp::create(nested, loc, node->value, operands);
    }
    OperationState state(loc, node->name, operands, TypeRange{node->type});
    if (node->constant)
      state.addAttribute("predicate", node->constant);
    return nested.create(state)->getResult(0);
  }

  Value emitIndex(OpBuilder &nested, AffineExpr expr, Type type) {
    Value value;
    if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
      if (!type.isIndex())
        return arith::ConstantOp::create(
            nested, loc, nested.getIntegerAttr(type, constant.getValue()));
      return arith::ConstantIndexOp::create(nested, loc, constant.getValue());
    }
    SmallVector<Value> loops;
    for (unsigned loop = 0; loop < loopDims.size(); ++loop)
      loops.push_back(linalg::IndexOp::create(nested, loc, loop));
    value = affine::expandAffineExpr(nested, loc, expr, loops, {});
    if (!type.isIndex())
      value = arith::IndexCastOp::create(nested, loc, type, value);
    return value;
  }

  OpBuilder &builder;
  Location loc;
  ExprContext &context;
  const Domain &domain;
  ArrayRef<AffineExpr> dims;
  SmallVector<unsigned> loopDims;
  SmallVector<int64_t> loopShape;
  SmallVector<AffineExpr> loopOf;
  SmallVector<Input> inputs;
  DenseMap<NodeRef, unsigned> positions;
  DenseMap<NodeRef, NodeRef> replaced;
  DenseMap<NodeRef, Value> emitted;
  DenseSet<NodeRef> seen;
};
} // namespace

MappedTensor mlir::attn::raise::materialize(OpBuilder &builder, Location loc,
                                            ExprContext &context, NodeRef node,
                                            const Domain &domain,
                                            ArrayRef<AffineExpr> dims) {
  return Materializer(builder, loc, context, domain, dims).run(node);
}
