//===- Traffic.cpp - bank conflicts and sectors ---------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shared memory has 32 banks of 4 bytes; accesses of 8 and 16 bytes go by half
// and quarter warps. Global memory moves sectors of 32 bytes.
//
//===----------------------------------------------------------------------===//

#include "Memory.h"

#include <algorithm>

using namespace attn::sim;

/// Wavefronts of the lanes of one phase: the most different words that any bank
/// is asked for. Equal words are broadcast.
static uint64_t wavefronts(const uint64_t *address, Mask mask, uint64_t offset,
                           uint64_t width) {
  uint64_t words[kLanes * 4];
  unsigned count = 0;
  for (Mask rest = mask; rest; rest &= rest - 1) {
    uint64_t first = address[std::countr_zero(rest)] + offset;
    for (uint64_t word = first / 4; word <= (first + width - 1) / 4; ++word)
      words[count++] = word;
  }
  std::sort(words, words + count);
  count = unsigned(std::unique(words, words + count) - words);
  uint8_t banks[kLanes] = {}, most = 0;
  for (unsigned k = 0; k < count; ++k)
    most = std::max(most, ++banks[words[k] % kLanes]);
  return most;
}

static void addPhase(AccessCounts &counts, const uint64_t *address, Mask mask,
                     uint64_t offset, uint64_t width) {
  if (!mask)
    return;
  counts.units += wavefronts(address, mask, offset, width);
  counts.ideal += 1;
  counts.bytes += uint64_t(std::popcount(mask)) * width;
}

void attn::sim::countShared(AccessCounts &counts, const uint64_t *address,
                            Mask mask, uint64_t offset, uint64_t width) {
  counts.requests += 1;
  unsigned phases = width > 8 ? 4 : width > 4 ? 2 : 1;
  unsigned lanes = kLanes / phases;
  Mask all = lanes == kLanes ? ~Mask(0) : (Mask(1) << lanes) - 1;
  for (unsigned p = 0; p < phases; ++p)
    addPhase(counts, address, mask & all << (p * lanes), offset, width);
}

void attn::sim::countRows(AccessCounts &counts, const uint64_t *address,
                          unsigned rows) {
  counts.requests += 1;
  for (unsigned first = 0; first < rows; first += 8)
    addPhase(counts, address, Mask(0xff) << first, 0, 16);
}

void attn::sim::countGlobal(AccessCounts &counts, const uint64_t *address,
                            Mask mask, uint64_t offset, uint64_t width) {
  uint64_t starts[kLanes];
  unsigned lanes = 0;
  for (Mask rest = mask; rest; rest &= rest - 1)
    starts[lanes++] = address[std::countr_zero(rest)] + offset;
  if (!lanes)
    return;
  std::sort(starts, starts + lanes);
  uint64_t sectors = 0, distinct = 0, lastSector = 0, end = 0;
  for (unsigned k = 0; k < lanes; ++k) {
    uint64_t first = starts[k] / 32, last = (starts[k] + width - 1) / 32;
    if (!k || first > lastSector)
      sectors += last - first + 1;
    else if (last > lastSector)
      sectors += last - lastSector;
    lastSector = std::max(lastSector, last);
    uint64_t from = k ? std::max(end, starts[k]) : starts[k];
    if (starts[k] + width > from)
      distinct += starts[k] + width - from;
    end = std::max(end, starts[k] + width);
  }
  counts.requests += 1;
  counts.bytes += lanes * width;
  counts.units += sectors;
  counts.ideal += (distinct + 31) / 32;
}
