//===- ScoreBuilder.cpp - the steps of a softmax as linalg ----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every step is one linalg.generic over the dimensions that it needs. Nothing
// is fused, so that each can be read.
//
//===----------------------------------------------------------------------===//

#include "ScoreBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;

static constexpr double kInfinity = std::numeric_limits<double>::infinity();

Value mlir::attn::convertFloat(OpBuilder &builder, Location loc, Value value,
                               FloatType type) {
  auto from = cast<FloatType>(value.getType());
  if (from == type)
    return value;
  if (from.getWidth() < type.getWidth())
    return arith::ExtFOp::create(builder, loc, type, value);
  if (from.getWidth() > type.getWidth())
    return arith::TruncFOp::create(builder, loc, type, value);
  // Between f16 and bf16 neither contains the other.
  Value wide = arith::ExtFOp::create(builder, loc, builder.getF32Type(), value);
  return arith::TruncFOp::create(builder, loc, type, wide);
}

Value mlir::attn::floatConstant(OpBuilder &builder, Location loc,
                                FloatType type, double value) {
  return arith::ConstantOp::create(builder, loc,
                                   builder.getFloatAttr(type, value));
}

Value mlir::attn::filledTensor(OpBuilder &builder, Location loc,
                               ArrayRef<OpFoldResult> sizes, FloatType type,
                               double value) {
  Value empty = tensor::EmptyOp::create(builder, loc, sizes, type);
  Value scalar = floatConstant(builder, loc, type, value);
  return linalg::FillOp::create(builder, loc, scalar, empty).getResult(0);
}

Value mlir::attn::finiteMax(OpBuilder &builder, Location loc, Value max) {
  auto type = cast<FloatType>(max.getType());
  Value isEmpty =
      arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OEQ, max,
                            floatConstant(builder, loc, type, -kInfinity));
  return arith::SelectOp::create(builder, loc, isEmpty,
                                 floatConstant(builder, loc, type, 0), max);
}

Value mlir::attn::buildGeneric(OpBuilder &builder, Location loc,
                               ArrayRef<unsigned> dims, ValueRange inputs,
                               ArrayRef<AffineMap> maps, Value destination,
                               ScalarBody body) {
  // From the larger domain to this one: a dimension becomes its position in
  // `dims`; those left out are not used.
  unsigned numDims = maps.front().getNumDims();
  SmallVector<AffineExpr> replacements(numDims,
                                       builder.getAffineConstantExpr(0));
  for (auto [position, dim] : llvm::enumerate(dims))
    replacements[dim] = builder.getAffineDimExpr(position);
  SmallVector<AffineMap> ownMaps;
  for (AffineMap map : maps)
    ownMaps.push_back(
        map.replaceDimsAndSymbols(replacements, {}, dims.size(), 0));
  SmallVector<utils::IteratorType> iterators;
  for (unsigned dim : dims)
    iterators.push_back(maps.back().isFunctionOfDim(dim)
                            ? utils::IteratorType::parallel
                            : utils::IteratorType::reduction);
  auto generic = linalg::GenericOp::create(
      builder, loc, destination.getType(), inputs, destination, ownMaps,
      iterators, [&](OpBuilder &b, Location l, ValueRange arguments) {
        Value result = body(b, l, arguments);
        linalg::YieldOp::create(b, l, result);
      });
  return generic.getResult(0);
}

SmallVector<OpFoldResult> ScoreBuilder::sizesOf(ArrayRef<unsigned> dims) const {
  return llvm::map_to_vector(dims, [&](unsigned dim) { return extents[dim]; });
}

SmallVector<unsigned> ScoreBuilder::rowsAnd(unsigned dim) const {
  SmallVector<unsigned> dims(rowDims);
  dims.push_back(dim);
  return dims;
}

AffineMap ScoreBuilder::mapOf(ArrayRef<unsigned> dims) const {
  MLIRContext *context = builder.getContext();
  auto exprs = llvm::map_to_vector(
      dims, [&](unsigned dim) { return getAffineDimExpr(dim, context); });
  return AffineMap::get(queryMap.getNumDims(), 0, exprs, context);
}

Value ScoreBuilder::buildProducts() {
  SmallVector<unsigned> dims = rowsAnd(keyDim);
  AffineMap map = mapOf(dims);
  Value zero = filledTensor(builder, loc, sizesOf(dims), type, 0);
  dims.push_back(headSizeDim);
  Value products = buildGeneric(
      builder, loc, dims, {query, key}, {queryMap, keyMap, map}, zero,
      [&](OpBuilder &b, Location l, ValueRange arguments) -> Value {
        Value left = convertFloat(b, l, arguments[0], type);
        Value right = convertFloat(b, l, arguments[1], type);
        Value product = arith::MulFOp::create(b, l, left, right);
        return arith::AddFOp::create(b, l, arguments[2], product);
      });
  return relative ? buildRelativeProducts(products) : products;
}

