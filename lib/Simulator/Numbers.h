//===- Numbers.h - scalars of the device on the host ------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Half formats, integers of any width and float kinds as the interpreter
// computes with them: f16 and bf16 in f32, rounded to nearest even.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_SIMULATOR_NUMBERS_H
#define ATTN_LIB_SIMULATOR_NUMBERS_H

#include "Program.h"

#include <bit>
#include <cmath>
#include <cstdint>

namespace attn::sim {

inline float halfToFloat(uint16_t half) {
  uint32_t sign = uint32_t(half & 0x8000) << 16;
  uint32_t exponent = (half >> 10) & 31, mantissa = half & 0x3ff;
  if (exponent == 31)
    return std::bit_cast<float>(sign | 0x7f800000 | mantissa << 13);
  if (exponent)
    return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  float tiny = float(mantissa) * 0x1p-24f;
  return sign ? -tiny : tiny;
}

inline uint16_t floatToHalf(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint16_t sign = uint16_t(bits >> 16 & 0x8000);
  bits &= 0x7fffffff;
  if (bits > 0x7f800000)
    return sign | 0x7fff; // the NaN that PTX produces
  if (bits >= 0x477ff000) // 65520 and more round to infinity
    return sign | 0x7c00;
  if (bits < 0x38800000) { // below the normal halves: add so that bits align
    float magic = std::bit_cast<float>(bits) + 0.5f;
    return sign | uint16_t(std::bit_cast<uint32_t>(magic) - 0x3f000000);
  }
  uint32_t rounded = bits - 0x38000000 + 0xfff + (bits >> 13 & 1);
  return sign | uint16_t(rounded >> 13);
}

inline float bfloatToFloat(uint16_t bits) {
  return std::bit_cast<float>(uint32_t(bits) << 16);
}

inline uint16_t floatToBfloat(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return 0x7fff;
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline uint64_t widthMask(unsigned bits) {
  return bits >= 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1;
}

inline int64_t signExtend(uint64_t value, unsigned bits) {
  unsigned shift = 64 - bits;
  return int64_t(value << shift) >> shift;
}

/// How the cells of a float kind are computed with.
template <Kind K> struct Real;
template <> struct Real<Kind::F32> {
  using Type = float;
  static float load(uint64_t bits) {
    return std::bit_cast<float>(uint32_t(bits));
  }
  static uint64_t store(float value) { return std::bit_cast<uint32_t>(value); }
};
template <> struct Real<Kind::F64> {
  using Type = double;
  static double load(uint64_t bits) { return std::bit_cast<double>(bits); }
  static uint64_t store(double value) { return std::bit_cast<uint64_t>(value); }
};
template <> struct Real<Kind::F16> {
  using Type = float;
  static float load(uint64_t bits) { return halfToFloat(uint16_t(bits)); }
  static uint64_t store(float value) { return floatToHalf(value); }
};
template <> struct Real<Kind::BF16> {
  using Type = float;
  static float load(uint64_t bits) { return bfloatToFloat(uint16_t(bits)); }
  static uint64_t store(float value) { return floatToBfloat(value); }
};

inline float loadF32(uint64_t bits) { return Real<Kind::F32>::load(bits); }
inline uint64_t storeF32(float value) { return Real<Kind::F32>::store(value); }

/// A lambda's value for the one of the float kinds that `kind` is.
template <typename F> auto dispatchReal(Kind kind, F function) {
  switch (kind) {
  case Kind::F16:
    return function.template operator()<Kind::F16>();
  case Kind::BF16:
    return function.template operator()<Kind::BF16>();
  case Kind::F64:
    return function.template operator()<Kind::F64>();
  default:
    return function.template operator()<Kind::F32>();
  }
}

} // namespace attn::sim

#endif // ATTN_LIB_SIMULATOR_NUMBERS_H
