//===- CounterRandom.h - random numbers by their index ----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Draws that depend on their key and index alone, not on what was drawn before:
// the same in any order, tiling and number of threads, and replayable.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_DIALECT_ATTN_IR_COUNTERRANDOM_H
#define ATTN_DIALECT_ATTN_IR_COUNTERRANDOM_H

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace mlir::attn {

/// What a family of draws is for.
struct RandomKey {
  uint64_t seed = 0;
  uint32_t layer = 0, head = 0, purpose = 0;
};

/// Philox 4x32 with ten rounds (Salmon et al. 2011): 128 random bits of a
/// 128-bit counter and a 64-bit key.
inline std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter,
                                      std::array<uint32_t, 2> key) {
  constexpr uint64_t kFirst = 0xD2511F53, kSecond = 0xCD9E8D57;
  for (int round = 0; round < 10; ++round) {
    uint64_t a = kFirst * counter[0], b = kSecond * counter[2];
    counter = {uint32_t(b >> 32) ^ counter[1] ^ key[0], uint32_t(b),
               uint32_t(a >> 32) ^ counter[3] ^ key[1], uint32_t(a)};
    key = {key[0] + 0x9E3779B9, key[1] + 0xBB67AE85};
  }
  return counter;
}

/// One draw of N(0, 1) at (row, column), by Box and Muller's transform. The
/// purpose has 8 bits, the layer 12, the head 12.
inline double gaussianAt(const RandomKey &key, uint32_t row, uint32_t column) {
  uint32_t family =
      key.purpose << 24 | (key.layer & 0xFFF) << 12 | (key.head & 0xFFF);
  std::array<uint32_t, 4> bits =
      philox({column, row, family, key.layer >> 12 << 16 | key.head >> 12},
             {uint32_t(key.seed), uint32_t(key.seed >> 32)});
  // In (0, 1], so that the logarithm is finite, and [0, 1).
  double radius = (bits[0] + 1.0) * 0x1p-32;
  double angle = (bits[1] + bits[2] * 0x1p-32) * 0x1p-32;
  return std::sqrt(-2 * std::log(radius)) *
         std::cos(2 * std::numbers::pi * angle);
}

} // namespace mlir::attn

#endif // ATTN_DIALECT_ATTN_IR_COUNTERRANDOM_H