bool ScoreBuilder::isRelative(AffineExpr expr) const {
  MLIRContext *context = builder.getContext();
  return expr == getAffineDimExpr(keyDim, context) -
                     getAffineDimExpr(queryDim, context);
}

/// An element of a tensor read at `j - i + rows - 1`, inside of a generic over
/// `dims`; 0 beyond its end.
Value ScoreBuilder::readRelative(OpBuilder &b, Value tensor, AffineMap map,
                                 ArrayRef<unsigned> dims) {
  SmallVector<Value> indices(map.getNumDims());
  for (auto [place, dim] : llvm::enumerate(dims))
    indices[dim] = linalg::IndexOp::create(b, loc, place);
  auto constant = [&](int64_t number) {
    return arith::ConstantIndexOp::create(b, loc, number);
  };
  SmallVector<Value> at;
  Value isThere;
  for (auto [position, expr] : llvm::enumerate(map.getResults())) {
    if (!isRelative(expr)) {
      auto shared = dyn_cast<AffineBinaryOpExpr>(expr);
      Value index = indices[cast<AffineDimExpr>(shared ? shared.getLHS() : expr)
                                .getPosition()];
      if (shared)
        index = arith::DivUIOp::create(
            b, loc, index,
            constant(cast<AffineConstantExpr>(shared.getRHS()).getValue()));
      at.push_back(index);
      continue;
    }
    Value difference =
        arith::SubIOp::create(b, loc, indices[keyDim], indices[queryDim]);
    Value rows = getValueOrCreateConstantIndexOp(b, loc, extents[queryDim]);
    Value last = arith::SubIOp::create(b, loc, rows, constant(1));
    Value place = arith::AddIOp::create(b, loc, difference, last);
    Value extent = tensor::DimOp::create(b, loc, tensor, position);
    isThere =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, place, extent);
    Value end = arith::SubIOp::create(b, loc, extent, constant(1));
    at.push_back(arith::MinSIOp::create(b, loc, place, end));
  }
  Value element =
      convertFloat(b, loc, tensor::ExtractOp::create(b, loc, tensor, at), type);
  return arith::SelectOp::create(b, loc, isThere, element,
                                 floatConstant(b, loc, type, 0));
}

/// The products plus those of the relative query with the rows of relative
/// positions.
Value ScoreBuilder::buildRelativeProducts(Value products) {
  SmallVector<unsigned> dims = rowsAnd(keyDim);
  AffineMap map = mapOf(dims);
  dims.push_back(headSizeDim);
  return buildGeneric(
      builder, loc, dims, relativeQuery, {queryMap, map}, products,
      [&](OpBuilder &b, Location l, ValueRange arguments) -> Value {
        Value left = convertFloat(b, l, arguments[0], type);
        Value right = readRelative(b, relative, relativeMap, dims);
        Value product = arith::MulFOp::create(b, l, left, right);
        return arith::AddFOp::create(b, l, arguments[1], product);
      });
}

Value mlir::attn::inlineScalarRegion(OpBuilder &b, Region &region,
                                     ValueRange arguments) {
  Block &block = region.front();
  IRMapping mapping;
  mapping.map(block.getArguments(), arguments);
  for (Operation &op : block.without_terminator())
    b.clone(op, mapping);
  return mapping.lookupOrDefault(
      cast<YieldOp>(block.getTerminator()).getValue());
}

/// From q . k to the finished score: scale, softcap, score mod, bias, mask,
/// validity.
Value ScoreBuilder::finishScore(OpBuilder &b, Value score, Value biasElement,
                                Value isValid, ArrayRef<unsigned> dims) {
  auto constant = [&](double value) {
    return floatConstant(b, loc, type, value);
  };
  auto times = [&](Value value, double factor) -> Value {
    return factor == 1
               ? value
               : Value(arith::MulFOp::create(b, loc, value, constant(factor)));
  };
  score = times(score, scale);
  if (softcap) {
    Value ratio = arith::DivFOp::create(b, loc, score, constant(*softcap));
    score = times(math::TanhOp::create(b, loc, ratio), *softcap);
  }
  PairPosition at;
  if (mask || scoreMod) {
    SmallVector<Value> indices(queryMap.getNumDims());
    for (auto [place, dim] : llvm::enumerate(dims))
      indices[dim] = linalg::IndexOp::create(b, loc, place);
    at = position(b, indices);
  }
  if (scoreMod)
    score = inlineScalarRegion(b, *scoreMod,
                               {score, at.batch, at.head, at.query, at.key});
  if (biasElement)
    score = arith::AddFOp::create(b, loc, score,
                                  convertFloat(b, loc, biasElement, type));
  score = times(score, exponentUnit);
  Value allowed =
      mask ? mask.buildAllowed(b, loc, {at.head, numQueries, numKeys}, at.query,
                               at.key)
           : isValid;
  if (mask && isValid)
    allowed = arith::AndIOp::create(b, loc, allowed, isValid);
  return allowed ? Value(arith::SelectOp::create(b, loc, allowed, score,
                                                 constant(-kInfinity)))
                 : score;
}

