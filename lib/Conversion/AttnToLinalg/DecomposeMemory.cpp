//===- DecomposeMemory.cpp - memories as linalg ---------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Memories move by slices; compression is a reduction, one product, or a gather
// of the rows that were counted to be among the most used.
//
//===----------------------------------------------------------------------===//

#include "Decompositions.h"
#include "ScoreBuilder.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;

namespace {
/// Memories are [R, D] or [B, R, D]; the domain of everything here begins with
/// the batch, if there is one.
class MemoryBuilder {
public:
  MemoryBuilder(OpBuilder &builder, Operation *op, Value memory)
      : b(builder), loc(op->getLoc()), memory(memory),
        type(cast<RankedTensorType>(memory.getType())),
        element(cast<FloatType>(type.getElementType())),
        wide(element.isF64() ? element : FloatType(builder.getF32Type())),
        batch(type.getRank() - 2),
        sizes(tensor::getMixedSizes(b, loc, memory)) {}

  SmallVector<Value> update(UpdateMemoryOp op);
  SmallVector<Value> compress(CompressOp op);

private:
  OpFoldResult attr(int64_t value) { return b.getIndexAttr(value); }
  OpFoldResult apply(AffineExpr expr, ArrayRef<OpFoldResult> operands) {
    return affine::makeComposedFoldedAffineApply(b, loc, expr, operands);
  }
  /// Requires at run time what could not be checked before.
  void require(OpFoldResult left, OpFoldResult right, StringRef message) {
    if (isEqualConstantIntOrValue(left, right))
      return;
    Value holds =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                              getValueOrCreateConstantIndexOp(b, loc, left),
                              getValueOrCreateConstantIndexOp(b, loc, right));
    cf::AssertOp::create(b, loc, holds, message);
  }
  SmallVector<OpFoldResult> withRows(OpFoldResult rows) {
    SmallVector<OpFoldResult> result(sizes);
    result[batch] = rows;
    return result;
  }
  Value insertRows(Value part, Value whole, OpFoldResult first);
  Value extractRows(Value whole, OpFoldResult first, OpFoldResult rows,
                    RankedTensorType result);
  /// Maps and iterators: the batch, then `numDims` more dimensions, of which
  /// each operand has some.
  Value generic(ValueRange inputs, ArrayRef<SmallVector<unsigned>> dims,
                unsigned numDims, Value init, ScalarBody body);
  Value pool(CompressOp op, OpFoldResult rows);
  Value turnWeight(Value weight);
  Value convolve(CompressOp op, OpFoldResult rows);
  Value neighbours(CompressOp op, OpFoldResult rows, int64_t taps);
  Value mostUsed(CompressOp op, OpFoldResult rows);
  Value gatherRows(Value source, OpFoldResult rows);

  OpBuilder &b;
  Location loc;
  Value memory;
  RankedTensorType type;
  FloatType element, wide;
  unsigned batch; ///< 1 with a batch, else 0; also the dimension of rows
  SmallVector<OpFoldResult> sizes;
};
} // namespace

Value MemoryBuilder::insertRows(Value part, Value whole, OpFoldResult first) {
  SmallVector<OpFoldResult> offsets(type.getRank(), attr(0)),
      strides(type.getRank(), attr(1));
  offsets[batch] = first;
  return tensor::InsertSliceOp::create(b, loc, part, whole, offsets,
                                       tensor::getMixedSizes(b, loc, part),
                                       strides);
}

Value MemoryBuilder::extractRows(Value whole, OpFoldResult first,
                                 OpFoldResult rows, RankedTensorType result) {
  SmallVector<OpFoldResult> offsets(type.getRank(), attr(0)),
      strides(type.getRank(), attr(1));
  offsets[batch] = first;
  Value slice = tensor::ExtractSliceOp::create(b, loc, whole, offsets,
                                               withRows(rows), strides);
  return slice.getType() == result
             ? slice
             : tensor::CastOp::create(b, loc, result, slice).getResult();
}

Value MemoryBuilder::generic(ValueRange inputs,
                             ArrayRef<SmallVector<unsigned>> dims,
                             unsigned numDims, Value init, ScalarBody body) {
  unsigned total = batch + numDims;
  SmallVector<AffineMap> maps;
  llvm::SmallBitVector parallel(total);
  for (auto [number, own] : llvm::enumerate(dims)) {
    SmallVector<unsigned> targets;
    Value operand = number < inputs.size() ? inputs[number] : init;
    bool hasBatch =
        batch && cast<RankedTensorType>(operand.getType()).getRank() ==
                     static_cast<int64_t>(own.size()) + 1;
    if (hasBatch)
      targets.push_back(0);
    for (unsigned dim : own)
      targets.push_back(batch + dim);
    if (number == inputs.size())
      for (unsigned dim : targets)
        parallel.set(dim);
    maps.push_back(
        AffineMap::getMultiDimMapWithTargets(total, targets, b.getContext()));
  }
  SmallVector<utils::IteratorType> iterators;
  for (unsigned dim = 0; dim < total; ++dim)
    iterators.push_back(parallel.test(dim) ? utils::IteratorType::parallel
                                           : utils::IteratorType::reduction);
  return linalg::GenericOp::create(
             b, loc, init.getType(), inputs, init, maps, iterators,
             [&](OpBuilder &inner, Location l, ValueRange arguments) {
               linalg::YieldOp::create(inner, l, body(inner, l, arguments));
             })
      .getResult(0);
}

