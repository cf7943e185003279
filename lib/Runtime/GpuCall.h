// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One call of a library for GPUs: the device and the stream that the library's
// table of functions works on while the call lasts.

#ifndef ATTN_LIB_RUNTIME_GPUCALL_H
#define ATTN_LIB_RUNTIME_GPUCALL_H

#include "GpuLibrary.h"

namespace attn::runtime {

/// Of this thread, from `begin` to the object's end.
class GpuCall {
public:
  GpuCall(GpuLibrary &library, void *stream)
      : library(library), stream(stream) {}
  ~GpuCall();

  /// Finds the driver and the device and loads the kernels.
  AttnStatus begin(int device);
  /// Waits for the stream if asked to, and says what went wrong first.
  AttnStatus end(bool wait);

  /// The table that every library for GPUs gets.
  static const AttnGpuTable *table();

private:
  static void *allocate(int64_t bytes);
  static void free(void *memory);
  static void copy(void *to, const void *from, int64_t bytes);
  static void *constant(const void *host, int64_t bytes);
  static void read(void *host, const void *from, int64_t bytes);
  static void launch(int32_t kernel, const int64_t *geometry,
                     void **parameters);
  /// Launches with the tensor maps that the loaded image needs encoded.
  AttnStatus launch(void *kernel, int32_t index, const int64_t *geometry,
                    void **parameters);
  void note(AttnStatus failure);

  GpuLibrary &library;
  void *stream;
  GpuDriver *driver = nullptr;
  GpuLibrary::Device *device = nullptr;
  GpuCall *outer = nullptr;
  bool entered = false;
  AttnStatus status = ATTN_OK;
  std::string message;
};

/// Memory of a device for a result; null, with a message, on failure.
DLManagedTensor *allocateGpuTensor(int device, const DLDataType &dtype,
                                   const int64_t *shape, int rank);

} // namespace attn::runtime

#endif // ATTN_LIB_RUNTIME_GPUCALL_H
