// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// IR given to attn-run is compiled first. The compiler's messages go straight
// to standard error, progress on a terminal included.

#include "Compile.h"

#include "Array.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/Signals.h"

namespace attn::run {

bool isIR(llvm::StringRef path) {
  return path.ends_with(".mlir") || path.ends_with(".mlirbc");
}

llvm::Expected<std::string>
compileIR(const Options &options, std::unique_ptr<llvm::FileRemover> &remover) {
  if (!llvm::sys::fs::exists(options.path))
    return makeError("cannot read '" + options.path +
                     "': No such file or directory");
  if (!llvm::sys::fs::can_execute(options.compiler))
    return makeError("cannot compile '" + options.path +
                     "': expected attn-compile at '" + options.compiler + "'");
  llvm::SmallString<128> library;
  if (std::error_code code =
          llvm::sys::fs::createTemporaryFile("attn-run", "so", library))
    return makeError("cannot create a temporary file: " + code.message());
  remover = std::make_unique<llvm::FileRemover>(library);
  llvm::sys::RemoveFileOnSignal(library);
  std::vector<llvm::StringRef> command = {options.compiler, options.path, "-o",
                                          library, "--emit=so"};
  command.insert(command.end(), options.compilerArgs.begin(),
                 options.compilerArgs.end());
  std::vector<std::string> more;
  if (!options.target.empty())
    more.push_back("--target=" + options.target);
  if (!options.sm.empty())
    more.push_back("--sm=" + options.sm);
  if (options.simulate || !options.predict.empty())
    more.push_back("--embed-ir");
  for (const std::string &form : options.forms)
    more.push_back("--form=" + form);
  command.insert(command.end(), more.begin(), more.end());
  std::string reason;
  int status = llvm::sys::ExecuteAndWait(options.compiler, command,
                                         std::nullopt, {}, 0, 0, &reason);
  if (status != 0)
    return makeError("cannot compile '" + options.path + "'" +
                     (reason.empty() ? "" : ": " + reason));
  return library.str().str();
}

} // namespace attn::run