SmallVector<Value> MemoryBuilder::update(UpdateMemoryOp op) {
  AffineExpr s0 = b.getAffineSymbolExpr(0), s1 = b.getAffineSymbolExpr(1);
  auto rowsOf = [&](Value value) {
    return tensor::getMixedSize(b, loc, value, batch);
  };
  OpFoldResult old = rowsOf(op.getMemory()), evicted = rowsOf(op.getEvicted()),
               kept = rowsOf(op.getKept());
  OpFoldResult total = apply(s0 + s1, {old, rowsOf(op.getAdded())});
  require(total, apply(s0 + s1, {kept, evicted}),
          "expected room for all rows of memory and added in kept and evicted");
  auto keptType = cast<RankedTensorType>(op.getKept().getType()),
       evictedType = cast<RankedTensorType>(op.getEvicted().getType());
  std::optional<int64_t> known = getConstantIntValue(old),
                         leaving = getConstantIntValue(evicted);
  if (known && leaving && *leaving <= *known) {
    // Only rows of the memory leave: nothing has to be put together first.
    Value gone = extractRows(op.getMemory(), attr(0), evicted, evictedType);
    if (*leaving == *known && op.getAdded().getType() == keptType)
      return {op.getAdded(), gone};
    OpFoldResult stay = attr(*known - *leaving);
    SmallVector<int64_t> stayShape(type.getShape());
    stayShape[batch] = *known - *leaving;
    RankedTensorType stayType = type.clone(stayShape);
    Value next = tensor::EmptyOp::create(b, loc, withRows(kept), element);
    next = insertRows(extractRows(op.getMemory(), evicted, stay, stayType),
                      next, attr(0));
    next = insertRows(op.getAdded(), next, stay);
    if (next.getType() != keptType)
      next = tensor::CastOp::create(b, loc, keptType, next);
    return {next, gone};
  }
  Value all = tensor::EmptyOp::create(b, loc, withRows(total), element);
  all = insertRows(op.getMemory(), all, attr(0));
  all = insertRows(op.getAdded(), all, old);
  return {extractRows(all, evicted, kept, keptType),
          extractRows(all, attr(0), evicted, evictedType)};
}

/// Mean or maximum of every `rate` rows.
Value MemoryBuilder::pool(CompressOp op, OpFoldResult rows) {
  bool isMean = op.getFunction() == Compression::MeanPool;
  int64_t rate = op.getRate();
  SmallVector<OpFoldResult> shape = withRows(rows);
  shape.insert(shape.begin() + batch + 1, attr(rate));
  SmallVector<int64_t> staticShape;
  for (OpFoldResult size : shape)
    staticShape.push_back(
        getConstantIntValue(size).value_or(ShapedType::kDynamic));
  SmallVector<ReassociationIndices> groups;
  if (batch)
    groups.push_back({0});
  groups.push_back({batch, batch + 1});
  groups.push_back({batch + 2});
  Value grouped = tensor::ExpandShapeOp::create(
      b, loc, RankedTensorType::get(staticShape, element), memory, groups,
      shape);
  double start = isMean ? 0 : -std::numeric_limits<double>::infinity();
  Value init = filledTensor(b, loc, withRows(rows), wide, start);
  return generic(grouped, {{0, 1, 2}, {0, 2}}, 3, init,
                 [&](OpBuilder &in, Location l, ValueRange arguments) -> Value {
                   Value row = convertFloat(in, l, arguments[0], wide);
                   if (!isMean)
                     return arith::MaximumFOp::create(in, l, row, arguments[1]);
                   Value part = arith::MulFOp::create(
                       in, l, row,
                       floatConstant(in, l, wide, 1.0 / double(rate)));
                   return arith::AddFOp::create(in, l, part, arguments[1]);
                 });
}

