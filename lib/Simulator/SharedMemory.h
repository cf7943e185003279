//===- SharedMemory.h - a block's memory and who touched it -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shared memory with, for every byte, its last writer and readers and when they
// acted: what finds races, reads of nothing and reads of copies under way.
//
// Order is happens-before by vector clocks, one entry a warp: an entry grows at
// each synchronisation of its warp and travels with barriers. A warp's clock
// has a second half: what was known at the last fence of the asynchronous proxy
// on the way. Two accesses by
// different threads, one a write, race when no chain of barriers orders them.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_SIMULATOR_SHAREDMEMORY_H
#define ATTN_LIB_SIMULATOR_SHAREDMEMORY_H

#include "attn/Simulator/Fault.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace attn::sim {

using Clock = std::vector<uint32_t>;

/// `into` also knows what `from` knows.
void merge(Clock &into, const Clock &from);

/// Who accesses shared memory, and what it knows of others.
struct Accessor {
  unsigned thread = 0;
  const Clock *clock = nullptr;
  uint32_t stamp = 0;   // equal for the lanes of one instruction
  bool byProxy = false; // by the asynchronous proxy: what other instructions
                        // wrote must have been fenced
};

struct SharedFault {
  FaultKind kind;
  std::string text;
};

class SharedMemory {
public:
  void reset(uint64_t bytes, bool races, bool uninitialized);

  uint64_t size() const { return bytes.size(); }
  uint8_t *data(uint64_t at) { return bytes.data() + at; }
  bool contains(uint64_t at, uint64_t count) const {
    return at <= bytes.size() && count <= bytes.size() - at;
  }

  // Ranges are inside. A write is noted before the bytes change, so that equal
  // bytes written by several lanes of one instruction are told from races;
  // `from` may be null where nothing else writes by this instruction.
  using Result = std::optional<SharedFault>;
  Result noteRead(const Accessor &who, uint64_t at, uint64_t count);
  Result noteWrite(const Accessor &who, uint64_t at, const uint8_t *from,
                   uint64_t count);
  Result noteAtomic(const Accessor &who, uint64_t at, uint64_t count);
  /// An asynchronous copy starts: it is a write, and nobody may touch the bytes
  /// before `endCopy`, a write too.
  Result beginCopy(const Accessor &who, uint64_t at, uint64_t count);
  void endCopy(const Accessor &who, uint64_t at, const uint8_t *from,
               uint64_t count, bool byProxy = false);

private:
  static constexpr uint16_t kNobody = 0xffff;
  enum : uint8_t {
    Written = 1,
    Pending = 2,
    Async = 4,
    Atomic = 8,
    Proxy = 16
  };
  struct Byte {
    uint32_t writeClock = 0, stamp = 0, readClock[2] = {0, 0};
    uint16_t writer = kNobody, reader[2] = {kNobody, kNobody};
    uint8_t flags = 0;
  };

  static bool fenced(const Accessor &who, const Byte &byte);
  static bool ordered(const Accessor &who, unsigned thread, uint32_t clock);
  Result check(const Accessor &who, Byte &byte, uint64_t at, bool write,
               bool sameValue, bool atomic);
  void stampWrite(const Accessor &who, Byte &byte, uint8_t flags);

  std::vector<uint8_t> bytes;
  std::vector<Byte> state;
  bool races = true, uninitialized = true;
};

} // namespace attn::sim

#endif // ATTN_LIB_SIMULATOR_SHAREDMEMORY_H
