//===- LinearStep.cpp - one token of linear attention ---------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits attn.linear_step of one head. The state is read and written once, row
// by row with neighbouring columns on neighbouring threads; the query meets it
// on the way.
//
//===----------------------------------------------------------------------===//

#include "LinearAttention.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>
#include <numbers>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

namespace {
class StepEmitter {
public:
  StepEmitter(OpBuilder &b, LinearStepOp op, Kernel &kernel)
      : k(b, op.getLoc(), kernel), op(op), map(op.getFeatureMap()),
        valueSize(op.getStaticExtent(LinearStepOp::Dim::kValueSize)),
        features(op.getNumFeatures()),
        draws(features / (map == FeatureMap::SoftmaxHyperbolic ? 2 : 1)),
        zero(k.index(0)) {
    if (op.getKeyValid())
      isValid = memref::LoadOp::create(b, k.loc, op.getKeyValid());
  }
  void emit();

private:
  /// A matrix of one row.
  Value at(Value row, Value column) { return k.load(row, {zero, column}); }
  void put(Value x, Value row, Value column) {
    k.store(x, row, {zero, column});
  }
  Value project(Value x);
  Value reduce(Value columns, double initial,
               function_ref<Value(Value)> element,
               function_ref<Value(Value, Value)> combine);
  Value halfNorm(Value x);
  Value largest(Value exponents);
  void emitReference(Value top);
  Value makeFeatures(Value x, Value exponents, Value lowering, Value isThere);
  Value emitNorm();
  void emitSum(Value denominator);

  BlockBuilder k;
  LinearStepOp op;
  FeatureMap map;
  int64_t valueSize, features, draws;
  Value zero, isValid;
  Value keyFeatures, queryFeatures;
  Value factor;  ///< of the old state, null for 1
  Value lowered; ///< the new reference
};
} // namespace

/// u of all directions, for softmax maps in units of log2.
Value StepEmitter::project(Value x) {
  Value result = k.scratch(draws);
  double scale = std::sqrt(op.getEffectiveScale()) *
                 (op.hasSoftmaxMap() ? std::numbers::log2e : 1);
  k.reduceRows(
      k.index(draws), k.dim(x, 0), k.f32(0),
      [&](Value draw, Value column) {
        return k.mulf(k.load(op.getProjection(), {draw, column}),
                      k.load(x, {column}));
      },
      [&](Value a, Value b) { return k.addf(a, b); },
      [&](Value draw, Value sum) {
        put(k.mulf(sum, k.f32(scale)), result, draw);
      });
  return result;
}

/// Over elements of one row; all threads get the result.
Value StepEmitter::reduce(Value columns, double initial,
                          function_ref<Value(Value)> element,
                          function_ref<Value(Value, Value)> combine) {
  Value result = k.scratch(4);
  k.reduceRows(
      k.index(1), columns, k.f32(initial),
      [&](Value, Value column) { return element(column); }, combine,
      [&](Value, Value x) { put(x, result, zero); });
  return at(result, zero);
}

/// |x'|^2 / 2 in units of log2, and the logarithm of R^1/2.
Value StepEmitter::halfNorm(Value x) {
  Value sum = reduce(
      k.dim(x, 0), 0,
      [&](Value column) {
        Value own = k.load(x, {column});
        return k.mulf(own, own);
      },
      [&](Value a, Value b) { return k.addf(a, b); });
  return k.fma(sum, k.f32(op.getEffectiveScale() * std::numbers::log2e / 2),
               k.f32(std::log2(double(features)) / 2));
}

/// The largest exponent, of both signs for hyperbolic maps.
Value StepEmitter::largest(Value exponents) {
  return reduce(
      k.index(draws), kLowestExponent,
      [&](Value draw) -> Value {
        Value x = at(exponents, draw);
        if (map != FeatureMap::SoftmaxHyperbolic)
          return x;
        return math::AbsFOp::create(k.b, k.loc, x);
      },
      [&](Value a, Value b) { return k.maxf(a, b); });
}

/// The whole number that the state is lowered by from now on.
void StepEmitter::emitReference(Value top) {
  Value old = k.load(op.getInitial()[2], {});
  lowered = k.maxf(math::CeilOp::create(k.b, k.loc, top), old);
  if (isValid)
    lowered = k.select(isValid, lowered, old);
  factor = k.exp2(k.subf(old, lowered));
  // All threads have read the old one, which may be in the same place.
  k.barrier();
  k.once([&] { k.store(lowered, op.getFinal()[2], {}); });
}

