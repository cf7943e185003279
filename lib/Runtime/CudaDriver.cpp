// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// NVIDIA's driver, found when it is first needed: nothing is linked, so that
// the same runtime works where there is no GPU. ATTN_LIBCUDA names another
// file.

#include "CudaDriver.h"

#include "Error.h"

#include <cstdlib>
#include <dlfcn.h>
#include <mutex>

namespace attn::runtime {

static const char *describe(const CudaFunctions &cuda, CudaResult result) {
  const char *text = nullptr;
  if (cuda.cuGetErrorString(result, &text) != 0 || !text)
    text = "unknown error";
  return text;
}

/// A status for the driver's `result` of the function called `what`.
static AttnStatus check(const CudaFunctions &cuda, CudaResult result,
                        const char *what) {
  constexpr CudaResult outOfMemory = 2;
  if (result == 0)
    return ATTN_OK;
  return fail(result == outOfMemory ? ATTN_OUT_OF_MEMORY : ATTN_FAILED,
              "%s: error %d: %s", what, result, describe(cuda, result));
}

#define ATTN_CHECK(FUNCTION, ...)                                              \
  check(cuda, cuda.FUNCTION(__VA_ARGS__), #FUNCTION)

AttnStatus CudaDriver::load() {
  const char *name = getenv("ATTN_LIBCUDA");
  if (!name || !*name)
    name = "libcuda.so.1";
  void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *reason = dlerror();
    return fail(ATTN_NO_DEVICE,
                "found no driver for NVIDIA GPUs: cannot load '%s': %s", name,
                reason ? reason : "unknown reason");
  }
  const char *missing = nullptr;
  auto find = [&](auto &function, const char *symbol) {
    void *address = dlsym(library, symbol);
    function = reinterpret_cast<std::decay_t<decltype(function)>>(address);
    return address != nullptr;
  };
#define ATTN_CUDA(NAME, SYMBOL, TYPES)                                         \
  if (!find(cuda.NAME, SYMBOL) && !missing)                                    \
    missing = SYMBOL;
#define ATTN_CUDA_OPTIONAL(NAME, SYMBOL, TYPES) find(cuda.NAME, SYMBOL);
#include "CudaFunctions.def"
  if (missing)
    return fail(ATTN_NO_DEVICE,
                "the driver '%s' is too old: expected function '%s', got none",
                name, missing);
  if (CudaResult result = cuda.cuInit(0))
    return fail(ATTN_NO_DEVICE, "the driver finds no NVIDIA GPU: error %d: %s",
                result, describe(cuda, result));
  int count = 0;
  if (AttnStatus status = ATTN_CHECK(cuDeviceGetCount, &count))
    return status;
  if (count <= 0)
    return fail(ATTN_NO_DEVICE, "the driver finds no NVIDIA GPU");
  devices.resize(count);
  return ATTN_OK;
}

AttnStatus CudaDriver::open(int number) {
  Device &device = devices[number];
  std::lock_guard<std::mutex> lock(mutex);
  if (device.context)
    return ATTN_OK;
  int id = 0;
  if (AttnStatus status = ATTN_CHECK(cuDeviceGet, &id, number))
    return status;
  enum { sharedOptIn = 97, major = 75, minor = 76 };
  int high = 0, low = 0;
  if (AttnStatus status =
          ATTN_CHECK(cuDeviceGetAttribute, &device.shared, sharedOptIn, id))
    return status;
  if (AttnStatus status = ATTN_CHECK(cuDeviceGetAttribute, &high, major, id))
    return status;
  if (AttnStatus status = ATTN_CHECK(cuDeviceGetAttribute, &low, minor, id))
    return status;
  device.version = 10 * high + low;
  // The context that PyTorch and the CUDA runtime use.
  return ATTN_CHECK(cuDevicePrimaryCtxRetain, &device.context, id);
}

AttnStatus CudaDriver::enter(int device) {
  if (device < 0 || size_t(device) >= devices.size())
    return fail(ATTN_NO_DEVICE, "expected a GPU below %zu, got %d",
                devices.size(), device);
  if (AttnStatus status = open(device))
    return status;
  return ATTN_CHECK(cuCtxPushCurrent, devices[device].context);
}

void CudaDriver::leave() {
  void *context = nullptr;
  cuda.cuCtxPopCurrent(&context);
}

bool CudaDriver::owns(const void *memory, int device) {
  constexpr int ordinal = 9;
  int owner = -1;
  if (cuda.cuPointerGetAttribute(&owner, ordinal,
                                 reinterpret_cast<uint64_t>(memory)) != 0)
    return false;
  return owner == device;
}

AttnStatus CudaDriver::load(const void *image, int64_t, void **module) {
  char log[512] = "";
  enum { errorLog = 5, errorLogBytes = 6 };
  int options[] = {errorLog, errorLogBytes};
  void *values[] = {log, reinterpret_cast<void *>(sizeof(log) - 1)};
  CudaResult result =
      cuda.cuModuleLoadDataEx(module, image, 2, options, values);
  if (result == 0)
    return ATTN_OK;
  return fail(ATTN_FAILED, "cuModuleLoadDataEx: error %d: %s%s%s", result,
              describe(cuda, result), *log ? ": " : "", log);
}

void CudaDriver::unload(void *module) { cuda.cuModuleUnload(module); }

AttnStatus CudaDriver::findKernel(void *module, const char *name,
                                  void **kernel) {
  return ATTN_CHECK(cuModuleGetFunction, kernel, module, name);
}

AttnStatus CudaDriver::allowShared(void *kernel, int64_t bytes) {
  constexpr int dynamicShared = 8;
  return ATTN_CHECK(cuFuncSetAttribute, kernel, dynamicShared, int(bytes));
}

AttnStatus CudaDriver::allocate(int64_t bytes, void **memory) {
  uint64_t address = 0;
  AttnStatus status = ATTN_CHECK(cuMemAlloc, &address, size_t(bytes));
  *memory = reinterpret_cast<void *>(address);
  return status;
}

void CudaDriver::free(void *memory) {
  cuda.cuMemFree(reinterpret_cast<uint64_t>(memory));
}

AttnStatus CudaDriver::upload(void *to, const void *host, int64_t bytes) {
  return ATTN_CHECK(cuMemcpyHtoD, reinterpret_cast<uint64_t>(to), host,
                    size_t(bytes));
}

AttnStatus CudaDriver::allocateOn(void *stream, int, int64_t bytes,
                                  void **memory) {
  uint64_t address = 0;
  AttnStatus status =
      ATTN_CHECK(cuMemAllocAsync, &address, size_t(bytes), stream);
  *memory = reinterpret_cast<void *>(address);
  return status;
}

AttnStatus CudaDriver::freeOn(void *stream, void *memory) {
  return ATTN_CHECK(cuMemFreeAsync, reinterpret_cast<uint64_t>(memory), stream);
}

AttnStatus CudaDriver::copyOn(void *stream, void *to, const void *from,
                              int64_t bytes) {
  return ATTN_CHECK(cuMemcpyDtoDAsync, reinterpret_cast<uint64_t>(to),
                    reinterpret_cast<uint64_t>(from), size_t(bytes), stream);
}

AttnStatus CudaDriver::readOn(void *stream, void *host, const void *from,
                              int64_t bytes) {
  if (AttnStatus status =
          ATTN_CHECK(cuMemcpyDtoHAsync, host, reinterpret_cast<uint64_t>(from),
                     size_t(bytes), stream))
    return status;
  return synchronize(stream);
}

AttnStatus CudaDriver::launchOn(void *stream, void *kernel,
                                const int64_t *geometry, void **parameters) {
  unsigned extent[7];
  for (int i = 0; i < 7; ++i)
    extent[i] = unsigned(geometry[i]);
  return ATTN_CHECK(cuLaunchKernel, kernel, extent[0], extent[1], extent[2],
                    extent[3], extent[4], extent[5], extent[6], stream,
                    parameters, nullptr);
}

AttnStatus CudaDriver::encodeMap(const AttnTensorMap &map,
                                 EncodedMap &encoded) {
  if (!cuda.cuTensorMapEncodeTiled)
    return fail(ATTN_NO_DEVICE,
                "the driver is too old for this library's kernels: expected "
                "function 'cuTensorMapEncodeTiled', got none");
  constexpr uint32_t dense[5] = {1, 1, 1, 1, 1};
  constexpr int noInterleave = 0, zeroFill = 0;
  return ATTN_CHECK(cuTensorMapEncodeTiled, encoded.bytes, map.element,
                    map.rank, reinterpret_cast<void *>(map.address),
                    map.extents, map.strides, map.box, dense, noInterleave,
                    map.swizzle, map.promotion, zeroFill);
}

AttnStatus CudaDriver::synchronize(void *stream) {
  return ATTN_CHECK(cuStreamSynchronize, stream);
}

} // namespace attn::runtime
