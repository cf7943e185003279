//===- ConvertOps.cpp - between kinds of scalars --------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Comparisons, conversions and rearrangements of elements.
//
//===----------------------------------------------------------------------===//

#include "Elementwise.h"
#include "Handlers.h"
#include "Numbers.h"

#include "llvm/ADT/FloatingPointMode.h"
#include "llvm/IR/Instruction.h"

using namespace attn::sim;

Handler attn::sim::realCompare(Kind kind) {
  return dispatchReal(kind, []<Kind K>() -> Handler {
    return [](Warp &w, const Inst &i) {
      // The predicate's bits: equal, greater, less, unordered.
      uint64_t predicate = i.imm;
      return binary(w, i, [=](uint64_t a, uint64_t b) -> uint64_t {
        auto x = Real<K>::load(a), y = Real<K>::load(b);
        unsigned bit = x == y ? 0 : x > y ? 1 : x < y ? 2 : 3;
        return predicate >> bit & 1;
      });
    };
  });
}

Handler attn::sim::realCast(Kind from, Kind to) {
  return dispatchReal(from, [to]<Kind From>() {
    return dispatchReal(to, []<Kind To>() -> Handler {
      return [](Warp &w, const Inst &i) {
        bool relu = i.flags & kRelu;
        return unary(w, i, [=](uint64_t a) {
          using T = typename Real<To>::Type;
          T value = T(Real<From>::load(a));
          return Real<To>::store(relu && value <= T(0) ? T(0) : value);
        });
      };
    });
  });
}

template <typename T>
static uint64_t toInteger(T value, unsigned bits, bool isSigned,
                          unsigned rounding) {
  if (std::isnan(value))
    return 0;
  double exact = double(value);
  double whole = rounding == 0   ? std::trunc(exact)
                 : rounding == 1 ? std::nearbyint(exact)
                 : rounding == 2 ? std::floor(exact)
                                 : std::ceil(exact);
  double high = std::ldexp(1.0, int(bits - isSigned));
  if (whole >= high)
    return widthMask(bits - isSigned);
  if (!isSigned)
    return whole <= 0 ? 0 : uint64_t(whole);
  if (whole < -high)
    whole = -high;
  return uint64_t(int64_t(whole)) & widthMask(bits);
}

Handler attn::sim::realToInteger(Kind from, bool isSigned) {
  return dispatchReal(from, [isSigned]<Kind K>() -> Handler {
    if (isSigned)
      return [](Warp &w, const Inst &i) {
        return unary(w, i, [&](uint64_t a) {
          return toInteger(Real<K>::load(a), i.bits, true, unsigned(i.imm));
        });
      };
    return [](Warp &w, const Inst &i) {
      return unary(w, i, [&](uint64_t a) {
        return toInteger(Real<K>::load(a), i.bits, false, unsigned(i.imm));
      });
    };
  });
}

Handler attn::sim::integerToReal(Kind to, bool isSigned) {
  return dispatchReal(to, [isSigned]<Kind K>() -> Handler {
    using T = typename Real<K>::Type;
    if (isSigned)
      return [](Warp &w, const Inst &i) {
        unsigned from = i.from;
        return unary(w, i, [=](uint64_t a) {
          return Real<K>::store(T(signExtend(a, from)));
        });
      };
    return [](Warp &w, const Inst &i) {
      return unary(w, i, [](uint64_t a) { return Real<K>::store(T(a)); });
    };
  });
}

template <typename T>
static unsigned classOf(T value, bool subnormal, bool quiet) {
  bool negative = std::signbit(value);
  if (std::isnan(value))
    return quiet ? llvm::fcQNan : llvm::fcSNan;
  if (std::isinf(value))
    return negative ? llvm::fcNegInf : llvm::fcPosInf;
  if (value == 0)
    return negative ? llvm::fcNegZero : llvm::fcPosZero;
  if (subnormal)
    return negative ? llvm::fcNegSubnormal : llvm::fcPosSubnormal;
  return negative ? llvm::fcNegNormal : llvm::fcPosNormal;
}

Handler attn::sim::isClass(Kind kind) {
  return dispatchReal(kind, []<Kind K>() -> Handler {
    return [](Warp &w, const Inst &i) {
      constexpr unsigned kMantissa = K == Kind::F16    ? 10
                                     : K == Kind::BF16 ? 7
                                     : K == Kind::F64  ? 52
                                                       : 23;
      constexpr unsigned kBits = K == Kind::F64 ? 64 : K == Kind::F32 ? 32 : 16;
      uint64_t exponents = widthMask(kBits - 1) & ~widthMask(kMantissa),
               wanted = i.imm;
      return unary(w, i, [=](uint64_t a) -> uint64_t {
        bool subnormal = !(a & exponents);
        bool quiet = a >> (kMantissa - 1) & 1;
        return (classOf(Real<K>::load(a), subnormal, quiet) & wanted) != 0;
      });
    };
  });
}

