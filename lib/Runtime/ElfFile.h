// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A look at a file before it is given to dlopen. The system's loader trusts a
// file's headers and dies with SIGBUS on one that was cut short, so this is
// checked first.

#ifndef ATTN_LIB_RUNTIME_ELFFILE_H
#define ATTN_LIB_RUNTIME_ELFFILE_H

#include "attn/Runtime/Attn.h"

namespace attn::runtime {

/// Fails unless the file is a complete shared object for this machine.
AttnStatus checkElfFile(const char *path);

} // namespace attn::runtime

#endif // ATTN_LIB_RUNTIME_ELFFILE_H
