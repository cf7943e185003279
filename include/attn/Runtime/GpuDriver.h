// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the runtime needs of a GPU's driver. NVIDIA's is found when a library
// for GPUs is first called; a simulator takes its place where a program says
// so.

#ifndef ATTN_RUNTIME_GPUDRIVER_H
#define ATTN_RUNTIME_GPUDRIVER_H

#include "attn/Runtime/Attn.h"
#include "attn/Runtime/GpuTable.h"

namespace attn::runtime {

/// Where an architecture's name stands in comparisons: sm_90a is {90, true}.
struct GpuVersion {
  int number = 0;
  bool isExact = false; // code for it runs nowhere else
};

/// A tensor map as instructions read it, in the form of the device.
struct alignas(64) EncodedMap {
  unsigned char bytes[128];
};
static_assert(sizeof(AttnTensorMap) == sizeof(EncodedMap));

/// All functions that return a status leave a message, as the C API does. From
/// `enter` to `leave` a device is the thread's.
class GpuDriver {
public:
  virtual ~GpuDriver() = default;

  virtual AttnStatus enter(int device) = 0;
  virtual void leave() = 0;

  /// Which kinds of images it loads.
  virtual bool takes(AttnGpuImageKind kind) const = 0;
  /// 10 * major + minor.
  virtual int version(int device) = 0;
  /// The most shared memory that a block may ask for.
  virtual int64_t sharedLimit(int device) = 0;
  /// Whether `memory` belongs to `device`; on doubt it does.
  virtual bool owns(const void *memory, int device) = 0;

  virtual AttnStatus load(const void *image, int64_t bytes, void **module) = 0;
  virtual void unload(void *module) = 0;
  virtual AttnStatus findKernel(void *module, const char *name,
                                void **kernel) = 0;
  /// Lets `kernel` have `bytes` of dynamic shared memory.
  virtual AttnStatus allowShared(void *kernel, int64_t bytes) = 0;

  /// Memory that outlives streams.
  virtual AttnStatus allocate(int64_t bytes, void **memory) = 0;
  virtual void free(void *memory) = 0;
  virtual AttnStatus upload(void *to, const void *host, int64_t bytes) = 0;

  /// In the order of a stream.
  virtual AttnStatus allocateOn(void *stream, int device, int64_t bytes,
                                void **memory) = 0;
  virtual AttnStatus freeOn(void *stream, void *memory) = 0;
  virtual AttnStatus copyOn(void *stream, void *to, const void *from,
                            int64_t bytes) = 0;
  virtual AttnStatus readOn(void *stream, void *host, const void *from,
                            int64_t bytes) = 0;
  virtual AttnStatus launchOn(void *stream, void *kernel,
                              const int64_t *geometry, void **parameters) = 0;
  virtual AttnStatus synchronize(void *stream) = 0;

  /// Every extent is 1 or more.
  virtual AttnStatus encodeMap(const AttnTensorMap &map,
                               EncodedMap &encoded) = 0;
};

/// NVIDIA's driver, or the one that was set; null, with a message, when there
/// is none.
GpuDriver *gpuDriver();

/// Puts `driver` in the place of NVIDIA's, for good; null takes it away.
void setGpuDriver(GpuDriver *driver);

} // namespace attn::runtime

#endif // ATTN_RUNTIME_GPUDRIVER_H
