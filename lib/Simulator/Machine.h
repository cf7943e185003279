//===- Machine.h - what runs: warps, a block, a launch ----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The state of the simulated hardware that instruction handlers work on.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_SIMULATOR_MACHINE_H
#define ATTN_LIB_SIMULATOR_MACHINE_H

#include "Barriers.h"
#include "Footprint.h"
#include "Products.h"
#include "Program.h"

#include <array>
#include <map>
#include <optional>
#include <random>

namespace attn::sim {

/// One activation of a function by some lanes of a warp. Lanes of `alive` that
/// are not in `active` wait at the head of block `next`.
struct Frame {
  const Function *function = nullptr;
  std::unique_ptr<Cell[]> cells;
  size_t capacity = 0;
  Mask alive = 0, active = 0;
  std::array<uint32_t, kLanes> next;
  const Inst *pc = nullptr;
  const Inst *call = nullptr; // the caller's instruction
  uint32_t localBase = 0;
};

struct Block;
struct Launch;

struct Warp {
  Block *block = nullptr;
  Launch *launch = nullptr;
  unsigned index = 0;
  Mask alive = 0; // lanes that exist and have not returned from the kernel
  enum { Ready, Waiting, Done } state = Ready;

  // Of the top frame, for speed.
  Cell *cells = nullptr;
  const Cell *constants = nullptr;
  const uint32_t *pool = nullptr;
  const Inst *pc = nullptr;
  Mask active = 0;
  Frame *frame = nullptr;

  std::vector<std::unique_ptr<Frame>> frames; // the first `depth` are in use
  unsigned depth = 0;
  std::array<std::vector<uint8_t>, kLanes> local;
  std::array<AsyncLane, kLanes> async;
  Products products;
  uint32_t registers = 0;  // of a lane, once setmaxnreg has said so
  Clock clock;             // happens-before, one entry a warp of the block
  uint32_t waitingFor = 0; // the named barrier

  const Cell &operand(uint32_t position) const {
    uint32_t at = pool[position];
    return at & kConstant ? constants[at & ~kConstant] : cells[at];
  }
  const Cell &source(uint32_t at) const {
    return at & kConstant ? constants[at & ~kConstant] : cells[at];
  }
  unsigned thread(unsigned lane) const { return index * kLanes + lane; }
  unsigned firstLane() const { return unsigned(std::countr_zero(active)); }

  /// Enters `function` with `mask`; false when the stack is too deep.
  bool push(const Function &function, Mask mask, const Inst *call);
  void pop();
  /// Saves and loads what is cached of the top frame.
  void cache();
  /// Continues with the lanes that are furthest behind.
  Step reschedule();

  /// Records that the launch failed here.
  Step fail(const Inst &inst, FaultKind kind, unsigned lane, std::string text);
};

struct Block {
  Launch *launch = nullptr;
  Dim3 id{0, 0, 0};
  unsigned threads = 0;
  std::vector<Warp> warps;
  SharedMemory shared;
  std::array<NamedBarrier, 16> barriers;
  std::map<uint64_t, MBarrier> mbarriers; // by shared address
  uint32_t failedWaits = 0; // since anything arrived at an mbarrier
  /// The copy engine acts like a thread of a warp after the last.
  unsigned engineThread() const { return unsigned(warps.size()) * kLanes; }
  uint32_t engineClock = 0;

  Dim3 coordinates(unsigned thread) const;
  /// Lets the warps that wait for a complete barrier go on.
  void release(unsigned id);
  /// Releases barriers that an exit of threads completed.
  void releaseAfterExit();
};

struct Launch {
  const Program *program = nullptr;
  const SimulatorOptions *options = nullptr;
  Dim3 grid, block;
  uint64_t dynamicSharedBytes = 0, sharedBytes = 0;
  DeviceMemory *memory = nullptr;
  DeviceMemory *variables = nullptr;
  Counts counts;
  uint64_t steps = 0;
  std::array<uint64_t, size_t(Tally::Last)> tallies{};
  std::array<uint64_t, size_t(Pipe::Last)> pipes{};
  Footprint footprint;
  std::mt19937_64 random;
  std::optional<Fault> fault;
  std::vector<Cell> scratch; // PHI copies

  /// Lanes in the order in which they act where it is visible.
  std::array<uint8_t, kLanes> laneOrder();
};

/// Runs the warp until it waits, ends, fails or `budget` instructions are done.
Step run(Warp &warp, uint64_t budget);

/// Runs every block of the launch; the fault, if any, is in it afterwards.
void runGrid(Launch &launch, const std::vector<std::vector<uint64_t>> &cells);

} // namespace attn::sim

#endif // ATTN_LIB_SIMULATOR_MACHINE_H
