//===- Functions.cpp - functions that a few instructions compute ----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// erf is the exact GELU's function; a rational approximation has one division
// and no table or case distinction.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Linalg/Functions.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace mlir::attn::cpu;

/// x P(x^2) / Q(x^2) on |x| <= 3.925, beyond which erf rounds to +-1. The
/// coefficients are a weighted least-squares fit that equalises the relative
/// error; 2e-8 before rounding.
Value mlir::attn::cpu::emitErf(KernelBuilder &k, Value x) {
  static constexpr double numerator[] = {2.046021547e-06, 2.848446250e-04,
                                         3.772593528e-03, 5.276943405e-02,
                                         1.905947525e-01, 1.128379146e+00};
  static constexpr double denominator[] = {3.804777056e-05, 1.163868481e-03,
                                           1.498328531e-02, 1.141831372e-01,
                                           5.022429318e-01, 1.0};
  Type type = x.getType();
  // The select forms below are one instruction each and keep a NaN in x.
  auto bound = [&](Value value, double limit) {
    Value high = k.constant(type, limit), low = k.constant(type, -limit);
    value = k.select(k.greater(value, high), high, value);
    return k.select(k.greater(low, value), low, value);
  };
  Value bounded = bound(x, 3.925);
  Value square = k.mulf(bounded, bounded);
  auto polynomial = [&](ArrayRef<double> coefficients) {
    Value sum = k.constant(type, coefficients.front());
    for (double coefficient : coefficients.drop_front())
      sum = k.b.createOrFold<math::FmaOp>(k.loc, sum, square,
                                          k.constant(type, coefficient));
    return sum;
  };
  Value top = k.mulf(bounded, polynomial(numerator));
  return bound(k.divf(top, polynomial(denominator)), 1);
}

/// x / (1 + 2^-t): x times the logistic function of t / log2(e). Beyond +-126
/// the quotient is x, or below x times the smallest normal number.
static Value emitGate(KernelBuilder &k, Value x, Value t) {
  Type type = x.getType();
  Value high = k.constant(type, 126), low = k.constant(type, -126);
  t = k.select(k.greater(t, high), high, t);
  t = k.select(k.greater(low, t), low, t);
  Value power = k.exp2(k.subf(k.constant(type, 0), t));
  return k.divf(x, k.addf(power, k.constant(type, 1)));
}

Value mlir::attn::cpu::emitActivation(KernelBuilder &k, Activation activation,
                                      Value x) {
  Type type = x.getType();
  constexpr double log2e = 1.4426950408889634;
  switch (activation) {
  case Activation::Relu: {
    Value zero = k.constant(type, 0);
    return k.select(k.greater(zero, x), zero, x);
  }
  case Activation::Silu:
    return emitGate(k, x, k.mulf(x, k.constant(type, log2e)));
  case Activation::GeluTanh: {
    // (1 + tanh(u)) / 2 is the logistic function of 2 u.
    constexpr double factor = 2 * 0.7978845608028654 * log2e;
    Value inner = k.fma(k.mulf(x, x), k.constant(type, factor * 0.044715),
                        k.constant(type, factor));
    return emitGate(k, x, k.mulf(x, inner));
  }
  case Activation::Gelu: {
    Value scaled = k.mulf(x, k.constant(type, 0.7071067811865476));
    Value erf = getElementTypeOrSelf(type).isF32()
                    ? emitErf(k, scaled)
                    : math::ErfOp::create(k.b, k.loc, scaled).getResult();
    Value half = k.mulf(x, k.constant(type, 0.5));
    return k.fma(half, erf, half);
  }
  }
  llvm_unreachable("an activation");
}
