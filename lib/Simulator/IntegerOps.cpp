//===- IntegerOps.cpp - integer arithmetic of all lanes -------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Integers are kept zero-extended. What LLVM leaves undefined (a division by
// zero, a shift too far) gets a value instead of trapping on the host.
//
//===----------------------------------------------------------------------===//

#include "Elementwise.h"
#include "Handlers.h"
#include "Numbers.h"

#include "llvm/IR/InstrTypes.h"
#include "llvm/IR/Instruction.h"

using namespace attn::sim;
using llvm::CmpInst;
using llvm::Instruction;

namespace {
template <unsigned Opcode>
uint64_t compute(uint64_t a, uint64_t b, unsigned bits) {
  uint64_t mask = widthMask(bits);
  int64_t x = signExtend(a, bits), y = signExtend(b, bits);
  switch (Opcode) {
  case Instruction::Add:
    return (a + b) & mask;
  case Instruction::Sub:
    return (a - b) & mask;
  case Instruction::Mul:
    return (a * b) & mask;
  case Instruction::UDiv:
    return b ? a / b : mask;
  case Instruction::URem:
    return b ? a % b : a;
  case Instruction::SDiv: // -1 first: the least number has no negative
    return y == 0 ? mask : (y == -1 ? (0 - a) & mask : uint64_t(x / y) & mask);
  case Instruction::SRem:
    return y == 0 ? a : (y == -1 ? 0 : uint64_t(x % y) & mask);
  case Instruction::Shl:
    return b < bits ? (a << b) & mask : 0;
  case Instruction::LShr:
    return b < bits ? a >> b : 0;
  case Instruction::AShr:
    return uint64_t(x >> std::min<uint64_t>(b, bits - 1)) & mask;
  case Instruction::And:
    return a & b;
  case Instruction::Or:
    return a | b;
  case Instruction::Xor:
    return a ^ b;
  }
  return 0;
}

template <unsigned Opcode> Step runBinary(Warp &w, const Inst &i) {
  unsigned bits = i.bits;
  return binary(w, i, [bits](uint64_t a, uint64_t b) {
    return compute<Opcode>(a, b, bits);
  });
}

template <unsigned Predicate> Step runCompare(Warp &w, const Inst &i) {
  unsigned bits = i.bits;
  return binary(w, i, [bits](uint64_t a, uint64_t b) -> uint64_t {
    int64_t x = signExtend(a, bits), y = signExtend(b, bits);
    switch (Predicate) {
    case CmpInst::ICMP_EQ:
      return a == b;
    case CmpInst::ICMP_NE:
      return a != b;
    case CmpInst::ICMP_UGT:
      return a > b;
    case CmpInst::ICMP_UGE:
      return a >= b;
    case CmpInst::ICMP_ULT:
      return a < b;
    case CmpInst::ICMP_ULE:
      return a <= b;
    case CmpInst::ICMP_SGT:
      return x > y;
    case CmpInst::ICMP_SGE:
      return x >= y;
    case CmpInst::ICMP_SLT:
      return x < y;
    case CmpInst::ICMP_SLE:
      return x <= y;
    }
    return 0;
  });
}
} // namespace

Handler attn::sim::integerBinary(unsigned opcode) {
  switch (opcode) {
#define CASE(OP)                                                               \
  case Instruction::OP:                                                        \
    return runBinary<Instruction::OP>;
    CASE(Add)
    CASE(Sub)
    CASE(Mul)
    CASE(UDiv)
    CASE(URem)
    CASE(SDiv)
    CASE(SRem)
    CASE(Shl)
    CASE(LShr)
    CASE(AShr)
    CASE(And)
    CASE(Or)
    CASE(Xor)
#undef CASE
  }
  return nullptr;
}

Handler attn::sim::integerCompare(unsigned predicate) {
  switch (predicate) {
#define CASE(P)                                                                \
  case CmpInst::P:                                                             \
    return runCompare<CmpInst::P>;
    CASE(ICMP_EQ)
    CASE(ICMP_NE)
    CASE(ICMP_UGT)
    CASE(ICMP_UGE)
    CASE(ICMP_ULT)
    CASE(ICMP_ULE)
    CASE(ICMP_SGT)
    CASE(ICMP_SGE)
    CASE(ICMP_SLT)
    CASE(ICMP_SLE)
#undef CASE
  }
  return nullptr;
}

