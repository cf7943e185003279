// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random data that is the same on every machine, whatever its C++ library: a
// hash of the position, so that arrays can be extended without changing.

#include "Inputs.h"

#include <algorithm>

namespace attn::run {

/// The finaliser of splitmix64: every input bit reaches every output bit.
static uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

/// The sum of four uniform numbers, scaled to variance 1: near enough to a
/// normal distribution for scores and weights, and quick.
static double normal(uint64_t bits) {
  int64_t sum = int64_t(bits & 0xffff) + int64_t(bits >> 16 & 0xffff) +
                int64_t(bits >> 32 & 0xffff) + int64_t(bits >> 48);
  constexpr double mean = 2 * 65535.0, deviation = 65536 / 1.7320508075688772;
  return (double(sum) - mean) / deviation;
}

void fillRandom(Array &array, uint64_t seed, uint64_t stream, int64_t limit) {
  DLDataType type = array.type();
  bool isFloat = type.code == kDLFloat || type.code == kDLBfloat;
  int64_t largest =
      type.bits == 64 ? int64_t(1) << 53 : (int64_t(1) << (type.bits - 1)) - 1;
  limit = type.code == kDLBool ? 2 : std::clamp<int64_t>(limit, 1, largest);
  uint64_t key = mix(mix(seed + 0x9e3779b97f4a7c15ull) + stream);
  void *data = array.bytes().data();
  for (int64_t i = 0, count = array.count(); i < count; ++i) {
    uint64_t bits = mix(key + uint64_t(i) * 0x9e3779b97f4a7c15ull);
    double value = isFloat ? normal(bits) : double(bits % uint64_t(limit));
    writeElement(type, data, i, value);
  }
}

} // namespace attn::run
