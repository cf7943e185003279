// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A library's kernels and constants on every device that it was called on.
// They are loaded at the first call and stay until the library goes.

#ifndef ATTN_LIB_RUNTIME_GPULIBRARY_H
#define ATTN_LIB_RUNTIME_GPULIBRARY_H

#include "attn/Runtime/GpuDriver.h"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace attn::runtime {

class GpuLibrary {
public:
  /// How an image wants a kernel launched, if not as the library says.
  struct Launch {
    int64_t threads = 0; // none: as the library says
    int64_t sharedBytes = 0;
  };
  struct Image {
    AttnGpuImageKind kind;
    std::string sm;
    GpuVersion version;
    const void *data;
    int64_t bytes;
    std::vector<Launch> launches; // by kernel; empty: all as the library says
    std::map<int32_t, std::vector<uint32_t>> maps; // parameters, by kernel
  };

  /// What one device has of the library.
  struct Device {
    int number = 0;
    void *module = nullptr;
    const Image *image = nullptr; // that `module` was made of
    std::vector<void *> kernels;  // null until first launched
    std::vector<int64_t> shared;  // granted to each
    std::map<const void *, void *> constants;
    std::mutex mutex; // of everything here
  };

  /// Takes over the library's images; they live as long as the library.
  AttnStatus open(const char *path, const void *images, size_t bytes,
                  std::vector<std::string> kernelNames);
  ~GpuLibrary();

  /// Loads the kernels, unless they are loaded. The device is entered.
  AttnStatus use(GpuDriver &driver, int number, Device *&device);
  /// Finds a kernel; `geometry` becomes what the loaded image wants.
  AttnStatus kernel(GpuDriver &driver, Device &device, int32_t index,
                    int64_t (&geometry)[7], void *&kernel);
  AttnStatus constant(GpuDriver &driver, Device &device, const void *host,
                      int64_t bytes, void *&memory);

private:
  bool readLaunches(const AttnGpuHeader &header, const char *records);
  bool readMaps(const AttnGpuHeader &header, const char *records);
  std::vector<const Image *> choose(GpuDriver &driver, int version) const;
  AttnStatus load(GpuDriver &driver, Device &device);

  std::vector<Image> images;
  std::vector<std::string> names;
  std::mutex mutex; // of `devices` and `owner`
  std::map<int, std::unique_ptr<Device>> devices;
  GpuDriver *owner = nullptr; // of what is loaded
};

} // namespace attn::runtime

#endif // ATTN_LIB_RUNTIME_GPULIBRARY_H