Handler attn::sim::integerCast(bool isSigned) {
  if (!isSigned)
    return [](Warp &w, const Inst &i) {
      uint64_t mask = widthMask(i.bits);
      return unary(w, i, [mask](uint64_t a) { return a & mask; });
    };
  return [](Warp &w, const Inst &i) {
    uint64_t mask = widthMask(i.bits);
    unsigned from = i.from;
    return unary(
        w, i, [=](uint64_t a) { return uint64_t(signExtend(a, from)) & mask; });
  };
}

/// prmt.b32 without a mode: each nibble of the selector picks a byte of {b, a};
/// its top bit spreads the byte's sign instead.
static uint64_t permuteBytes(uint64_t a, uint64_t b, uint64_t selector) {
  uint64_t bytes = (a & 0xffffffff) | b << 32, result = 0;
  for (unsigned i = 0; i < 4; ++i) {
    unsigned pick = selector >> (4 * i) & 15;
    uint8_t byte = uint8_t(bytes >> (8 * (pick & 7)));
    if (pick & 8)
      byte = byte & 0x80 ? 0xff : 0;
    result |= uint64_t(byte) << (8 * i);
  }
  return result;
}

static uint64_t highHalf(uint64_t a, uint64_t b, unsigned bits, bool isSigned) {
  __int128 product = isSigned
                         ? __int128(signExtend(a, bits)) * signExtend(b, bits)
                         : __int128((unsigned __int128)a * b);
  return uint64_t(product >> bits) & widthMask(bits);
}

static uint64_t reverseBits(uint64_t a, unsigned bits) {
  uint64_t result = 0;
  for (unsigned i = 0; i < bits; ++i)
    result |= (a >> i & 1) << (bits - 1 - i);
  return result;
}

static uint64_t funnel(uint64_t a, uint64_t b, uint64_t by, unsigned bits,
                       bool left) {
  by %= bits;
  if (!by)
    return left ? a : b;
  uint64_t shift = left ? by : bits - by;
  return (a << shift | b >> (bits - shift)) & widthMask(bits);
}

static uint64_t saturate(__int128 value, unsigned bits, bool isSigned) {
  __int128 one = 1,
           high = isSigned ? (one << (bits - 1)) - 1 : (one << bits) - 1,
           low = isSigned ? -(one << (bits - 1)) : 0;
  return uint64_t(value < low    ? low
                  : value > high ? high
                                 : value) &
         widthMask(bits);
}

static uint64_t apply(IntegerOp op, uint64_t a, uint64_t b, uint64_t c,
                      unsigned bits) {
  uint64_t mask = widthMask(bits);
  int64_t x = signExtend(a, bits), y = signExtend(b, bits);
  switch (op) {
  case IntegerOp::Abs:
    return (x < 0 ? 0 - a : a) & mask;
  case IntegerOp::Min:
    return x < y ? a : b;
  case IntegerOp::Max:
    return x > y ? a : b;
  case IntegerOp::UMin:
    return std::min(a, b);
  case IntegerOp::UMax:
    return std::max(a, b);
  case IntegerOp::PopCount:
    return std::popcount(a);
  case IntegerOp::LeadingZeros:
    return std::countl_zero(a) - (64 - bits);
  case IntegerOp::TrailingZeros:
    return a ? std::countr_zero(a) : bits;
  case IntegerOp::ByteSwap:
    return __builtin_bswap64(a) >> (64 - bits);
  case IntegerOp::BitReverse:
    return reverseBits(a, bits);
  case IntegerOp::FunnelLeft:
  case IntegerOp::FunnelRight:
    return funnel(a, b, c, bits, op == IntegerOp::FunnelLeft);
  case IntegerOp::MulHigh:
  case IntegerOp::UMulHigh:
    return highHalf(a, b, bits, op == IntegerOp::MulHigh);
  case IntegerOp::Permute:
    return permuteBytes(a, b, c);
  case IntegerOp::AddSaturated:
    return saturate(__int128(x) + y, bits, true);
  case IntegerOp::SubSaturated:
    return saturate(__int128(x) - y, bits, true);
  case IntegerOp::UAddSaturated:
    return saturate(__int128(a) + b, bits, false);
  case IntegerOp::USubSaturated:
    return saturate(__int128(a) - b, bits, false);
  case IntegerOp::FindLeading:
    return a ? 63 - std::countl_zero(a) : 0xffffffff;
  }
  return 0;
}