/// [.., R / c, taps * D]: for each output the rows that its taps read.
Value MemoryBuilder::neighbours(CompressOp op, OpFoldResult rows,
                                int64_t taps) {
  int64_t size = type.getShape().back(), rate = op.getRate(),
          dilation = op.getDilation();
  int64_t zeros = dilation * (taps - 1) + 1 - rate;
  OpFoldResult padded = apply(b.getAffineSymbolExpr(0) + zeros, {sizes[batch]});
  Value source = memory;
  if (zeros > 0)
    source =
        insertRows(memory, filledTensor(b, loc, withRows(padded), element, 0),
                   attr(zeros));
  SmallVector<OpFoldResult> shape = withRows(rows);
  shape.back() = attr(taps * size);
  Value all = tensor::EmptyOp::create(b, loc, shape, element);
  for (int64_t tap = 0; tap < taps; ++tap) {
    SmallVector<OpFoldResult> offsets(type.getRank(), attr(0)),
        strides(type.getRank(), attr(1)), unit(type.getRank(), attr(1));
    offsets[batch] = attr(tap * dilation);
    strides[batch] = attr(rate);
    Value part = tensor::ExtractSliceOp::create(b, loc, source, offsets,
                                                withRows(rows), strides);
    offsets[batch] = attr(0);
    offsets.back() = attr(tap * size);
    all = tensor::InsertSliceOp::create(b, loc, part, all, offsets,
                                        withRows(rows), unit);
  }
  return all;
}

/// [D, D, taps] -> [taps * D, D], whose rows are those of one product.
Value MemoryBuilder::turnWeight(Value weight) {
  auto shape = cast<RankedTensorType>(weight.getType());
  int64_t size = shape.getDimSize(0), taps = shape.getDimSize(2);
  // The weights of a compiled model are turned here and now.
  if (DenseElementsAttr known;
      matchPattern(weight, m_Constant(&known)) && !known.isSplat()) {
    auto values = known.getValues<APFloat>();
    SmallVector<APFloat, 0> turned;
    turned.reserve(values.size());
    for (int64_t tap = 0; tap < taps; ++tap)
      for (int64_t in = 0; in < size; ++in)
        for (int64_t out = 0; out < size; ++out)
          turned.push_back(values[(out * size + in) * taps + tap]);
    auto type = RankedTensorType::get({taps * size, size}, element);
    return arith::ConstantOp::create(b, loc,
                                     DenseElementsAttr::get(type, turned));
  }
  Value turned = tensor::EmptyOp::create(b, loc, {taps, size, size}, element);
  AffineMap from =
      AffineMap::getMultiDimMapWithTargets(3, {2, 1, 0}, b.getContext());
  SmallVector<utils::IteratorType> parallel(3, utils::IteratorType::parallel);
  turned = linalg::GenericOp::create(
               b, loc, turned.getType(), weight, turned,
               ArrayRef<AffineMap>{from, b.getMultiDimIdentityMap(3)}, parallel,
               [](OpBuilder &in, Location l, ValueRange arguments) {
                 linalg::YieldOp::create(in, l, arguments[0]);
               })
               .getResult(0);
  SmallVector<ReassociationIndices> groups{{0, 1}, {2}};
  return tensor::CollapseShapeOp::create(b, loc, turned, groups);
}

Value MemoryBuilder::convolve(CompressOp op, OpFoldResult rows) {
  auto weight = cast<RankedTensorType>(op.getWeight().getType());
  Value matrix = turnWeight(op.getWeight());
  Value input = neighbours(op, rows, weight.getDimSize(2));
  Value zero = filledTensor(b, loc, withRows(rows), wide, 0);
  Value product = generic(
      {input, matrix}, {{0, 2}, {2, 1}, {0, 1}}, 3, zero,
      [&](OpBuilder &in, Location l, ValueRange arguments) -> Value {
        Value left = convertFloat(in, l, arguments[0], wide),
              right = convertFloat(in, l, arguments[1], wide);
        return arith::AddFOp::create(in, l, arguments[2],
                                     arith::MulFOp::create(in, l, left, right));
      });
  Value init = tensor::EmptyOp::create(b, loc, withRows(rows), wide);
  return generic({product, op.getBias()}, {{0, 1}, {1}, {0, 1}}, 2, init,
                 [&](OpBuilder &in, Location l, ValueRange arguments) -> Value {
                   return arith::AddFOp::create(
                       in, l, arguments[0],
                       convertFloat(in, l, arguments[1], wide));
                 });
}

