//===- Footprint.cpp - which global memory a launch touches ---------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A bit a sector of every allocation that is touched.
//
//===----------------------------------------------------------------------===//

#include "Footprint.h"

#include <algorithm>
#include <bit>

using namespace attn::sim;

static constexpr uint64_t kSector = 32;

Footprint::Range *Footprint::find(uint64_t address, bool isStore) {
  Range *&cached = last[isStore];
  if (cached && address - cached->base < cached->bytes)
    return cached;
  for (const DeviceMemory *memory : memories) {
    auto [base, bytes] = memory->rangeOf(address);
    if (!bytes)
      continue;
    Range &range = ranges[{base, isStore}];
    if (range.bits.empty()) {
      range.base = base;
      range.bytes = bytes;
      range.bits.assign((bytes + kSector - 1) / kSector / 64 + 1, 0);
    }
    return cached = &range;
  }
  return nullptr;
}

void Footprint::add(uint64_t address, uint64_t bytes, bool isStore) {
  Range *range = memories.empty() || !bytes ? nullptr : find(address, isStore);
  if (!range)
    return;
  uint64_t first = (address - range->base) / kSector,
           end = (address - range->base + bytes - 1) / kSector;
  for (uint64_t sector = first; sector <= end; ++sector) {
    uint64_t &word = range->bits[sector / 64];
    if (!word)
      range->words.push_back(sector / 64);
    word |= uint64_t(1) << sector % 64;
  }
}

void Footprint::endBlock() {
  for (auto &[key, range] : ranges) {
    for (uint64_t word : range.words) {
      range.sectors += uint64_t(std::popcount(range.bits[word]));
      range.bits[word] = 0;
    }
    range.words.clear();
  }
}

void Footprint::finish(Counts &counts, uint64_t executed, uint64_t all) const {
  for (const auto &[key, range] : ranges) {
    auto sectors = uint64_t((unsigned __int128)range.sectors * all / executed);
    counts.blockSectors += sectors;
    counts.deviceSectors +=
        std::min(sectors, (range.bytes + kSector - 1) / kSector);
  }
}
