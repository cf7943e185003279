//===- DecomposeLinear.cpp - attn.linear_attention as linalg --------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The meaning of attn.linear_attention: features, the products of all pairs of
// them, and their weighted sum. Quadratic on purpose: it shares nothing with
// the recurrence that it is compared with.
//
//===----------------------------------------------------------------------===//

#include "Decompositions.h"
#include "ScoreBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>
#include <limits>
#include <numbers>

using namespace mlir;
using namespace mlir::attn;

namespace {
constexpr double kInfinity = std::numeric_limits<double>::infinity();
using D = AttentionOp::Dim;
/// The dimension of features, after those of the attention domain.
constexpr unsigned kFeature = D::kNumDims, kNumDims = D::kNumDims + 1;

class LinearDecomposer {
public:
  LinearDecomposer(OpBuilder &b, LinearAttentionOp op)
      : b(b), loc(op.getLoc()), op(op), type(op.getAccumulatorType()) {
    for (unsigned dim = 0; dim < D::kNumDims; ++dim)
      extents.push_back(op.getExtent(b, loc, D(dim)));
    extents.push_back(b.getIndexAttr(op.getNumFeatures()));
    for (unsigned dim : {D::kBatch, D::kHead})
      if (op.getOutputMap().isFunctionOfDim(dim))
        outer.push_back(dim);
  }
  SmallVector<Value> run();

private:
  AffineMap extend(AffineMap map) {
    return AffineMap::get(kNumDims, 0, map.getResults(), b.getContext());
  }
  AffineMap mapOf(ArrayRef<unsigned> dims) {
    return AffineMap::getMultiDimMapWithTargets(kNumDims, dims, b.getContext());
  }
  SmallVector<unsigned> with(std::initializer_list<unsigned> dims) {
    SmallVector<unsigned> all(outer);
    llvm::append_range(all, dims);
    return all;
  }
  Value fill(ArrayRef<unsigned> dims, double value) {
    SmallVector<OpFoldResult> sizes;
    for (unsigned dim : dims)
      sizes.push_back(extents[dim]);
    return filledTensor(b, loc, sizes, type, value);
  }
  Value constant(OpBuilder &at, double value) {
    return floatConstant(at, loc, type, value);
  }
  /// One generic over `dims` into `init`, whose dimensions are `written`.
  Value generic(ArrayRef<unsigned> dims, ValueRange inputs,
                ArrayRef<AffineMap> maps, Value init,
                ArrayRef<unsigned> written, ScalarBody body) {
    SmallVector<AffineMap> all(maps);
    all.push_back(mapOf(written));
    return buildGeneric(b, loc, dims, inputs, all, init, body);
  }
  Value sumOfProducts(ArrayRef<unsigned> dims, Value left, AffineMap leftMap,
                      Value right, AffineMap rightMap,
                      ArrayRef<unsigned> written, Value init = Value());
  Value sumOf(ArrayRef<unsigned> dims, Value terms, AffineMap map, Value init,
              ArrayRef<unsigned> written);
  Value sumOfValues(ArrayRef<unsigned> dims, Value weights, AffineMap map,
                    Value init, ArrayRef<unsigned> written);
  Value buildInputs(Value source, AffineMap map, unsigned position);
  Value buildExponents(Value x, Value projection, unsigned position);
  Value buildHalfNorms(Value x, unsigned position);
  Value buildFeatures(Value source, AffineMap map, unsigned position,
                      bool isKey);
  Value applyMap(OpBuilder &at, Value u);
  Value finishKeys(Value features);
  Value buildWeights(Value query, Value key);
  void lowerInitial();
  Value buildOutput(Value query, Value weights);
  SmallVector<Value> buildFinal(Value key);
  Value isSeen(OpBuilder &at, Value i, Value j);

  OpBuilder &b;
  Location loc;
  LinearAttentionOp op;
  FloatType type;
  SmallVector<OpFoldResult> extents;
  SmallVector<unsigned> outer; ///< b and h, where the output has them
  Value reference; ///< [outer]: what exponents of keys are lowered by, base 2
  Value initialSum, initialNorm; ///< lowered like the keys
};
} // namespace