Value ScoreBuilder::buildScores() {
  Value products = buildProducts();
  SmallVector<unsigned> dims = rowsAnd(keyDim);
  AffineMap map = mapOf(dims);
  SmallVector<Value> inputs;
  SmallVector<AffineMap> maps;
  bool isRelativeBias = hasRelativeBias();
  if (bias && !isRelativeBias) {
    inputs.push_back(bias);
    maps.push_back(biasMap);
  }
  if (keyValid) {
    inputs.push_back(keyValid);
    maps.push_back(keyValidMap);
  }
  maps.push_back(map);
  return buildGeneric(
      builder, loc, dims, inputs, maps, products,
      [&](OpBuilder &b, Location, ValueRange arguments) -> Value {
        Value biasElement = bias ? arguments.front() : Value();
        if (isRelativeBias)
          biasElement = readRelative(b, bias, biasMap, dims);
        Value isValid = keyValid ? arguments[arguments.size() - 2] : Value();
        return finishScore(b, arguments.back(), biasElement, isValid, dims);
      });
}

Value ScoreBuilder::buildMax(Value scores, Value init) {
  SmallVector<unsigned> dims = rowsAnd(keyDim);
  return buildGeneric(
      builder, loc, dims, scores, {mapOf(dims), mapOf(rowDims)}, init,
      [](OpBuilder &b, Location l, ValueRange arguments) -> Value {
        return arith::MaximumFOp::create(b, l, arguments[1], arguments[0]);
      });
}

Value ScoreBuilder::buildWeights(Value scores, Value max) {
  SmallVector<unsigned> dims = rowsAnd(keyDim);
  Value empty = tensor::EmptyOp::create(builder, loc, sizesOf(dims), type);
  bool isBase2 = exponentUnit != 1;
  return buildGeneric(
      builder, loc, dims, {scores, max},
      {mapOf(dims), mapOf(rowDims), mapOf(dims)}, empty,
      [&](OpBuilder &b, Location l, ValueRange arguments) -> Value {
        Value exponent = arith::SubFOp::create(b, l, arguments[0],
                                               finiteMax(b, l, arguments[1]));
        return isBase2 ? Value(math::Exp2Op::create(b, l, exponent))
                       : Value(math::ExpOp::create(b, l, exponent));
      });
}

Value ScoreBuilder::buildSum(Value weights, Value init) {
  SmallVector<unsigned> dims = rowsAnd(keyDim);
  return buildGeneric(
      builder, loc, dims, weights, {mapOf(dims), mapOf(rowDims)}, init,
      [](OpBuilder &b, Location l, ValueRange arguments) -> Value {
        return arith::AddFOp::create(b, l, arguments[1], arguments[0]);
      });
}

Value ScoreBuilder::buildAccumulator(Value scores, Value weights, Value init) {
  SmallVector<unsigned> dims = rowsAnd(keyDim);
  AffineMap map = mapOf(dims), resultMap = mapOf(rowsAnd(valueSizeDim));
  // The key innermost, so that each element is one sum in the order of the
  // keys.
  SmallVector<unsigned> allDims = rowsAnd(valueSizeDim);
  allDims.push_back(keyDim);
  return buildGeneric(
      builder, loc, allDims, {scores, weights, value},
      {map, map, valueMap, resultMap}, init,
      [&](OpBuilder &b, Location l, ValueRange arguments) -> Value {
        Value product = arith::MulFOp::create(
            b, l, arguments[1], convertFloat(b, l, arguments[2], type));
        Value isLeftOut =
            arith::CmpFOp::create(b, l, arith::CmpFPredicate::OEQ, arguments[0],
                                  floatConstant(b, l, type, -kInfinity));
        Value term = arith::SelectOp::create(
            b, l, isLeftOut, floatConstant(b, l, type, 0), product);
        return arith::AddFOp::create(b, l, arguments[3], term);
      });
}