template <IntegerOp Op> static Step runFunction(Warp &w, const Inst &i) {
  unsigned bits = i.bits;
  constexpr bool three = Op == IntegerOp::FunnelLeft ||
                         Op == IntegerOp::FunnelRight ||
                         Op == IntegerOp::Permute;
  constexpr bool one =
      Op == IntegerOp::Abs || Op == IntegerOp::PopCount ||
      Op == IntegerOp::LeadingZeros || Op == IntegerOp::TrailingZeros ||
      Op == IntegerOp::ByteSwap || Op == IntegerOp::BitReverse ||
      Op == IntegerOp::FindLeading;
  if constexpr (three)
    return ternary(w, i, [bits](uint64_t a, uint64_t b, uint64_t c) {
      return apply(Op, a, b, c, bits);
    });
  else if constexpr (one)
    return unary(w, i, [bits](uint64_t a) { return apply(Op, a, 0, 0, bits); });
  else
    return binary(w, i, [bits](uint64_t a, uint64_t b) {
      return apply(Op, a, b, 0, bits);
    });
}

Handler attn::sim::integerFunction(IntegerOp op) {
  switch (op) {
#define CASE(OP)                                                               \
  case IntegerOp::OP:                                                          \
    return runFunction<IntegerOp::OP>;
    CASE(Abs)
    CASE(Min)
    CASE(Max)
    CASE(UMin)
    CASE(UMax)
    CASE(PopCount)
    CASE(LeadingZeros)
    CASE(TrailingZeros)
    CASE(ByteSwap)
    CASE(BitReverse)
    CASE(FunnelLeft)
    CASE(FunnelRight)
    CASE(MulHigh)
    CASE(UMulHigh)
    CASE(Permute)
    CASE(AddSaturated)
    CASE(SubSaturated)
    CASE(UAddSaturated)
    CASE(USubSaturated)
    CASE(FindLeading)
#undef CASE
  }
  return nullptr;
}

Step attn::sim::addScaled(Warp &w, const Inst &i) {
  uint64_t scale = i.imm, mask = widthMask(i.bits);
  unsigned from = i.from;
  uint64_t offset = uint64_t(int64_t(int32_t(i.extra)));
  return binary(w, i, [=](uint64_t a, uint64_t b) {
    return (a + uint64_t(signExtend(b, from)) * scale + offset) & mask;
  });
}

template <unsigned Opcode, bool Signed>
static Step runOverflow(Warp &w, const Inst &i) {
  const Cell &a = w.operand(i.a), &b = w.operand(i.b);
  Cell &value = w.cells[i.dst], &flag = w.cells[i.dst + 1];
  unsigned bits = i.bits;
  forLanes(w.active, [&](unsigned l) {
    uint64_t x = a.lane[l], y = b.lane[l];
    __int128 p = Signed ? __int128(signExtend(x, bits)) : __int128(x);
    __int128 q = Signed ? __int128(signExtend(y, bits)) : __int128(y);
    __int128 exact = Opcode == Instruction::Add   ? p + q
                     : Opcode == Instruction::Sub ? p - q
                                                  : p * q;
    uint64_t result = uint64_t(exact) & widthMask(bits);
    __int128 back =
        Signed ? __int128(signExtend(result, bits)) : __int128(result);
    value.lane[l] = result;
    flag.lane[l] = back != exact;
  });
  return Step::Next;
}

Handler attn::sim::overflow(unsigned opcode, bool isSigned) {
  switch (opcode) {
  case Instruction::Add:
    return isSigned ? runOverflow<Instruction::Add, true>
                    : runOverflow<Instruction::Add, false>;
  case Instruction::Sub:
    return isSigned ? runOverflow<Instruction::Sub, true>
                    : runOverflow<Instruction::Sub, false>;
  case Instruction::Mul:
    return isSigned ? runOverflow<Instruction::Mul, true>
                    : runOverflow<Instruction::Mul, false>;
  }
  return nullptr;
}