Value LinearDecomposer::sumOfProducts(ArrayRef<unsigned> dims, Value left,
                                      AffineMap leftMap, Value right,
                                      AffineMap rightMap,
                                      ArrayRef<unsigned> written, Value init) {
  return generic(dims, {left, right}, {leftMap, rightMap},
                 init ? init : fill(written, 0), written,
                 [&](OpBuilder &at, Location l, ValueRange args) -> Value {
                   Value x = convertFloat(at, l, args[0], type);
                   Value y = convertFloat(at, l, args[1], type);
                   Value product = arith::MulFOp::create(at, l, x, y);
                   return arith::AddFOp::create(at, l, args[2], product);
                 });
}

/// `init`, 0 if null, and all terms.
Value LinearDecomposer::sumOf(ArrayRef<unsigned> dims, Value terms,
                              AffineMap map, Value init,
                              ArrayRef<unsigned> written) {
  return generic(dims, {terms}, {map}, init ? init : fill(written, 0), written,
                 [&](OpBuilder &at, Location l, ValueRange args) -> Value {
                   return arith::AddFOp::create(at, l, args[1], args[0]);
                 });
}

/// `init`, 0 if null, and the values by their weights. What a weight of 0 hides
/// may be NaN.
Value LinearDecomposer::sumOfValues(ArrayRef<unsigned> dims, Value weights,
                                    AffineMap map, Value init,
                                    ArrayRef<unsigned> written) {
  return generic(
      dims, {weights, op.getValue()}, {map, extend(op.getValueMap())},
      init ? init : fill(written, 0), written,
      [&](OpBuilder &at, Location l, ValueRange args) -> Value {
        Value isNothing = arith::CmpFOp::create(
            at, l, arith::CmpFPredicate::OEQ, args[0], constant(at, 0));
        Value product = arith::MulFOp::create(
            at, l, args[0], convertFloat(at, l, args[1], type));
        product =
            arith::SelectOp::create(at, l, isNothing, constant(at, 0), product);
        return arith::AddFOp::create(at, l, args[2], product);
      });
}

/// [outer, position, d]: sqrt(scale) times the operand, 0 for keys that are not
/// valid.
Value LinearDecomposer::buildInputs(Value source, AffineMap map,
                                    unsigned position) {
  SmallVector<unsigned> dims = with({position, D::kHeadSize});
  SmallVector<Value> inputs{source};
  SmallVector<AffineMap> maps{extend(map)};
  bool hasValid = position == D::kKey && op.getKeyValid();
  if (hasValid) {
    inputs.push_back(op.getKeyValid());
    maps.push_back(extend(op.getKeyValidMap()));
  }
  return generic(
      dims, inputs, maps, fill(dims, 0), dims,
      [&](OpBuilder &at, Location l, ValueRange args) -> Value {
        Value x = convertFloat(at, l, args[0], type);
        x = arith::MulFOp::create(
            at, l, x, constant(at, std::sqrt(op.getEffectiveScale())));
        if (!hasValid)
          return x;
        return arith::SelectOp::create(at, l, args[1], x, constant(at, 0));
      });
}

/// phi of u without softmax.
Value LinearDecomposer::applyMap(OpBuilder &at, Value u) {
  Value zero = constant(at, 0);
  Value isPositive =
      arith::CmpFOp::create(at, loc, arith::CmpFPredicate::OGT, u, zero);
  switch (op.getFeatureMap()) {
  case FeatureMap::EluPlusOne: {
    Value raised = arith::AddFOp::create(at, loc, u, constant(at, 1));
    return arith::SelectOp::create(at, loc, isPositive, raised,
                                   math::ExpOp::create(at, loc, u));
  }
  case FeatureMap::Relu:
  case FeatureMap::GeneralizedRelu:
    return arith::MaximumFOp::create(at, loc, u, zero);
  case FeatureMap::Custom:
    return inlineScalarRegion(at, op.getFeature(), u);
  case FeatureMap::SoftmaxPositive:
  case FeatureMap::SoftmaxHyperbolic:
    break;
  }
  return u;
}

