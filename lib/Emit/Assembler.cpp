//===- Assembler.cpp - PTX to machine code --------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Finds and runs NVIDIA's ptxas and fatbinary.
//
//===----------------------------------------------------------------------===//

#include "Assembler.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"

using namespace mlir;
using namespace mlir::attn;

/// `folder`/`name`, if it is a program.
static std::optional<std::string> tryFolder(const Twine &folder,
                                            StringRef name) {
  SmallString<128> path;
  folder.toVector(path);
  llvm::sys::path::append(path, name);
  if (llvm::sys::fs::can_execute(path))
    return path.str().str();
  return std::nullopt;
}

/// The folders `root`/*/`rest`, in order of their names.
static SmallVector<std::string> listFolders(const Twine &root, StringRef prefix,
                                            StringRef rest) {
  SmallVector<std::string> found;
  std::error_code error;
  for (llvm::sys::fs::directory_iterator it(root, error), end;
       it != end && !error; it.increment(error))
    if (llvm::sys::path::filename(it->path()).starts_with(prefix))
      found.push_back(it->path() + rest.str());
  llvm::sort(found);
  return found;
}

/// Where PyPI's nvidia-cuda-nvcc puts its tools in a virtual environment.
static std::optional<std::string> tryEnvironment(StringRef root,
                                                 StringRef name) {
  for (const std::string &packages :
       listFolders(root + "/lib", "python", "/site-packages/nvidia"))
    for (const std::string &folder : listFolders(packages, "cu", "/bin"))
      if (auto tool = tryFolder(folder, name))
        return tool;
  return std::nullopt;
}

std::optional<std::string> mlir::attn::findCudaTool(StringRef name,
                                                    StringRef given) {
  if (given == "none")
    return std::nullopt;
  if (!given.empty())
    return given.str();
  for (StringRef variable : {"CUDA_HOME", "CUDA_PATH", "CUDA_ROOT"})
    if (auto root = llvm::sys::Process::GetEnv(variable))
      if (auto tool = tryFolder(*root + "/bin", name))
        return tool;
  if (auto tool = llvm::sys::findProgramByName(name))
    return *tool;
  if (auto tool = tryFolder("/usr/local/cuda/bin", name))
    return tool;
  if (auto root = llvm::sys::Process::GetEnv("VIRTUAL_ENV"))
    if (auto tool = tryEnvironment(*root, name))
      return tool;
  // The environment that the build made for its tests.
  return tryEnvironment(ATTN_BUILD_VENV, name);
}

namespace {
/// A temporary file that goes with its object.
class TemporaryFile {
public:
  TemporaryFile(StringRef suffix, std::string &error) {
    if (std::error_code code =
            llvm::sys::fs::createTemporaryFile("attn-gpu", suffix, path))
      error = "cannot write a temporary file: " + code.message();
    else
      remover.setFile(path);
  }
  bool write(StringRef text, std::string &error) {
    if (!error.empty())
      return false;
    std::error_code code;
    llvm::raw_fd_ostream stream(path, code);
    if (!code) {
      stream << text;
      stream.close();
      code = stream.error();
      stream.clear_error();
    }
    if (code)
      error = "cannot write '" + path.str().str() + "': " + code.message();
    return !code;
  }
  FailureOr<std::string> read(std::string &error) {
    auto buffer = llvm::MemoryBuffer::getFile(path);
    if (!buffer) {
      error = "cannot read '" + path.str().str() +
              "': " + buffer.getError().message();
      return failure();
    }
    return (*buffer)->getBuffer().str();
  }
  SmallString<128> path;

private:
  llvm::FileRemover remover;
};
} // namespace

/// Runs a program; gives what it prints.
static FailureOr<std::string> runTool(ArrayRef<std::string> command,
                                      std::string &error) {
  TemporaryFile log("log", error);
  if (!error.empty())
    return failure();
  SmallVector<StringRef> arguments(command.begin(), command.end());
  std::optional<StringRef> redirects[] = {StringRef(), StringRef(log.path),
                                          StringRef(log.path)};
  std::string reason;
  int status = llvm::sys::ExecuteAndWait(
      command.front(), arguments, std::nullopt, redirects, 0, 0, &reason);
  if (status == 0)
    return log.read(error);
  error = "'" + command.front() + "' failed";
  std::string unread;
  if (auto text = log.read(unread); succeeded(text) && !text->empty())
    reason += (reason.empty() ? "" : " ") + StringRef(*text).rtrim().str();
  error +=
      ": " + (reason.empty() ? "status " + std::to_string(status) : reason);
  return failure();
}

FailureOr<std::string> mlir::attn::assemblePtx(StringRef ptxas, StringRef ptx,
                                               StringRef sm,
                                               std::string &error) {
  error.clear();
  TemporaryFile input("ptx", error), output("cubin", error);
  if (!input.write(ptx, error) ||
      failed(runTool({ptxas.str(), "-O3", ("-arch=sm_" + sm).str(), "-o",
                      output.path.str().str(), input.path.str().str()},
                     error)))
    return failure();
  return output.read(error);
}

FailureOr<std::string> mlir::attn::describePtx(StringRef ptxas, StringRef ptx,
                                               StringRef sm,
                                               std::string &error) {
  error.clear();
  TemporaryFile input("ptx", error), output("cubin", error);
  if (!input.write(ptx, error))
    return failure();
  return runTool({ptxas.str(), "-O3", "-v", ("-arch=sm_" + sm).str(), "-o",
                  output.path.str().str(), input.path.str().str()},
                 error);
}

FailureOr<std::string> mlir::attn::makeFatbin(StringRef fatbinary,
                                              ArrayRef<FatbinPart> parts,
                                              std::string &error) {
  error.clear();
  TemporaryFile output("fatbin", error);
  SmallVector<std::string> command = {fatbinary.str(), "-64",
                                      "--create=" + output.path.str().str()};
  SmallVector<std::unique_ptr<TemporaryFile>> files;
  auto add = [&](StringRef kind, const FatbinPart &part, StringRef bytes) {
    files.push_back(std::make_unique<TemporaryFile>(kind, error));
    if (!files.back()->write(bytes, error))
      return false;
    command.push_back(("--image3=kind=" + kind + ",sm=" + part.sm +
                       ",file=" + files.back()->path)
                          .str());
    return true;
  };
  for (const FatbinPart &part : parts)
    if ((!part.cubin.empty() && !add("elf", part, part.cubin)) ||
        !add("ptx", part, part.ptx))
      return failure();
  if (failed(runTool(command, error)))
    return failure();
  return output.read(error);
}
