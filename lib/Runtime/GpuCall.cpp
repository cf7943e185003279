// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The functions that a library for GPUs calls. The first failure of a call is
// kept; after it nothing is done but freeing.

#include "GpuCall.h"

#include "CudaDriver.h"
#include "DataTypes.h"
#include "Error.h"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace attn::runtime {

static thread_local GpuCall *currentCall = nullptr;

static std::atomic<GpuDriver *> &chosenDriver() {
  static std::atomic<GpuDriver *> driver{nullptr};
  return driver;
}

void setGpuDriver(GpuDriver *driver) { chosenDriver() = driver; }

GpuDriver *gpuDriver() {
  if (GpuDriver *driver = chosenDriver())
    return driver;
  // Asked once: a driver does not appear while a program runs. It is never
  // freed, as libraries may be closed at the very end.
  struct Found {
    CudaDriver *driver = new CudaDriver;
    AttnStatus status = driver->load();
    std::string message = lastMessage();
  };
  static const Found &found = *new Found;
  if (found.status == ATTN_OK)
    return found.driver;
  fail(found.status, "%s", found.message.c_str());
  return nullptr;
}

AttnStatus GpuCall::begin(int number) {
  driver = gpuDriver();
  if (!driver)
    return ATTN_NO_DEVICE;
  if (AttnStatus failure = driver->enter(number))
    return failure;
  entered = true;
  outer = currentCall;
  currentCall = this;
  return library.use(*driver, number, device);
}

GpuCall::~GpuCall() {
  if (!entered)
    return;
  currentCall = outer;
  driver->leave();
}

AttnStatus GpuCall::end(bool wait) {
  if (status)
    return fail(status, "%s", message.c_str());
  return wait ? driver->synchronize(stream) : ATTN_OK;
}

void GpuCall::note(AttnStatus failure) {
  if (failure == ATTN_OK || status != ATTN_OK)
    return;
  status = failure;
  message = lastMessage();
}

void *GpuCall::allocate(int64_t bytes) {
  GpuCall *call = currentCall;
  void *memory = nullptr;
  if (call && !call->status)
    call->note(call->driver->allocateOn(call->stream, call->device->number,
                                        bytes > 0 ? bytes : 1, &memory));
  return memory;
}

void GpuCall::free(void *memory) {
  if (GpuCall *call = currentCall; call && memory)
    call->note(call->driver->freeOn(call->stream, memory));
}

void GpuCall::copy(void *to, const void *from, int64_t bytes) {
  GpuCall *call = currentCall;
  if (call && !call->status && bytes > 0 && to != from)
    call->note(call->driver->copyOn(call->stream, to, from, bytes));
}

void *GpuCall::constant(const void *host, int64_t bytes) {
  GpuCall *call = currentCall;
  void *memory = nullptr;
  if (call && !call->status)
    call->note(call->library.constant(*call->driver, *call->device, host, bytes,
                                      memory));
  return memory;
}

void GpuCall::read(void *host, const void *from, int64_t bytes) {
  GpuCall *call = currentCall;
  memset(host, 0,
         size_t(bytes)); // what the library goes on with after a failure
  if (call && !call->status)
    call->note(call->driver->readOn(call->stream, host, from, bytes));
}

void GpuCall::launch(int32_t index, const int64_t *asked, void **parameters) {
  GpuCall *call = currentCall;
  if (!call || call->status)
    return;
  for (int i = 0; i < 3; ++i)
    if (asked[i] == 0)
      return; // no blocks, no work
  int64_t geometry[7];
  std::copy(asked, asked + 7, geometry);
  void *kernel = nullptr;
  if (AttnStatus failure = call->library.kernel(*call->driver, *call->device,
                                                index, geometry, kernel))
    return call->note(failure);
  constexpr int64_t limits[] = {INT32_MAX, 65535, 65535, 1024, 1024, 64};
  for (int i = 0; i < 6; ++i)
    if (geometry[i] < 0 || geometry[i] > limits[i])
      return call->note(
          fail(ATTN_FAILED,
               "expected at most %lld blocks or threads in a dimension, got "
               "%lld",
               (long long)limits[i], (long long)geometry[i]));
  call->note(call->launch(kernel, index, geometry, parameters));
}

/// What the driver takes: no kernel copies from a tensor without elements, and
/// where the extent is 1 any stride will do.
static bool makeValid(AttnTensorMap &map) {
  constexpr uint64_t anyStride = 16;
  for (int dim = 0; dim < map.rank && dim < 5; ++dim) {
    if (map.extents[dim] == 0)
      return false;
    if (dim > 0 && map.extents[dim] == 1)
      map.strides[dim - 1] = anyStride;
  }
  return true;
}

AttnStatus GpuCall::launch(void *kernel, int32_t index, const int64_t *geometry,
                           void **parameters) {
  const auto &maps = device->image->maps;
  auto found = maps.find(index);
  if (found == maps.end())
    return driver->launchOn(stream, kernel, geometry, parameters);
  // The descriptions stay: another launch may have the same one.
  std::vector<EncodedMap> encoded(found->second.size());
  std::vector<void *> descriptions;
  AttnStatus failure = ATTN_OK;
  for (uint32_t parameter : found->second) {
    void *&place = parameters[parameter];
    EncodedMap &own = encoded[descriptions.size()];
    AttnTensorMap map;
    memcpy(&map, place, sizeof(map));
    if (!failure && makeValid(map))
      failure = driver->encodeMap(map, own);
    descriptions.push_back(place);
    place = own.bytes;
  }
  if (!failure)
    failure = driver->launchOn(stream, kernel, geometry, parameters);
  for (size_t i = 0; i < descriptions.size(); ++i)
    parameters[found->second[i]] = descriptions[i];
  return failure;
}

const AttnGpuTable *GpuCall::table() {
  static const AttnGpuTable table = {allocate, free, copy,
                                     constant, read, launch};
  return &table;
}

namespace {
struct GpuTensor {
  DLManagedTensor managed{};
  std::vector<int64_t> shape;
  GpuDriver *driver;

  ~GpuTensor() {
    DLTensor &tensor = managed.dl_tensor;
    if (!tensor.data || driver->enter(tensor.device.device_id))
      return;
    driver->free(tensor.data);
    driver->leave();
  }
};
} // namespace

DLManagedTensor *allocateGpuTensor(int device, const DLDataType &dtype,
                                   const int64_t *shape, int rank) {
  GpuDriver *driver = gpuDriver();
  if (!driver || driver->enter(device))
    return nullptr;
  auto owned = std::make_unique<GpuTensor>();
  owned->driver = driver;
  owned->shape.assign(shape, shape + rank);
  DLTensor &tensor = owned->managed.dl_tensor;
  tensor.device = {kDLCUDA, device};
  tensor.ndim = rank;
  tensor.dtype = dtype;
  tensor.shape = owned->shape.data();
  int64_t bytes = byteSize(dtype);
  bool fits = true;
  for (int64_t extent : owned->shape)
    fits &= !__builtin_mul_overflow(bytes, extent, &bytes);
  AttnStatus status =
      fits ? driver->allocate(bytes > 0 ? bytes : 1, &tensor.data)
           : fail(ATTN_OUT_OF_MEMORY, "no memory for a result of that size");
  driver->leave();
  if (status)
    return nullptr;
  owned->managed.manager_ctx = owned.get();
  owned->managed.deleter = [](DLManagedTensor *self) {
    delete static_cast<GpuTensor *>(self->manager_ctx);
  };
  return &owned.release()->managed;
}

} // namespace attn::runtime