/// Features of the key, `lowering` being its half norm and the reference, or of
/// the query, `lowering` being its largest exponent; 0 where `isThere` is given
/// and false.
Value StepEmitter::makeFeatures(Value x, Value exponents, Value lowering,
                                Value isThere) {
  Value made = k.scratch(features);
  auto store = [&](Value feature, Value place) {
    if (isThere)
      feature = k.select(isThere, feature, k.f32(0));
    put(feature, made, place);
  };
  double scale = exponents ? 1 : std::sqrt(op.getEffectiveScale());
  k.forEach({k.index(draws)}, [&](ValueRange draw) {
    Value u = exponents ? at(exponents, draw[0]) : k.load(x, {draw[0]});
    if (scale != 1)
      u = k.mulf(u, k.f32(scale));
    if (!op.hasSoftmaxMap())
      return store(applyFeatureMap(k, map, op.getFeature(),
                                   op.getEffectiveFeatureEps(), u),
                   draw[0]);
    store(k.exp2(k.subf(u, lowering)), draw[0]);
    if (map == FeatureMap::SoftmaxHyperbolic)
      store(k.exp2(k.subf(arith::NegFOp::create(k.b, k.loc, u), lowering)),
            k.add(draw[0], draws));
  });
  return made;
}

/// norm' = norm + phi(key), and the denominator.
Value StepEmitter::emitNorm() {
  Value shares = k.scratch(features);
  k.forEach({k.index(features)}, [&](ValueRange feature) {
    Value norm = k.load(op.getInitial()[1], feature),
          own = at(keyFeatures, feature[0]);
    norm = factor ? k.fma(norm, factor, own) : k.addf(norm, own);
    k.store(norm, op.getFinal()[1], feature);
    put(k.mulf(norm, at(queryFeatures, feature[0])), shares, feature[0]);
  });
  Value sum = reduce(
      k.index(features), 0, [&](Value feature) { return at(shares, feature); },
      [&](Value a, Value b) { return k.addf(a, b); });
  return k.addf(sum, k.f32(op.getEffectiveDenominatorEps()));
}

/// sum' = sum + phi(key) value^T, and what the query reads of it: rows are
/// dealt to as many parts as there are threads for, whose shares are added up.
void StepEmitter::emitSum(Value denominator) {
  int64_t parts =
      std::min(features, std::max<int64_t>(1, k.at.threads() / valueSize));
  Value shares = k.scratch(parts, valueSize);
  k.forEach({k.index(parts), k.index(valueSize)}, [&](ValueRange place) {
    Value part = place[0], column = place[1];
    Value value = k.load(op.getValue(), {column});
    if (isValid)
      value = k.select(isValid, value, k.f32(0));
    Value share =
        k.forLoop(part, k.index(features), parts, {k.f32(0)},
                  [&](Value feature, ValueRange carried) {
                    Value sum = k.load(op.getInitial()[0], {feature, column});
                    if (factor)
                      sum = k.mulf(sum, factor);
                    sum = k.fma(at(keyFeatures, feature), value, sum);
                    k.store(sum, op.getFinal()[0], {feature, column});
                    return SmallVector<Value>{
                        k.fma(at(queryFeatures, feature), sum, carried[0])};
                  })[0];
    k.store(share, shares, place);
  });
  Value isZero = arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OEQ,
                                       denominator, k.f32(0));
  k.forEach({k.index(valueSize)}, [&](ValueRange column) {
    Value total =
        k.forLoop(zero, k.index(parts), 1, {k.f32(0)},
                  [&](Value part, ValueRange carried) {
                    return SmallVector<Value>{
                        k.addf(carried[0], k.load(shares, {part, column[0]}))};
                  })[0];
    Value ratio = arith::DivFOp::create(k.b, k.loc, total, denominator);
    k.store(k.select(isZero, k.f32(0), ratio), op.getOutput(), column);
  });
}

void StepEmitter::emit() {
  Value keyExponents, queryExponents, keyLowering, queryLowering;
  if (op.getProjection()) {
    keyExponents = project(op.getKey());
    queryExponents = project(op.getQuery());
  }
  if (op.hasSoftmaxMap()) {
    Value half = halfNorm(op.getKey());
    emitReference(k.subf(largest(keyExponents), half));
    keyLowering = k.addf(half, lowered);
    queryLowering = largest(queryExponents);
  }
  keyFeatures = makeFeatures(op.getKey(), keyExponents, keyLowering, isValid);
  queryFeatures =
      makeFeatures(op.getQuery(), queryExponents, queryLowering, Value());
  emitSum(emitNorm());
}

void attn::nvvm::emitLinearStep(OpBuilder &b, LinearStepOp op, Kernel &kernel) {
  StepEmitter(b, op, kernel).emit();
}