/// [outer, position, R]: u, for hyperbolic maps u and -u.
Value LinearDecomposer::buildExponents(Value x, Value projection,
                                       unsigned position) {
  SmallVector<unsigned> dims = with({position, kFeature, D::kHeadSize});
  SmallVector<unsigned> written = with({position, kFeature});
  bool isTwice = op.getFeatureMap() == FeatureMap::SoftmaxHyperbolic;
  int64_t draws = op.getNumFeatures() / (isTwice ? 2 : 1);
  auto rank = cast<RankedTensorType>(projection.getType()).getRank();
  unsigned featurePosition = outer.size() + 1;
  return generic(
      dims, {x}, {mapOf(with({position, D::kHeadSize}))}, fill(written, 0),
      written, [&](OpBuilder &at, Location l, ValueRange args) -> Value {
        auto index = [&](unsigned number) -> Value {
          return linalg::IndexOp::create(at, l, number);
        };
        Value feature = index(featurePosition), sign = constant(at, 1);
        if (isTwice) {
          Value half = arith::ConstantIndexOp::create(at, l, draws);
          Value isSecond = arith::CmpIOp::create(
              at, l, arith::CmpIPredicate::uge, feature, half);
          feature = arith::RemUIOp::create(at, l, feature, half);
          sign =
              arith::SelectOp::create(at, l, isSecond, constant(at, -1), sign);
        }
        SmallVector<Value> position{feature, index(featurePosition + 1)};
        if (rank == 3) {
          auto head = llvm::find(outer, unsigned(D::kHead));
          position.insert(position.begin(),
                          head == outer.end()
                              ? arith::ConstantIndexOp::create(at, l, 0)
                              : index(head - outer.begin()));
        }
        Value w = tensor::ExtractOp::create(at, l, projection, position);
        Value product = arith::MulFOp::create(
            at, l, arith::MulFOp::create(at, l, sign, w), args[0]);
        return arith::AddFOp::create(at, l, args[1], product);
      });
}

/// [outer, position]: |x'|^2 / 2 + ln(R) / 2.
Value LinearDecomposer::buildHalfNorms(Value x, unsigned position) {
  SmallVector<unsigned> dims = with({position, D::kHeadSize});
  double start = std::log(double(op.getNumFeatures())) / 2;
  return generic(
      dims, {x}, {mapOf(dims)}, fill(with({position}), start), with({position}),
      [&](OpBuilder &at, Location l, ValueRange args) -> Value {
        Value square = arith::MulFOp::create(at, l, args[0], args[0]);
        square = arith::MulFOp::create(at, l, square, constant(at, 0.5));
        return arith::AddFOp::create(at, l, args[1], square);
      });
}

/// Invalid keys have no features, not those of 0.
Value LinearDecomposer::finishKeys(Value features) {
  if (!op.getKeyValid())
    return features;
  SmallVector<unsigned> dims = with({D::kKey, kFeature});
  return generic(dims, {features, op.getKeyValid()},
                 {mapOf(dims), extend(op.getKeyValidMap())}, fill(dims, 0),
                 dims,
                 [&](OpBuilder &at, Location l, ValueRange args) -> Value {
                   return arith::SelectOp::create(at, l, args[1], args[0],
                                                  constant(at, 0));
                 });
}

