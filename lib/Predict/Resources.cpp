//===- Resources.cpp - registers of kernels, as the assembler says --------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads what `ptxas -v` prints: a line that names a kernel, and lines about it.
//
//===----------------------------------------------------------------------===//

#include "attn/Predict/Prediction.h"

#include "llvm/ADT/StringExtras.h"

using namespace attn::predict;

/// The number before `unit` in `line`.
static std::optional<uint64_t> numberBefore(llvm::StringRef line,
                                            llvm::StringRef unit) {
  size_t at = line.find(unit);
  if (at == llvm::StringRef::npos)
    return std::nullopt;
  llvm::StringRef digits = line.take_front(at).rtrim();
  size_t first = digits.find_last_not_of("0123456789");
  uint64_t number = 0;
  if (digits.drop_front(first + 1).getAsInteger(10, number))
    return std::nullopt;
  return number;
}

llvm::StringMap<KernelResources>
attn::predict::parseAssemblerLog(llvm::StringRef log) {
  llvm::StringMap<KernelResources> kernels;
  KernelResources *current = nullptr;
  for (llvm::StringRef line : llvm::split(log, '\n')) {
    size_t at = line.find("Compiling entry function '");
    if (at != llvm::StringRef::npos) {
      llvm::StringRef name = line.drop_front(at).split('\'').second;
      current = &kernels[name.split('\'').first];
      continue;
    }
    if (!current)
      continue;
    if (auto registers = numberBefore(line, " registers"))
      current->registers = unsigned(*registers);
    for (llvm::StringRef kind : {" bytes spill stores", " bytes spill loads"})
      if (auto bytes = numberBefore(line, kind))
        current->spillBytes += *bytes;
  }
  return kernels;
}
