// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One tensor out of a .safetensors file, the form in which models' weights and
// activations travel.

#ifndef ATTN_LIB_RUN_SAFETENSORS_H
#define ATTN_LIB_RUN_SAFETENSORS_H

#include "Array.h"

namespace attn::run {

llvm::Expected<Array> readSafetensors(llvm::StringRef path,
                                      llvm::StringRef name);

/// Parses the whole content of a file; `path` is for messages.
llvm::Expected<Array> parseSafetensors(llvm::StringRef content,
                                       llvm::StringRef path,
                                       llvm::StringRef name);

} // namespace attn::run

#endif // ATTN_LIB_RUN_SAFETENSORS_H
