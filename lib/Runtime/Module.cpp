// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Loads a compiled library. What its symbol table says of each symbol is
// compared with what we are going to use it as, so that a library of something
// else is an error and not a jump into data.

#include "Module.h"

#include "CpuFeatures.h"
#include "ElfFile.h"
#include "Error.h"
#include "GpuCall.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <memory>

using namespace attn::runtime;

using ParallelFor = decltype(&attn_runtime_parallel_for);

/// The loader's record of the symbol that starts at `address`; null if there is
/// none.
static const ElfW(Sym) * symbolAt(void *address) {
  Dl_info info;
  const ElfW(Sym) *symbol = nullptr;
  if (!address ||
      !dladdr1(address, &info,
               reinterpret_cast<void **>(const_cast<ElfW(Sym) **>(&symbol)),
               RTLD_DL_SYMENT))
    return nullptr;
  return info.dli_saddr == address ? symbol : nullptr;
}

/// Spells the path in a way never used before. The loader compares names before
/// it looks at the file, and would answer a file that replaced an open one with
/// the old library.
static std::string uniqueSpelling(const std::string &path) {
  static std::atomic<uint64_t> counter{0};
  size_t slash = path.rfind('/');
  std::string spelling = path.substr(0, slash);
  for (uint64_t bits = counter++; bits; bits >>= 1)
    spelling += bits & 1 ? "/." : "/";
  return spelling + path.substr(slash);
}

AttnModule::~AttnModule() {
  gpu.reset(); // before the images that it points to
  if (handle)
    dlclose(handle);
}

AttnStatus AttnModule::load(const char *path) {
  // With a slash in the name, the loader takes this file and searches no
  // folders.
  std::unique_ptr<char, decltype(&free)> real(realpath(path, nullptr), &free);
  if (!real)
    return fail(ATTN_NOT_FOUND, "cannot open '%s': %s", path, strerror(errno));
  if (AttnStatus status = checkElfFile(real.get()))
    return status;
  handle = dlopen(uniqueSpelling(real.get()).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char *reason = dlerror();
    return fail(ATTN_BAD_LIBRARY, "cannot load '%s': %s", path,
                reason ? reason : "unknown reason");
  }
  if (AttnStatus status = readManifest(path))
    return status;
  if (AttnStatus status = findEntries(path))
    return status;
  lastError =
      reinterpret_cast<const char *(*)()>(findFunction("attn_last_error"));
  if (AttnStatus status = installThreadPool(path))
    return status;
  return manifest.isForGpus() ? installGpu(path) : ATTN_OK;
}

AttnStatus AttnModule::readManifest(const char *path) {
  void *address = dlsym(handle, "attn_manifest");
  if (!address)
    return fail(ATTN_BAD_LIBRARY,
                "'%s': expected a library of this compiler, got one without "
                "attn_manifest",
                path);
  const ElfW(Sym) *symbol = symbolAt(address);
  if (!symbol || ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT ||
      !memchr(address, 0, symbol->st_size))
    return fail(ATTN_BAD_LIBRARY,
                "'%s': expected attn_manifest to be text that ends in a zero",
                path);
  manifestText = static_cast<const char *>(address);
  std::string error;
  if (!manifest.parse(manifestText, error))
    return fail(ATTN_BAD_LIBRARY, "'%s': %s", path, error.c_str());
  if (manifest.target != "cpu" && !manifest.isForGpus())
    return fail(ATTN_BAD_LIBRARY,
                "'%s': expected target 'cpu' or 'nvptx', got '%s'", path,
                manifest.target.c_str());
  std::string missing = firstMissingFeature(manifest.features);
  if (!missing.empty())
    return fail(ATTN_BAD_LIBRARY,
                "'%s': compiled for CPU feature '%s', which this machine lacks",
                path, missing.c_str());
  if (!requestTiles(manifest.features))
    return fail(
        ATTN_BAD_LIBRARY,
        "'%s': compiled for AMX tiles, which this system does not grant", path);
  return ATTN_OK;
}

AttnStatus AttnModule::findEntries(const char *path) {
  for (const EntrySpec &entry : manifest.entries) {
    EntryPoint point;
    point.call =
        reinterpret_cast<decltype(point.call)>(findFunction(entry.symbol));
    if (!point.call)
      return fail(ATTN_BAD_LIBRARY,
                  "'%s': expected function '%s' of entry '%s', got none", path,
                  entry.symbol.c_str(), entry.name.c_str());
    point.shape = reinterpret_cast<decltype(point.shape)>(
        findFunction(entry.shapeSymbol));
    if (!point.shape)
      return fail(ATTN_BAD_LIBRARY,
                  "'%s': expected function '%s' of entry '%s', got none", path,
                  entry.shapeSymbol.c_str(), entry.name.c_str());
    entryPoints.push_back(point);
  }
  return ATTN_OK;
}

AttnStatus AttnModule::installThreadPool(const char *path) {
  void *address = dlsym(handle, "attn_parallel_for");
  if (!address)
    return ATTN_OK; // a library without parallel loops
  const ElfW(Sym) *symbol = symbolAt(address);
  if (!symbol || ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT ||
      symbol->st_size != sizeof(ParallelFor))
    return fail(ATTN_BAD_LIBRARY,
                "'%s': expected attn_parallel_for to be a function pointer",
                path);
  // Another module of the same library may be running: it sees either the
  // serial loop or the pool.
  __atomic_store_n(static_cast<ParallelFor *>(address),
                   &attn_runtime_parallel_for, __ATOMIC_RELEASE);
  return ATTN_OK;
}

/// A variable of the library and its size; null if there is none.
void *AttnModule::findVariable(const char *name, size_t *bytes) const {
  void *address = dlsym(handle, name);
  const ElfW(Sym) *symbol = symbolAt(address);
  if (!symbol || ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT)
    return nullptr;
  *bytes = symbol->st_size;
  return address;
}

AttnStatus AttnModule::installGpu(const char *path) {
  size_t bytes = 0;
  void *table = findVariable("attn_gpu", &bytes);
  if (!table || bytes != sizeof(const AttnGpuTable *))
    return fail(ATTN_BAD_LIBRARY, "'%s': expected attn_gpu to be a pointer",
                path);
  __atomic_store_n(static_cast<const AttnGpuTable **>(table), GpuCall::table(),
                   __ATOMIC_RELEASE);
  bytes = 0;
  const void *images = findVariable("attn_gpu_images", &bytes);
  gpu = std::make_unique<GpuLibrary>();
  return gpu->open(path, images, bytes, manifest.kernels);
}

void *AttnModule::findFunction(const std::string &name) const {
  void *address = dlsym(handle, name.c_str());
  const ElfW(Sym) *symbol = symbolAt(address);
  return symbol && ELF64_ST_TYPE(symbol->st_info) == STT_FUNC ? address
                                                              : nullptr;
}
