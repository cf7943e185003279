//===- Packing.cpp - operands of packed products --------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The panels of a constant matrix are constants as well, which a later pass
// sees to.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Linalg/Packing.h"
#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

Value mlir::attn::cpu::packPanels(OpBuilder &builder, Location loc,
                                  const RightMatrix &matrix, Type element,
                                  const CpuTarget &target) {
  int64_t width = target.tileColumns(element.getIntOrFloatBitWidth());
  int64_t numPanels = llvm::divideCeil(matrix.columns, width);
  Value dest = tensor::EmptyOp::create(
      builder, loc, ArrayRef<int64_t>{numPanels, matrix.depth, width}, element);
  AffineExpr row = builder.getAffineDimExpr(1),
             along = builder.getAffineDimExpr(2);
  SmallVector<AffineExpr> results = {row, along};
  if (matrix.isDepthFirst)
    std::swap(results[0], results[1]);
  return PackOp::create(builder, loc, TypeRange(dest.getType()),
                        PackLayout::Panels, matrix.tensor, /*valid=*/Value(),
                        dest,
                        AffineMap::get(3, 0, results, builder.getContext()),
                        APFloat(1.0), 1)
      ->getResult(0);
}

Value mlir::attn::cpu::buildElementwise(
    OpBuilder &builder, Location loc, ValueRange inputs, Type element,
    llvm::function_ref<Value(OpBuilder &, Location, ValueRange)> body) {
  Value first = inputs.front();
  int64_t rank = cast<RankedTensorType>(first.getType()).getRank();
  Value init = tensor::EmptyOp::create(
      builder, loc, tensor::getMixedSizes(builder, loc, first), element);
  SmallVector<AffineMap> maps(inputs.size() + 1,
                              builder.getMultiDimIdentityMap(rank));
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             builder, loc, init.getType(), inputs, init, maps, iterators,
             [&](OpBuilder &nested, Location loc, ValueRange arguments) {
               linalg::YieldOp::create(nested, loc,
                                       body(nested, loc, arguments));
             })
      .getResult(0);
}

Value mlir::attn::cpu::castTensor(OpBuilder &builder, Location loc,
                                  Value tensor, Type element) {
  if (getElementTypeOrSelf(tensor.getType()) == element)
    return tensor;
  return buildElementwise(
      builder, loc, tensor, element,
      [&](OpBuilder &nested, Location loc, ValueRange arguments) {
        return convertScalarToDtype(nested, loc, arguments[0], element, false);
      });
}
