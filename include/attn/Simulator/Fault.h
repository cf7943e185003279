//===- Fault.h - what a simulated kernel did wrong --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One mistake of a kernel with the place where it happened, as an llvm::Error,
// so that a test can ask for the kind and a user can read the message.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_SIMULATOR_FAULT_H
#define ATTN_SIMULATOR_FAULT_H

#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>

namespace attn::sim {

/// Extents or coordinates of a grid or block; x runs fastest.
struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
  uint64_t count() const { return uint64_t(x) * y * z; }
};

enum class FaultKind {
  Divergence,     // a collective without all the lanes that it names
  Deadlock,       // every warp waits, or a barrier that nobody completes
  OutOfBounds,    // an access outside of every object
  Misaligned,     // an address that the access's width or promise forbids
  ReadBeforeWait, // shared bytes of an asynchronous copy still under way
  Uninitialized,  // shared bytes that nobody wrote
  Race,           // two threads, one writes, no barrier between
  Trap,           // llvm.trap, unreachable code, a failed assertion
  StepLimit,      // more instructions than SimulatorOptions::stepLimit
  Unsupported,    // something that the simulator does not know
  BadLaunch       // grid, block, shared memory or arguments do not fit
};

llvm::StringRef name(FaultKind kind);

/// A mistake of a kernel. Coordinates are of the first lane concerned.
class Fault : public llvm::ErrorInfo<Fault> {
public:
  static char ID;

  Fault(FaultKind kind, std::string text) : kind(kind), text(std::move(text)) {}

  FaultKind kind;
  std::string text;     // what happened, without the place
  std::string kernel;   // empty until the kernel is known
  std::string location; // file:line:column, or the instruction's text
  Dim3 block{0, 0, 0}, thread{0, 0, 0};
  unsigned warp = 0, lane = 0;
  bool hasThread = false; // whether block, thread, warp and lane mean anything

  /// "KIND: TEXT, in kernel K, block (x, y, z), thread (x, y, z) (warp W, lane
  /// L), at LOCATION".
  void log(llvm::raw_ostream &os) const override;
  std::error_code convertToErrorCode() const override;
};

} // namespace attn::sim

#endif // ATTN_SIMULATOR_FAULT_H
