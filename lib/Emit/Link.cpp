//===- Link.cpp - objects to a shared library -----------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Finds ld.lld and runs it.
//
//===----------------------------------------------------------------------===//

#include "Link.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

using namespace mlir;
using namespace mlir::attn;

/// The C library's parts that compiled code may call. A library that names them
/// finds them wherever it is loaded; without them it must be found by luck.
static void addSystemLibraries(SmallVectorImpl<std::string> &arguments) {
  for (StringRef library : {"libc.so.6", "libm.so.6"})
    for (StringRef folder :
         {"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu",
          "/lib/aarch64-linux-gnu", "/lib64", "/usr/lib64", "/usr/lib"}) {
      SmallString<64> path(folder);
      llvm::sys::path::append(path, library);
      if (!llvm::sys::fs::exists(path))
        continue;
      arguments.push_back(path.str().str());
      break;
    }
}

LogicalResult mlir::attn::linkSharedLibrary(StringRef object, StringRef library,
                                            StringRef soname,
                                            std::string &error) {
  auto linker = llvm::sys::findProgramByName("ld.lld", {ATTN_LLVM_TOOLS_DIR});
  if (!linker)
    linker = llvm::sys::findProgramByName("ld.lld");
  if (!linker) {
    error = "expected the linker ld.lld in " ATTN_LLVM_TOOLS_DIR
            " or in PATH, got none; install LLVM's lld or use --emit=obj";
    return failure();
  }
  SmallString<128> log;
  if (std::error_code code =
          llvm::sys::fs::createTemporaryFile("attn-link", "log", log)) {
    error = "cannot write a temporary file: " + code.message();
    return failure();
  }
  llvm::FileRemover removeLog(log);
  SmallVector<std::string> arguments = {
      *linker,       "-shared",     "-Bsymbolic", "--gc-sections", "-z",
      "noexecstack", "-z",          "relro",      "-soname",       soname.str(),
      "-o",          library.str(), object.str(), "--as-needed"};
  addSystemLibraries(arguments);
  SmallVector<StringRef> views(arguments.begin(), arguments.end());
  std::optional<StringRef> redirects[] = {StringRef(), StringRef(log),
                                          StringRef(log)};
  std::string message;
  int result = llvm::sys::ExecuteAndWait(*linker, views, std::nullopt,
                                         redirects, 0, 0, &message);
  if (result == 0)
    return success();
  error = "linking failed: " + message;
  if (auto text = llvm::MemoryBuffer::getFile(log))
    error += (*text)->getBuffer().rtrim();
  return failure();
}