/// Rows that fewer than R / c others precede, by use and then by age.
Value MemoryBuilder::mostUsed(CompressOp op, OpFoldResult rows) {
  Type count = b.getI64Type();
  auto zeros = [&](OpFoldResult extent) {
    SmallVector<OpFoldResult> shape(sizes.begin(), sizes.begin() + batch);
    shape.push_back(extent);
    Value empty = tensor::EmptyOp::create(b, loc, shape, count);
    Value zero = arith::ConstantIntOp::create(b, loc, count, 0);
    return linalg::FillOp::create(b, loc, zero, empty).getResult(0);
  };
  auto addIf = [count](OpBuilder &in, Location l, Value sum, Value condition) {
    Value one = arith::ExtUIOp::create(in, l, count, condition);
    return arith::AddIOp::create(in, l, sum, one);
  };
  auto isOlder = [this](OpBuilder &in, Location l) -> Value {
    Value own = linalg::IndexOp::create(in, l, batch),
          other = linalg::IndexOp::create(in, l, batch + 1);
    return arith::CmpIOp::create(in, l, arith::CmpIPredicate::ult, other, own);
  };
  Value received = op.getReceived();
  Value rank =
      generic({received, received}, {{0}, {1}, {0}}, 2, zeros(sizes[batch]),
              [&](OpBuilder &in, Location l, ValueRange arguments) -> Value {
                using Predicate = arith::CmpFPredicate;
                Value more = arith::CmpFOp::create(in, l, Predicate::OGT,
                                                   arguments[1], arguments[0]);
                Value same = arith::CmpFOp::create(in, l, Predicate::OEQ,
                                                   arguments[1], arguments[0]);
                Value older =
                    arith::AndIOp::create(in, l, same, isOlder(in, l));
                return addIf(in, l, arguments[2],
                             arith::OrIOp::create(in, l, more, older));
              });
  Value limit = arith::IndexCastOp::create(
      b, loc, count, getValueOrCreateConstantIndexOp(b, loc, rows));
  auto isKept = [&](OpBuilder &in, Location l, Value own) {
    return arith::CmpIOp::create(in, l, arith::CmpIPredicate::slt, own, limit);
  };
  Value place =
      generic(rank, {{1}, {0}}, 2, zeros(sizes[batch]),
              [&](OpBuilder &in, Location l, ValueRange arguments) -> Value {
                Value counts = arith::AndIOp::create(
                    in, l, isKept(in, l, arguments[0]), isOlder(in, l));
                return addIf(in, l, arguments[1], counts);
              });
  Value source = generic(
      {rank, place}, {{1}, {1}, {0}}, 2, zeros(rows),
      [&](OpBuilder &in, Location l, ValueRange arguments) -> Value {
        auto at = [&](unsigned dim) {
          return arith::IndexCastOp::create(
              in, l, count, linalg::IndexOp::create(in, l, batch + dim));
        };
        Value isHere = arith::CmpIOp::create(in, l, arith::CmpIPredicate::eq,
                                             arguments[1], at(0));
        Value chosen =
            arith::AndIOp::create(in, l, isHere, isKept(in, l, arguments[0]));
        Value none = arith::ConstantIntOp::create(in, l, count, 0);
        return arith::AddIOp::create(
            in, l, arguments[2],
            arith::SelectOp::create(in, l, chosen, at(1), none));
      });
  return gatherRows(source, rows);
}

/// Row o of the result is row source[o] of the memory.
Value MemoryBuilder::gatherRows(Value source, OpFoldResult rows) {
  Value init = tensor::EmptyOp::create(b, loc, withRows(rows), wide);
  return generic(source, {{0}, {0, 1}}, 2, init,
                 [&](OpBuilder &in, Location l, ValueRange arguments) -> Value {
                   SmallVector<Value> at;
                   for (unsigned dim = 0; dim < batch + 2; ++dim)
                     at.push_back(linalg::IndexOp::create(in, l, dim));
                   at[batch] = arith::IndexCastOp::create(
                       in, l, in.getIndexType(), arguments[0]);
                   Value row = tensor::ExtractOp::create(in, l, memory, at);
                   return convertFloat(in, l, row, wide);
                 });
}

SmallVector<Value> MemoryBuilder::compress(CompressOp op) {
  OpFoldResult rows = tensor::getMixedSize(b, loc, op.getOutput(), batch);
  require(sizes[batch],
          apply(b.getAffineSymbolExpr(0) * int64_t(op.getRate()), {rows}),
          "expected rows that are `rate` times those of output");
  Value result;
  switch (op.getFunction()) {
  case Compression::MeanPool:
  case Compression::MaxPool:
    result = pool(op, rows);
    break;
  case Compression::Conv:
    result = convolve(op, rows);
    break;
  case Compression::MostUsed:
    result = mostUsed(op, rows);
    break;
  }
  return {generic(result, {{0, 1}, {0, 1}}, 2, op.getOutput(),
                  [&](OpBuilder &in, Location l, ValueRange arguments) {
                    return convertFloat(in, l, arguments[0], element);
                  })};
}

SmallVector<Value> mlir::attn::decomposeUpdateMemory(OpBuilder &builder,
                                                     UpdateMemoryOp op) {
  return MemoryBuilder(builder, op, op.getMemory()).update(op);
}

SmallVector<Value> mlir::attn::decomposeCompress(OpBuilder &builder,
                                                 CompressOp op) {
  return MemoryBuilder(builder, op, op.getInput()).compress(op);
}
