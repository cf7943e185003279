// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// NVIDIA's driver behind the interface that the runtime uses. The types of its
// functions are written out here, so that no header of CUDA is needed.

#ifndef ATTN_LIB_RUNTIME_CUDADRIVER_H
#define ATTN_LIB_RUNTIME_CUDADRIVER_H

#include "attn/Runtime/GpuDriver.h"

#include <cstddef>
#include <mutex>
#include <vector>

namespace attn::runtime {

using CudaResult = int;

struct CudaFunctions {
#define ATTN_CUDA(NAME, SYMBOL, TYPES) CudaResult(*NAME) TYPES = nullptr;
#include "CudaFunctions.def"
};

class CudaDriver : public GpuDriver {
public:
  /// Finds the driver and its devices; on failure the object must not be used.
  AttnStatus load();

  AttnStatus enter(int device) override;
  void leave() override;
  bool takes(AttnGpuImageKind kind) const override {
    return kind == ATTN_GPU_CUBIN || kind == ATTN_GPU_PTX;
  }
  int version(int device) override { return devices[device].version; }
  int64_t sharedLimit(int device) override { return devices[device].shared; }
  bool owns(const void *memory, int device) override;
  AttnStatus load(const void *image, int64_t bytes, void **module) override;
  void unload(void *module) override;
  AttnStatus findKernel(void *module, const char *name, void **kernel) override;
  AttnStatus allowShared(void *kernel, int64_t bytes) override;
  AttnStatus allocate(int64_t bytes, void **memory) override;
  void free(void *memory) override;
  AttnStatus upload(void *to, const void *host, int64_t bytes) override;
  AttnStatus allocateOn(void *stream, int device, int64_t bytes,
                        void **memory) override;
  AttnStatus freeOn(void *stream, void *memory) override;
  AttnStatus copyOn(void *stream, void *to, const void *from,
                    int64_t bytes) override;
  AttnStatus readOn(void *stream, void *host, const void *from,
                    int64_t bytes) override;
  AttnStatus launchOn(void *stream, void *kernel, const int64_t *geometry,
                      void **parameters) override;
  AttnStatus synchronize(void *stream) override;
  AttnStatus encodeMap(const AttnTensorMap &map, EncodedMap &encoded) override;

private:
  struct Device {
    void *context = nullptr;
    int version = 0, shared = 0;
  };
  AttnStatus open(int device);

  CudaFunctions cuda;
  std::mutex mutex; // of opening devices
  std::vector<Device> devices;
};

} // namespace attn::runtime

#endif // ATTN_LIB_RUNTIME_CUDADRIVER_H