/// [outer, position, R]
Value LinearDecomposer::buildFeatures(Value source, AffineMap map,
                                      unsigned position, bool isKey) {
  // lint(function-length): one formula, in the order of the description.
  Value x = buildInputs(source, map, position);
  SmallVector<unsigned> dims = with({position, kFeature});
  SmallVector<unsigned> row = with({position});
  double eps = op.getEffectiveFeatureEps();
  Value u = x;
  if (op.getProjection())
    u = buildExponents(x, op.getProjection(), position);
  auto raise = [&](OpBuilder &at, Value value, Value by) -> Value {
    return arith::AddFOp::create(at, loc, value, by);
  };
  if (!op.hasSoftmaxMap()) {
    Value features =
        generic(dims, {u}, {mapOf(dims)}, fill(dims, 0), dims,
                [&](OpBuilder &at, Location l, ValueRange args) -> Value {
                  return raise(at, applyMap(at, args[0]), constant(at, eps));
                });
    return isKey ? finishKeys(features) : features;
  }
  Value norms = buildHalfNorms(x, position);
  Value exponents =
      generic(dims, {u, norms}, {mapOf(dims), mapOf(row)}, fill(dims, 0), dims,
              [&](OpBuilder &at, Location l, ValueRange args) -> Value {
                return arith::SubFOp::create(at, l, args[0], args[1]);
              });
  // An invalid key has no part in the maximum.
  if (isKey && op.getKeyValid())
    exponents =
        generic(dims, {exponents, op.getKeyValid()},
                {mapOf(dims), extend(op.getKeyValidMap())}, fill(dims, 0), dims,
                [&](OpBuilder &at, Location l, ValueRange args) -> Value {
                  return arith::SelectOp::create(at, l, args[1], args[0],
                                                 constant(at, -kInfinity));
                });
  SmallVector<unsigned> lowered = isKey ? outer : row;
  Value max = generic(
      dims, {exponents}, {mapOf(dims)}, fill(lowered, -kInfinity), lowered,
      [&](OpBuilder &at, Location l, ValueRange args) -> Value {
        return arith::MaximumFOp::create(at, l, args[1], args[0]);
      });
  if (isKey && eps == 0) {
    // The whole number that the recurrence has, in units of log2.
    SmallVector<Value> inputs{max};
    SmallVector<AffineMap> maps{mapOf(outer)};
    if (!op.getInitial().empty()) {
      inputs.push_back(op.getInitial()[2]);
      maps.push_back(mapOf(outer));
    }
    reference =
        generic(outer, inputs, maps, fill(outer, 0), outer,
                [&](OpBuilder &at, Location l, ValueRange args) -> Value {
                  Value top = arith::MulFOp::create(
                      at, l, args[0], constant(at, std::numbers::log2e));
                  top = math::CeilOp::create(at, l, top);
                  if (inputs.size() > 1)
                    top = arith::MaximumFOp::create(at, l, top, args[1]);
                  return finiteMax(at, l, top);
                });
    max = generic(outer, {reference}, {mapOf(outer)}, fill(outer, 0), outer,
                  [&](OpBuilder &at, Location l, ValueRange args) -> Value {
                    return arith::MulFOp::create(
                        at, l, args[0], constant(at, std::numbers::ln2));
                  });
  }
  double inner = eps / std::sqrt(double(op.getNumFeatures()));
  Value features = generic(
      dims, {exponents, max}, {mapOf(dims), mapOf(lowered)}, fill(dims, 0),
      dims, [&](OpBuilder &at, Location l, ValueRange args) -> Value {
        Value exponent =
            arith::SubFOp::create(at, l, args[0], finiteMax(at, l, args[1]));
        // Where the largest exponent has R^-1/2 in it, lowering takes it out.
        double factor = eps == 0 ? 1 : inner / eps;
        Value power = arith::MulFOp::create(
            at, l, math::ExpOp::create(at, l, exponent), constant(at, factor));
        return raise(at, power, constant(at, inner));
      });
  return isKey ? finishKeys(features) : features;
}

/// Whether query i may see key j: causal or all.
Value LinearDecomposer::isSeen(OpBuilder &at, Value i, Value j) {
  Value last = i;
  if (*op.getCausal() == Alignment::BottomRight) {
    Value n = getValueOrCreateConstantIndexOp(at, loc, extents[D::kQuery]);
    Value m = getValueOrCreateConstantIndexOp(at, loc, extents[D::kKey]);
    last =
        arith::AddIOp::create(at, loc, i, arith::SubIOp::create(at, loc, m, n));
  }
  return arith::CmpIOp::create(at, loc, arith::CmpIPredicate::sle, j, last);
}

/// [outer, i, j]
Value LinearDecomposer::buildWeights(Value query, Value key) {
  SmallVector<unsigned> pairs = with({D::kQuery, D::kKey});
  Value weights = sumOfProducts(with({D::kQuery, D::kKey, kFeature}), query,
                                mapOf(with({D::kQuery, kFeature})), key,
                                mapOf(with({D::kKey, kFeature})), pairs);
  if (!op.getCausal())
    return weights;
  return generic(pairs, {weights}, {mapOf(pairs)}, fill(pairs, 0), pairs,
                 [&](OpBuilder &at, Location l, ValueRange args) -> Value {
                   Value i = linalg::IndexOp::create(at, l, outer.size());
                   Value j = linalg::IndexOp::create(at, l, outer.size() + 1);
                   return arith::SelectOp::create(at, l, isSeen(at, i, j),
                                                  args[0], constant(at, 0));
                 });
}

/// The initial state has exponents lowered by its own reference.
void LinearDecomposer::lowerInitial() {
  if (op.getInitial().empty())
    return;
  SmallVector<Value> state(op.getInitial());
  for (unsigned part = 0; op.hasSoftmaxMap() && part < 2; ++part) {
    SmallVector<unsigned> dims = with({kFeature});
    if (part == 0)
      dims.push_back(D::kValueSize);
    state[part] =
        generic(dims, {state[part], state[2], reference},
                {mapOf(dims), mapOf(outer), mapOf(outer)}, fill(dims, 0), dims,
                [&](OpBuilder &at, Location l, ValueRange args) -> Value {
                  Value power = arith::SubFOp::create(at, l, args[1], args[2]);
                  return arith::MulFOp::create(
                      at, l, args[0], math::Exp2Op::create(at, l, power));
                });
  }
  initialSum = state[0], initialNorm = state[1];
}

