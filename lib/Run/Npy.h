// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// numpy's .npy files, which everything in this field can read and write. The
// reader is strict: a file that does not say exactly what it holds is refused.

#ifndef ATTN_LIB_RUN_NPY_H
#define ATTN_LIB_RUN_NPY_H

#include "Array.h"

#include "llvm/Support/raw_ostream.h"

namespace attn::run {

llvm::Expected<Array> readNpy(llvm::StringRef path);

/// Parses the whole content of a file; `path` is for messages.
llvm::Expected<Array> parseNpy(llvm::StringRef content, llvm::StringRef path);

/// Writes a contiguous tensor.
void writeNpy(llvm::raw_ostream &os, const DLTensor &tensor);

} // namespace attn::run

#endif // ATTN_LIB_RUN_NPY_H
