// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// IR given to attn-run is compiled first, by attn-compile in a process of its
// own: exactly what a person would have typed.

#ifndef ATTN_LIB_RUN_COMPILE_H
#define ATTN_LIB_RUN_COMPILE_H

#include "attn/Run/Run.h"

#include "llvm/Support/FileUtilities.h"

#include <memory>

namespace attn::run {

/// Is this the name or the content of IR, rather than a library?
bool isIR(llvm::StringRef path);

/// Compiles options.path; the library goes with the returned remover.
llvm::Expected<std::string>
compileIR(const Options &options, std::unique_ptr<llvm::FileRemover> &remover);

} // namespace attn::run

#endif // ATTN_LIB_RUN_COMPILE_H
