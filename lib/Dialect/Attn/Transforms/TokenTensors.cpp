//===- TokenTensors.cpp - operands as sorted attention reads them ---------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Copies and conversions around the kernels of sorted attention.
//
//===----------------------------------------------------------------------===//

#include "TokenTensors.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;

Value TokenTensors::convert(OpBuilder &builder, Value value, Type to) {
  Type from = value.getType();
  if (from == to)
    return value;
  if (from.getIntOrFloatBitWidth() < to.getIntOrFloatBitWidth())
    return arith::ExtFOp::create(builder, loc, to, value);
  return arith::TruncFOp::create(builder, loc, to, value);
}

Value TokenTensors::gather(ArrayRef<OpFoldResult> sizes, AffineMap map,
                           Value source, Type to) {
  Value init = empty(sizes, to);
  SmallVector<utils::IteratorType> iterators(sizes.size(),
                                             utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             b, loc, init.getType(), source, init,
             ArrayRef{map, b.getMultiDimIdentityMap(sizes.size())}, iterators,
             [&](OpBuilder &inner, Location, ValueRange in) {
               linalg::YieldOp::create(inner, loc, convert(inner, in[0], to));
             })
      .getResult(0);
}

/// The same dimensions as `map` with the innermost of x or value last.
AffineMap TokenTensors::innermostLast(AffineMap map) {
  SmallVector<AffineExpr> exprs;
  for (unsigned dim = 0; dim < D::kNumDims; ++dim)
    if (map.isFunctionOfDim(dim))
      exprs.push_back(b.getAffineDimExpr(dim));
  return AffineMap::get(D::kNumDims, 0, exprs, b.getContext());
}

AffineMap TokenTensors::readThrough(AffineMap map, AffineMap own) {
  SmallVector<AffineExpr> positions(D::kNumDims, b.getAffineConstantExpr(0));
  for (unsigned i = 0; i < own.getNumResults(); ++i)
    positions[own.getDimPosition(i)] = b.getAffineDimExpr(i);
  return map.replaceDimsAndSymbols(positions, {}, own.getNumResults(), 0);
}

SmallVector<OpFoldResult> TokenTensors::sizesAs(Operand operand,
                                                AffineMap own) {
  SmallVector<OpFoldResult> sizes;
  for (AffineExpr expr : own.getResults())
    sizes.push_back(tensor::getMixedSize(b, loc, operand.tensor,
                                         *operand.map.getResultPosition(expr)));
  return sizes;
}

bool TokenTensors::isKernelForm(Operand operand, Type expected) {
  auto type = cast<RankedTensorType>(operand.tensor.getType());
  unsigned last = operand.map.getDimPosition(operand.map.getNumResults() - 1);
  return last >= D::kHeadSize && type.getElementType() == expected &&
         type.getShape().back() % columnAlign == 0;
}

TokenTensors::Operand TokenTensors::readable(Operand operand, D inner) {
  Type given = getElementTypeOrSelf(operand.tensor.getType());
  bool stays = narrow && given.getIntOrFloatBitWidth() < element.getWidth();
  Type type = stays ? given : Type(element);
  if (isKernelForm(operand, type))
    return operand;
  AffineMap own = innermostLast(operand.map);
  SmallVector<OpFoldResult> sizes = sizesAs(operand, own);
  Value copy =
      gather(sizes, readThrough(operand.map, own), operand.tensor, type);
  int64_t size = *getConstantIntValue(sizes.back());
  if (size % columnAlign == 0)
    return {copy, own};
  SmallVector<OpFoldResult> padded(sizes),
      offsets(sizes.size(), b.getIndexAttr(0)),
      strides(sizes.size(), b.getIndexAttr(1));
  padded.back() = b.getIndexAttr(llvm::alignTo(size, columnAlign));
  Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(type));
  Value filled =
      linalg::FillOp::create(b, loc, zero, empty(padded, type)).getResult(0);
  return {tensor::InsertSliceOp::create(b, loc, copy, filled, offsets, sizes,
                                        strides),
          own};
}

TokenTensors::Operand TokenTensors::writable(Operand output) {
  if (isKernelForm(output, element))
    return output;
  AffineMap own = innermostLast(output.map);
  SmallVector<OpFoldResult> sizes = sizesAs(output, own);
  sizes.back() = b.getIndexAttr(
      llvm::alignTo(*getConstantIntValue(sizes.back()), columnAlign));
  return {empty(sizes, element), own};
}

Value TokenTensors::finish(Operand result, Operand output) {
  auto type = cast<RankedTensorType>(output.tensor.getType());
  if (result.tensor.getType() == type && result.map == output.map)
    return result.tensor;
  unsigned rank = output.map.getNumResults();
  SmallVector<OpFoldResult> sizes =
                                tensor::getMixedSizes(b, loc, result.tensor),
                            offsets(rank, b.getIndexAttr(0)),
                            strides(rank, b.getIndexAttr(1));
  unsigned size =
      *output.map.getResultPosition(b.getAffineDimExpr(D::kValueSize));
  sizes.back() = b.getIndexAttr(type.getDimSize(size));
  Value source = tensor::ExtractSliceOp::create(b, loc, result.tensor, offsets,
                                                sizes, strides);
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             b, loc, type, source, output.tensor,
             ArrayRef{readThrough(result.map, output.map),
                      b.getMultiDimIdentityMap(rank)},
             iterators,
             [&](OpBuilder &inner, Location, ValueRange in) {
               linalg::YieldOp::create(
                   inner, loc, convert(inner, in[0], type.getElementType()));
             })
      .getResult(0);
}

Value TokenTensors::flags(Operand valid) {
  if (!valid.tensor ||
      valid.map.getDimPosition(valid.map.getNumResults() - 1) == D::kPosition)
    return valid.tensor;
  AffineMap own = innermostLast(valid.map);
  return gather(sizesAs(valid, own), readThrough(valid.map, own), valid.tensor,
                b.getI1Type());
}

Value TokenTensors::count(Operand valid, OpFoldResult batches) {
  if (!valid.tensor)
    return Value();
  Type i32 = b.getI32Type();
  Value zero = arith::ConstantIntOp::create(b, loc, 0, 32);
  Value init =
      linalg::FillOp::create(b, loc, zero, empty({batches}, i32)).getResult(0);
  AffineExpr batch = b.getAffineDimExpr(0), token = b.getAffineDimExpr(1),
             none = b.getAffineConstantExpr(0);
  AffineMap map = valid.map.replaceDimsAndSymbols(
      {batch, none, token, none, none}, {}, 2, 0);
  return linalg::GenericOp::create(
             b, loc, init.getType(), valid.tensor, init,
             ArrayRef{map, AffineMap::get(2, 0, batch)},
             ArrayRef{utils::IteratorType::parallel,
                      utils::IteratorType::reduction},
             [&](OpBuilder &inner, Location, ValueRange in) {
               Value one = arith::ExtUIOp::create(inner, loc, i32, in[0]);
               Value sum = arith::AddIOp::create(inner, loc, in[1], one);
               linalg::YieldOp::create(inner, loc, sum);
             })
      .getResult(0);
}
