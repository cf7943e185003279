//===- Assembler.h - PTX to machine code ------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// NVIDIA's tools, which are found and run, never linked.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_EMIT_ASSEMBLER_H
#define ATTN_LIB_EMIT_ASSEMBLER_H

#include "mlir/Support/LLVM.h"

#include <optional>
#include <string>

namespace mlir::attn {

/// The tool called `name`: `given` if that is not empty (`none`: no tool), else
/// from CUDA_HOME, CUDA_PATH or CUDA_ROOT, PATH, /usr/local/cuda, or the
/// package nvidia-cuda-nvcc of the virtual environment. Nothing if there is
/// none.
std::optional<std::string> findCudaTool(StringRef name, StringRef given);

/// Machine code for `sm` (such as 90a) of PTX text.
FailureOr<std::string> assemblePtx(StringRef ptxas, StringRef ptx, StringRef sm,
                                   std::string &error);

/// What the assembler says of the kernels in PTX text: `ptxas -v`.
FailureOr<std::string> describePtx(StringRef ptxas, StringRef ptx, StringRef sm,
                                   std::string &error);

/// A file for one or all architectures, by NVIDIA's fatbinary.
struct FatbinPart {
  std::string sm, ptx, cubin; // cubin may be empty
};
FailureOr<std::string>
makeFatbin(StringRef fatbinary, ArrayRef<FatbinPart> parts, std::string &error);

} // namespace mlir::attn

#endif // ATTN_LIB_EMIT_ASSEMBLER_H
