//===- Simulator.h - GPU kernels executed without a GPU ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Interprets the LLVM IR that is handed to the NVPTX backend, 32 lanes of a
// warp in lock-step, and reports what the hardware would leave undefined.
//
// Collectives follow the PTX ISA (chapters "Parallel Synchronization and
// Communication Instructions", "Warp-Level Matrix Instructions" and "Data
// Movement": cp.async, ldmatrix); see docs/Simulator.md for what is checked and
// what is not. Nothing of a kernel runs natively: no kernel, and no argument,
// can crash the process.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_SIMULATOR_SIMULATOR_H
#define ATTN_SIMULATOR_SIMULATOR_H

#include "attn/Simulator/Counts.h"
#include "attn/Simulator/DeviceMemory.h"
#include "attn/Simulator/Fault.h"

#include "llvm/ADT/StringRef.h"

#include <memory>
#include <vector>

namespace llvm {
class Module;
} // namespace llvm

namespace attn::sim {

struct SimulatorOptions {
  /// Order of blocks, warps and of lanes where it is visible. 0: ascending,
  /// a warp runs until it waits; anything else: random, warps interleaved.
  uint64_t seed = 0;
  /// Warp instructions of one launch before it counts as run away.
  uint64_t stepLimit = uint64_t(1) << 32;
  /// Shared bytes a block may have; 227 KiB is what sm_90 grants.
  uint64_t sharedLimit = 227 * 1024;
  /// Report shared-memory races and uninitialised shared bytes.
  bool checkRaces = true, checkUninitialized = true;
  /// Of every launch with more blocks, only so many are executed, chosen
  /// evenly, and counts are scaled up. Results are incomplete then. 0: all are.
  uint64_t sampleBlocks = 0;
  /// Count the global memory that blocks and launches touch.
  bool countFootprint = false;
};

/// What a launcher must know of a kernel.
struct KernelInfo {
  std::string name;
  std::vector<size_t> parameterBytes; // one of each parameter, in order
  uint64_t staticSharedBytes = 0;
  Dim3 requiredBlock{0, 0, 0}; // reqntid; zeros: any
  uint32_t maxThreads = 0;     // maxntid; zero: not stated
};

/// The kernels of one module, ready to launch. Keeps nothing of the module but
/// what it decoded from it; movable, not thread-safe.
class Simulator {
public:
  /// Decodes every function with the ptx_kernel calling convention (or the
  /// `nvvm.annotations` kernel mark). Expects a verified module for nvptx64.
  /// A kernel that uses something unknown fails at its launch, not here.
  static llvm::Expected<Simulator> create(const llvm::Module &module,
                                          SimulatorOptions options = {});

  Simulator(Simulator &&);
  Simulator &operator=(Simulator &&);
  ~Simulator();

  std::vector<std::string> kernels() const;
  /// Fails for a name that is no kernel and for a kernel that does not decode.
  llvm::Expected<KernelInfo> info(llvm::StringRef kernel) const;

  /// Runs the kernel to its end. `arguments` holds the bytes of each parameter
  /// as the host would pass them (pointers: 8 bytes, an address of `memory`).
  /// After an error (a Fault) `memory` holds what was written until then.
  llvm::Expected<Counts>
  launch(llvm::StringRef kernel, Dim3 grid, Dim3 block,
         uint64_t dynamicSharedBytes,
         llvm::ArrayRef<llvm::ArrayRef<uint8_t>> arguments,
         DeviceMemory &memory);

  /// The module's own global and constant variables, by address or by name;
  /// they live as long as the simulator and keep values between launches.
  llvm::Expected<uint64_t> variable(llvm::StringRef name) const;
  DeviceMemory &variables();

private:
  struct Impl;
  explicit Simulator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

} // namespace attn::sim

#endif // ATTN_SIMULATOR_SIMULATOR_H
