//===- Memory.h - addresses, checks and traffic -----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What every instruction that touches memory needs: where an address of a lane
// points, and what the accesses of a warp cost.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_SIMULATOR_MEMORY_H
#define ATTN_LIB_SIMULATOR_MEMORY_H

#include "Machine.h"

namespace attn::sim {

enum class Space : uint8_t { Global, Shared, Local };

/// Where bytes are: `address` is relative to its space.
struct Place {
  uint8_t *host = nullptr;
  uint64_t address = 0;
  Space space = Space::Global;
};

/// The space that an address of LLVM address space `space` is in; `address`
/// becomes relative to it.
Space spaceOf(uint8_t space, uint64_t &address);

/// The place of `bytes` bytes, or nothing after reporting why not.
std::optional<Place> locate(Warp &warp, const Inst &inst, unsigned lane,
                            uint8_t space, uint64_t address, uint64_t bytes,
                            uint64_t alignment);

/// An mbarrier, checked as an atomic access: its initialisation must be
/// visible. Null after reporting why there is none.
MBarrier *findBarrier(Warp &warp, const Inst &inst, unsigned lane,
                      uint8_t space, uint64_t address);

Step report(Warp &warp, const Inst &inst, unsigned lane, SharedFault fault);
Accessor accessor(const Warp &warp, unsigned lane);

/// The addresses of one warp access, by space.
struct Traffic {
  uint64_t address[kLanes];
  Mask shared = 0, global = 0, local = 0;

  void add(unsigned lane, const Place &place);
};

/// Counts an access of `total` bytes a lane.
void countAccess(Warp &warp, const Traffic &traffic, uint64_t total,
                 uint64_t alignment, bool isStore);

/// One request of `width` bytes (at most 16) a lane at address + offset.
void countShared(AccessCounts &counts, const uint64_t *address, Mask mask,
                 uint64_t offset, uint64_t width);
void countGlobal(AccessCounts &counts, const uint64_t *address, Mask mask,
                 uint64_t offset, uint64_t width);
/// Wavefronts of rows of 16 bytes, eight lanes at a time (ldmatrix).
void countRows(AccessCounts &counts, const uint64_t *address, unsigned rows);

} // namespace attn::sim

#endif // ATTN_LIB_SIMULATOR_MEMORY_H
