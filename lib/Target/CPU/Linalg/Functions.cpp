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