Value LinearDecomposer::buildOutput(Value query, Value weights) {
  SmallVector<unsigned> pairs = with({D::kQuery, D::kKey});
  SmallVector<unsigned> row = with({D::kQuery});
  SmallVector<unsigned> result = with({D::kQuery, D::kValueSize});
  AffineMap queryMap = mapOf(with({D::kQuery, kFeature}));
  Value denominator, numerator;
  if (initialSum) {
    denominator = sumOfProducts(with({D::kQuery, kFeature}), query, queryMap,
                                initialNorm, mapOf(with({kFeature})), row);
    numerator = sumOfProducts(with({D::kQuery, D::kValueSize, kFeature}), query,
                              queryMap, initialSum,
                              mapOf(with({kFeature, D::kValueSize})), result);
  }
  denominator = sumOf(pairs, weights, mapOf(pairs), denominator, row);
  numerator = sumOfValues(with({D::kQuery, D::kKey, D::kValueSize}), weights,
                          mapOf(pairs), numerator, result);
  auto elementType = cast<FloatType>(
      cast<RankedTensorType>(op.getOutput().getType()).getElementType());
  return buildGeneric(
      b, loc, result, {numerator, denominator},
      {mapOf(result), mapOf(row), extend(op.getOutputMap())}, op.getOutput(),
      [&](OpBuilder &at, Location l, ValueRange args) -> Value {
        Value whole = arith::AddFOp::create(
            at, l, args[1], constant(at, op.getEffectiveDenominatorEps()));
        Value isZero = arith::CmpFOp::create(at, l, arith::CmpFPredicate::OEQ,
                                             whole, constant(at, 0));
        Value ratio = arith::DivFOp::create(at, l, args[0], whole);
        ratio = arith::SelectOp::create(at, l, isZero, constant(at, 0), ratio);
        return convertFloat(at, l, ratio, elementType);
      });
}

/// The state after the last key that the last query sees.
SmallVector<Value> LinearDecomposer::buildFinal(Value key) {
  SmallVector<unsigned> keys = with({D::kKey, kFeature});
  if (op.getCausal())
    key = generic(keys, {key}, {mapOf(keys)}, fill(keys, 0), keys,
                  [&](OpBuilder &at, Location l, ValueRange args) -> Value {
                    Value n = getValueOrCreateConstantIndexOp(
                        at, l, extents[D::kQuery]);
                    Value one = arith::ConstantIndexOp::create(at, l, 1);
                    Value last = arith::SubIOp::create(at, l, n, one);
                    Value j = linalg::IndexOp::create(at, l, outer.size());
                    return arith::SelectOp::create(at, l, isSeen(at, last, j),
                                                   args[0], constant(at, 0));
                  });
  SmallVector<unsigned> sums = with({kFeature, D::kValueSize});
  SmallVector<unsigned> norms = with({kFeature});
  Value sum = sumOfValues(with({kFeature, D::kValueSize, D::kKey}), key,
                          mapOf(keys), initialSum, sums);
  Value norm =
      sumOf(with({kFeature, D::kKey}), key, mapOf(keys), initialNorm, norms);
  SmallVector<Value> results{sum, norm};
  if (reference)
    results.push_back(reference);
  // In the types of the destinations, which may say less of the shape.
  for (auto [result, init] : llvm::zip_equal(results, op.getFinal()))
    if (result.getType() != init.getType())
      result = tensor::CastOp::create(b, loc, init.getType(), result);
  return results;
}

SmallVector<Value> LinearDecomposer::run() {
  Value key = buildFeatures(op.getKey(), op.getKeyMap(), D::kKey, true);
  Value query =
      buildFeatures(op.getQuery(), op.getQueryMap(), D::kQuery, false);
  lowerInitial();
  SmallVector<Value> results{buildOutput(query, buildWeights(query, key))};
  if (!op.getFinal().empty())
    llvm::append_range(results, buildFinal(key));
  return results;
}

SmallVector<Value> mlir::attn::decomposeLinear(OpBuilder &builder,
                                               LinearAttentionOp op) {
  return LinearDecomposer(builder, op).run();
}
