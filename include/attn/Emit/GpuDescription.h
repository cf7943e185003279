//===- GpuDescription.h - the GPUs that code is made for --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a name such as `80` or `90a` stands for. LLVM ends the process when an
// architecture is paired with a PTX version before its time, so the pairs are
// here and nowhere else.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_EMIT_GPUDESCRIPTION_H
#define ATTN_EMIT_GPUDESCRIPTION_H

#include "mlir/Support/LLVM.h"
#include "llvm/Target/TargetMachine.h"

#include <memory>
#include <string>

namespace mlir::attn {

struct GpuArchitecture {
  /// As after `sm_`: 80, 90a, 120.
  StringRef name;
  /// The PTX version that we write for it, as LLVM's feature.
  StringRef ptx;
};

/// The architectures of a list such as `80,90a`, each once, or an error that
/// says what is wrong with it.
FailureOr<SmallVector<GpuArchitecture>> parseArchitectures(StringRef list,
                                                           std::string &error);

/// A machine that generates PTX for `gpu`.
std::unique_ptr<llvm::TargetMachine>
createTargetMachine(const GpuArchitecture &gpu, std::string &error);

} // namespace mlir::attn

#endif // ATTN_EMIT_GPUDESCRIPTION_H