Step attn::sim::roundToTf32(Warp &w, const Inst &i) {
  bool away = i.imm;
  return unary(w, i, [away](uint64_t a) -> uint64_t {
    uint32_t bits = uint32_t(a);
    if ((bits & 0x7f800000) == 0x7f800000)
      return bits & ~uint32_t(0x1fff);
    bits += away ? 0x1000 : 0xfff + (bits >> 13 & 1);
    return bits & ~uint32_t(0x1fff);
  });
}

Step attn::sim::copy(Warp &w, const Inst &i) {
  return unary(w, i, [](uint64_t a) { return a; });
}

Step attn::sim::select(Warp &w, const Inst &i) {
  for (unsigned k = 0; k < i.count; ++k) {
    const Cell &a = w.operand(i.a + k), &b = w.operand(i.b + k);
    const Cell &c = w.operand(i.c + (i.flags ? k : 0));
    Cell &d = w.cells[i.dst + k];
    forLanes(w.active, [&](unsigned l) {
      d.lane[l] = c.lane[l] & 1 ? a.lane[l] : b.lane[l];
    });
  }
  return Step::Next;
}

Step attn::sim::bitcast(Warp &w, const Inst &i) {
  unsigned from = i.from, to = i.bits;
  if (to >= from) { // parts become one
    unsigned parts = to / from;
    for (unsigned k = 0; k < i.count; ++k)
      forLanes(w.active, [&](unsigned l) {
        uint64_t value = 0;
        for (unsigned p = 0; p < parts; ++p)
          value |= w.operand(i.a + k * parts + p).lane[l] << (p * from);
        w.cells[i.dst + k].lane[l] = value;
      });
    return Step::Next;
  }
  unsigned parts = from / to;
  uint64_t mask = widthMask(to);
  for (unsigned k = 0; k < i.count; ++k) {
    const Cell &a = w.operand(i.a + k / parts);
    Cell &d = w.cells[i.dst + k];
    unsigned shift = k % parts * to;
    forLanes(w.active,
             [&](unsigned l) { d.lane[l] = a.lane[l] >> shift & mask; });
  }
  return Step::Next;
}

Step attn::sim::extractElement(Warp &w, const Inst &i) {
  const Cell &index = w.operand(i.b);
  forLanes(w.active, [&](unsigned l) {
    uint64_t at = std::min<uint64_t>(index.lane[l], i.imm - 1);
    w.cells[i.dst].lane[l] = w.operand(i.a + uint32_t(at)).lane[l];
  });
  return Step::Next;
}

Step attn::sim::insertElement(Warp &w, const Inst &i) {
  const Cell &value = w.operand(i.b), &index = w.operand(i.c);
  for (unsigned k = 0; k < i.count; ++k) {
    const Cell &a = w.operand(i.a + k);
    Cell &d = w.cells[i.dst + k];
    forLanes(w.active, [&](unsigned l) {
      d.lane[l] = index.lane[l] == k ? value.lane[l] : a.lane[l];
    });
  }
  return Step::Next;
}

template <typename F> static Step reduce(Warp &w, const Inst &i, F f) {
  forLanes(w.active, [&](unsigned l) {
    uint64_t value = w.operand(i.a).lane[l];
    for (unsigned k = 1; k < i.imm; ++k)
      value = f(value, w.operand(i.a + k).lane[l]);
    w.cells[i.dst].lane[l] = value & widthMask(i.bits);
  });
  return Step::Next;
}

Handler attn::sim::reduceIntegers(unsigned opcode) {
  switch (opcode) {
  case llvm::Instruction::Add:
    return [](Warp &w, const Inst &i) {
      return reduce(w, i, [](uint64_t a, uint64_t b) { return a + b; });
    };
  case llvm::Instruction::Mul:
    return [](Warp &w, const Inst &i) {
      return reduce(w, i, [](uint64_t a, uint64_t b) { return a * b; });
    };
  case llvm::Instruction::And:
    return [](Warp &w, const Inst &i) {
      return reduce(w, i, [](uint64_t a, uint64_t b) { return a & b; });
    };
  case llvm::Instruction::Or:
    return [](Warp &w, const Inst &i) {
      return reduce(w, i, [](uint64_t a, uint64_t b) { return a | b; });
    };
  case llvm::Instruction::Xor:
    return [](Warp &w, const Inst &i) {
      return reduce(w, i, [](uint64_t a, uint64_t b) { return a ^ b; });
    };
  }
  return nullptr;
}
