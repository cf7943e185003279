//===- Footprint.h - which global memory a launch touches -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Different sectors of 32 bytes, by block and by allocation. What a block reads
// twice comes from its first-level cache the second time, what several blocks
// read comes from the second-level cache.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_SIMULATOR_FOOTPRINT_H
#define ATTN_LIB_SIMULATOR_FOOTPRINT_H

#include "attn/Simulator/Counts.h"
#include "attn/Simulator/DeviceMemory.h"

#include <map>
#include <vector>

namespace attn::sim {

class Footprint {
public:
  /// Forgets everything; without memories nothing is counted.
  void reset(std::vector<const DeviceMemory *> all) {
    memories = std::move(all);
    ranges.clear();
    last[0] = last[1] = nullptr;
  }

  void add(uint64_t address, uint64_t bytes, bool isStore);
  void endBlock();
  /// `executed` of `all` blocks have been seen.
  void finish(Counts &counts, uint64_t executed, uint64_t all) const;

private:
  struct Range {
    uint64_t base = 0, bytes = 0;
    std::vector<uint64_t> bits;  ///< of this block's sectors
    std::vector<uint64_t> words; ///< of `bits` that are not zero
    uint64_t sectors = 0;        ///< of all blocks
  };
  Range *find(uint64_t address, bool isStore);

  std::vector<const DeviceMemory *> memories;
  std::map<std::pair<uint64_t, bool>, Range> ranges; ///< by base and direction
  Range *last[2] = {nullptr, nullptr};
};

} // namespace attn::sim

#endif // ATTN_LIB_SIMULATOR_FOOTPRINT_H
