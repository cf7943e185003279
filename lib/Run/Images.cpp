// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads the images behind the symbol that the compiler gives them. The runtime
// has checked them when it opened the library.

#include "Images.h"

#include "Array.h"

#include <cstring>
#include <dlfcn.h>

namespace attn::run {

llvm::Expected<std::vector<GpuImage>> readImages(const std::string &path) {
  void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_NOLOAD);
  if (!handle)
    return makeError("expected '" + path + "' to be open");
  std::vector<GpuImage> images;
  if (auto *base =
          static_cast<const char *>(dlsym(handle, "attn_gpu_images"))) {
    AttnGpuHeader header;
    std::memcpy(&header, base, sizeof(header));
    for (uint32_t i = 0; i < header.count; ++i) {
      AttnGpuImage record;
      std::memcpy(&record, base + sizeof(header) + i * sizeof(record),
                  sizeof(record));
      images.push_back(
          {AttnGpuImageKind(record.kind),
           std::string(record.sm, strnlen(record.sm, sizeof(record.sm))),
           std::string(base + record.offset, record.bytes)});
    }
  }
  dlclose(handle);
  return images;
}

} // namespace attn::run
