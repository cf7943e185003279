//===- Counts.h - what a simulated launch did -------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Instructions by kind and the memory traffic that decides a kernel's speed:
// exact counts, for tests and for predictions.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_SIMULATOR_COUNTS_H
#define ATTN_SIMULATOR_COUNTS_H

#include <cstdint>
#include <string>

namespace attn::sim {

/// Accesses of one kind. A request is one instruction of one warp (a wider
/// access than 16 bytes a lane is several). Units are wavefronts of 128 bytes
/// for shared memory (32 banks of 4 bytes) and sectors of 32 bytes for global
/// memory; `ideal` is the least that the same bytes could take.
struct AccessCounts {
  uint64_t requests = 0;
  uint64_t bytes = 0; // as asked for by the lanes, duplicates included
  uint64_t units = 0;
  uint64_t ideal = 0;

  uint64_t excess() const { return units - ideal; }
  AccessCounts &operator+=(const AccessCounts &other);
};

/// All numbers are warp instructions (one for up to 32 lanes) except where
/// said otherwise.
struct Counts {
  uint64_t instructions = 0; // IR instructions executed, PHIs excluded
  uint64_t divergent = 0;    // of these, with fewer lanes than are alive
  uint64_t mma = 0;          // mma.sync of any shape; wgmma counts itself
  uint64_t mmaFlops = 0;     // 2 m n k of each, wgmma included
  uint64_t wgmma = 0;
  uint64_t ldmatrix = 0;   // instructions; their traffic is in sharedLoads
  uint64_t cpAsync = 0;    // instructions; traffic in globalLoads, sharedStores
  uint64_t bulkCopies = 0; // TMA instructions
  uint64_t special = 0;    // ex2, lg2, rcp, rsqrt, sqrt, tanh, sin, cos
  uint64_t floatOps = 0;   // add, mul, fma … instructions per element
  uint64_t integerOps = 0; // per element
  uint64_t shuffles = 0;   // shfl.sync
  uint64_t votes = 0;      // vote, match, redux
  uint64_t barriers = 0;   // of the block, named ones and mbarriers included
  uint64_t warpBarriers = 0;
  uint64_t atomics = 0;
  AccessCounts globalLoads, globalStores, sharedLoads, sharedStores;
  uint64_t localLoads = 0, localStores = 0; // private memory: spills, arrays

  // For predictions: 2 m n k by type of the operands; half is f16 and bf16.
  uint64_t mmaHalf = 0, mmaTf32 = 0, mmaF64 = 0, wgmmaHalf = 0, wgmmaTf32 = 0;
  // Estimates of the machine's warp instructions, by pipe and in all: those of
  // the IR, without what machine code has no instruction for, and with the
  // several that others take.
  uint64_t pipeFma = 0, pipeAlu = 0, pipeConvert = 0, pipeSpecial = 0;
  uint64_t issued = 0;
  uint64_t asyncSectors = 0; // of globalLoads, those by cp.async and TMA
  // Sectors of global memory that differ within a block, summed over blocks,
  // and those that differ within the launch; SimulatorOptions::countFootprint.
  uint64_t blockSectors = 0, deviceSectors = 0;
  uint64_t blocks = 0; // that were executed

  Counts &operator+=(const Counts &other);
  /// Times numerator / denominator, rounded to nearest; `blocks` stays.
  void scale(uint64_t numerator, uint64_t denominator);

  /// Extra wavefronts that shared memory took because of bank conflicts.
  uint64_t bankConflicts() const {
    return sharedLoads.excess() + sharedStores.excess();
  }
  /// Extra sectors that global memory moved because of strided accesses.
  uint64_t uncoalesced() const {
    return globalLoads.excess() + globalStores.excess();
  }
  /// One line a kind, "name value", in the order above.
  std::string str() const;
};

} // namespace attn::sim

#endif // ATTN_SIMULATOR_COUNTS_H
