// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A compiled library in memory: its manifest and the addresses of its entries.
// Nothing in it changes after loading, which is what makes it safe to call from
// many threads.

#ifndef ATTN_LIB_RUNTIME_MODULE_H
#define ATTN_LIB_RUNTIME_MODULE_H

#include "GpuLibrary.h"
#include "Manifest.h"

namespace attn::runtime {

struct EntryPoint {
  int32_t (*call)(void *const *args, void *const *results) = nullptr;
  void (*shape)(void *const *args, int64_t *const *resultSizes) = nullptr;
};

} // namespace attn::runtime

struct AttnModule {
  ~AttnModule();
  /// Loads the library; on failure the module must not be used.
  AttnStatus load(const char *path);

  attn::runtime::Manifest manifest;
  const char *manifestText = nullptr;
  std::vector<attn::runtime::EntryPoint>
      entryPoints;                      // parallel to manifest.entries
  const char *(*lastError)() = nullptr; // optional
  std::unique_ptr<attn::runtime::GpuLibrary> gpu; // null for CPUs

private:
  AttnStatus readManifest(const char *path);
  AttnStatus findEntries(const char *path);
  AttnStatus installThreadPool(const char *path);
  AttnStatus installGpu(const char *path);
  void *findVariable(const char *name, size_t *bytes) const;
  void *findFunction(const std::string &name) const;

  void *handle = nullptr;
};

#endif // ATTN_LIB_RUNTIME_MODULE_H
