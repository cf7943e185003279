//===- Barriers.h - barriers and copies under way ---------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What threads of a block wait for: barriers, mbarriers, asynchronous copies.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_SIMULATOR_BARRIERS_H
#define ATTN_LIB_SIMULATOR_BARRIERS_H

#include "SharedMemory.h"

#include <array>
#include <vector>

namespace attn::sim {

/// One cp.async of one lane that was not waited for.
struct PendingCopy {
  uint64_t shared;
  uint32_t group;
  uint8_t bytes;
  std::array<uint8_t, 16> data;
};

struct AsyncLane {
  std::vector<PendingCopy> pending;
  uint32_t committed = 0; // groups so far; also the number of the open one
};

/// A barrier of the block under way (barrier.cta, ids 0 to 15).
struct NamedBarrier {
  uint32_t arrived = 0, expected = 0; // threads; expected 0: the whole block
  Clock clock;
};

/// What completes an mbarrier's phase later: bytes that arrive in shared memory
/// and the arrivals that come with them.
struct Deferred {
  uint64_t shared = 0;
  std::vector<uint8_t> data;
  uint32_t arrivals = 0;
  bool counted = false; // its bytes are among those that are expected
};

/// An mbarrier object and its phase under way.
struct MBarrier {
  int64_t expected = 0, pending = 0; // arrivals
  int64_t bytes = 0;                 // expected, not arrived
  uint64_t phase = 0;
  Clock clock, completed; // of arrivals; of the phases that are over
  std::vector<Deferred> deferred;
  // Who initialised it, and whether a fence.mbarrier_init came after.
  uint32_t initWarp = 0, initClock = 0;
  bool isInitFenced = false;
};

} // namespace attn::sim

#endif // ATTN_LIB_SIMULATOR_BARRIERS_H
