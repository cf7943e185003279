//===- CpuDescription.h - the CPU that code is made for ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a name such as `native` or `x86-64-v3` stands for: the instruction sets
// that LLVM knows of it and the few that our own decisions depend on.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_EMIT_CPUDESCRIPTION_H
#define ATTN_EMIT_CPUDESCRIPTION_H

#include "mlir/Support/LLVM.h"
#include "llvm/Target/TargetMachine.h"

#include <memory>
#include <string>

namespace mlir::attn {

struct CpuDescription {
  /// The name that LLVM uses: never `native`.
  std::string name;
  /// Features that the host has beyond those of its name, or lacks.
  std::string features;
  /// The instruction sets that compiled code may use and a loader must check,
  /// as `+avx2,+fma`.
  std::string required;
  /// Width of a vector register.
  int64_t vectorBits = 128;
  bool hasBf16Dot = false;
  bool hasAmxBf16 = false;
};

/// Describes the CPU called `name`, or gives an error that says what is wrong
/// with it.
FailureOr<CpuDescription> describeCpu(StringRef name, std::string &error);

/// A machine that generates position-independent code for `cpu`.
std::unique_ptr<llvm::TargetMachine>
createTargetMachine(const CpuDescription &cpu, std::string &error);

} // namespace mlir::attn

#endif // ATTN_EMIT_CPUDESCRIPTION_H
