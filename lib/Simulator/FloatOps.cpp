//===- FloatOps.cpp - floating-point arithmetic of all lanes --------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every operation rounds to nearest, the approximate ones too: their error on
// hardware (2 ulp and less) is inside any tolerance that a test would set.
//
//===----------------------------------------------------------------------===//

#include "Elementwise.h"
#include "Handlers.h"
#include "Numbers.h"

using namespace attn::sim;

namespace {
template <typename T> T flush(T value) {
  return std::fpclassify(value) == FP_SUBNORMAL ? std::copysign(T(0), value)
                                                : value;
}

template <RealOp Op, typename T>
T one(T a) { // lint(function-length): one case an operation
  switch (Op) {
  case RealOp::Neg:
    return -a;
  case RealOp::Abs:
    return std::fabs(a);
  case RealOp::Sqrt:
    return std::sqrt(a);
  case RealOp::Rsqrt:
    return T(1) / std::sqrt(a);
  case RealOp::Reciprocal:
    return T(1) / a;
  case RealOp::Exp:
    return std::exp(a);
  case RealOp::Exp2:
    return std::exp2(a);
  case RealOp::Exp10:
    return std::pow(T(10), a);
  case RealOp::Log:
    return std::log(a);
  case RealOp::Log2:
    return std::log2(a);
  case RealOp::Log10:
    return std::log10(a);
  case RealOp::Sin:
    return std::sin(a);
  case RealOp::Cos:
    return std::cos(a);
  case RealOp::Tanh:
    return std::tanh(a);
  case RealOp::Erf:
    return std::erf(a);
  case RealOp::Floor:
    return std::floor(a);
  case RealOp::Ceil:
    return std::ceil(a);
  case RealOp::Truncate:
    return std::trunc(a);
  case RealOp::Round:
    return std::round(a);
  case RealOp::RoundEven:
    return std::nearbyint(a);
  case RealOp::Saturate:
    return a > T(0) ? (a < T(1) ? a : T(1)) : T(0);
  default:
    return a;
  }
}

template <RealOp Op, typename T> T two(T a, T b) {
  switch (Op) {
  case RealOp::Add:
    return a + b;
  case RealOp::Sub:
    return a - b;
  case RealOp::Mul:
    return a * b;
  case RealOp::Div:
    return a / b;
  case RealOp::Rem:
    return std::fmod(a, b);
  case RealOp::MinNumber:
  case RealOp::Minimum:
    if (std::isnan(a) || std::isnan(b))
      return Op == RealOp::Minimum ? T(NAN) : (std::isnan(a) ? b : a);
    return a == b ? (std::signbit(a) ? a : b) : (a < b ? a : b);
  case RealOp::MaxNumber:
  case RealOp::Maximum:
    if (std::isnan(a) || std::isnan(b))
      return Op == RealOp::Maximum ? T(NAN) : (std::isnan(a) ? b : a);
    return a == b ? (std::signbit(a) ? b : a) : (a > b ? a : b);
  case RealOp::CopySign:
    return std::copysign(a, b);
  case RealOp::Power:
    return std::pow(a, b);
  default:
    return a;
  }
}

/// Signs are bits: negating must keep a NaN's payload and work on any kind.
template <RealOp Op, Kind K> Step runReal(Warp &w, const Inst &i) {
  using R = Real<K>;
  using T = typename R::Type;
  bool ftz = i.flags & kFlush, relu = i.flags & kRelu;
  auto in = [ftz](uint64_t bits) {
    T value = R::load(bits);
    return ftz ? flush(value) : value;
  };
  auto out = [ftz, relu](T value) {
    if (relu && !(value > T(0)) && !std::isnan(value))
      value = T(0);
    return R::store(ftz ? flush(value) : value);
  };
  if constexpr (Op < RealOp::Add) {
    return unary(w, i, [&](uint64_t a) { return out(one<Op, T>(in(a))); });
  } else if constexpr (Op == RealOp::Fma) {
    using Wide = std::conditional_t<std::is_same_v<T, double> || K == Kind::F32,
                                    T, double>; // halves: rounded once
    return ternary(w, i, [&](uint64_t a, uint64_t b, uint64_t c) {
      return out(T(std::fma(Wide(in(a)), Wide(in(b)), Wide(in(c)))));
    });
  } else {
    return binary(w, i, [&](uint64_t a, uint64_t b) {
      return out(two<Op, T>(in(a), in(b)));
    });
  }
}

template <RealOp Op> Handler pick(Kind kind) {
  return dispatchReal(kind, []<Kind K>() -> Handler { return runReal<Op, K>; });
}
} // namespace

Handler attn::sim::realFunction(RealOp op, Kind kind) {
  switch (op) {
#define CASE(OP)                                                               \
  case RealOp::OP:                                                             \
    return pick<RealOp::OP>(kind);
    CASE(Neg)
    CASE(Abs)
    CASE(Sqrt)
    CASE(Rsqrt)
    CASE(Reciprocal)
    CASE(Exp)
    CASE(Exp2)
    CASE(Exp10)
    CASE(Log)
    CASE(Log2)
    CASE(Log10)
    CASE(Sin)
    CASE(Cos)
    CASE(Tanh)
    CASE(Erf)
    CASE(Floor)
    CASE(Ceil)
    CASE(Truncate)
    CASE(Round)
    CASE(RoundEven)
    CASE(Saturate)
    CASE(Canonical)
    CASE(Add)
    CASE(Sub)
    CASE(Mul)
    CASE(Div)
    CASE(Rem)
    CASE(MinNumber)
    CASE(MaxNumber)
    CASE(Minimum)
    CASE(Maximum)
    CASE(CopySign)
    CASE(Power)
    CASE(Fma)
#undef CASE
  }
  return nullptr;
}

Handler attn::sim::reduceReals(RealOp op, Kind kind) {
  auto make = [kind]<RealOp Op>() {
    return dispatchReal(kind, []<Kind K>() -> Handler {
      return [](Warp &w, const Inst &i) {
        using R = Real<K>;
        const Cell &start = w.operand(i.b);
        Cell &d = w.cells[i.dst];
        forLanes(w.active, [&](unsigned l) {
          auto value = R::load(start.lane[l]);
          for (unsigned k = 0; k < i.imm; ++k)
            value = R::load(R::store(two<Op, typename R::Type>(
                value, R::load(w.operand(i.a + k).lane[l]))));
          d.lane[l] = R::store(value);
        });
        return Step::Next;
      };
    });
  };
  switch (op) {
  case RealOp::Add:
    return make.template operator()<RealOp::Add>();
  case RealOp::Mul:
    return make.template operator()<RealOp::Mul>();
  case RealOp::MinNumber:
    return make.template operator()<RealOp::MinNumber>();
  case RealOp::MaxNumber:
    return make.template operator()<RealOp::MaxNumber>();
  case RealOp::Minimum:
    return make.template operator()<RealOp::Minimum>();
  case RealOp::Maximum:
    return make.template operator()<RealOp::Maximum>();
  default:
    return nullptr;
  }
}
