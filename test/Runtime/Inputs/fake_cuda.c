// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A driver for GPUs that are not there: it hands out memory of the host, runs
// no kernels, and writes every call to the file FAKE_CUDA_LOG. FAKE_CUDA holds
// settings such as "devices=2 version=86 shared=101376 fail=cuMemAllocAsync:2".

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int Result;
typedef struct {
  char *begin;
  size_t bytes;
  int device;
} Block;

static Block blocks[1024];
static int numBlocks, current;

static long setting(const char *name, long otherwise) {
  const char *all = getenv("FAKE_CUDA"), *at = all ? strstr(all, name) : NULL;
  return at ? strtol(at + strlen(name) + 1, NULL, 10) : otherwise;
}

/// Notes the call; what it should answer.
static Result enter(const char *function, const char *detail) {
  const char *path = getenv("FAKE_CUDA_LOG"), *all = getenv("FAKE_CUDA");
  FILE *log = path ? fopen(path, "a") : NULL;
  if (log) {
    fprintf(log, "%s %s\n", function, detail);
    fclose(log);
  }
  const char *fail = all ? strstr(all, "fail=") : NULL;
  size_t length = strlen(function);
  if (fail && !strncmp(fail + 5, function, length) && fail[5 + length] == ':')
    return (Result)strtol(fail + 6 + length, NULL, 10);
  return 0;
}

Result cuInit(unsigned flags) { return (void)flags, enter("cuInit", ""); }
Result cuGetErrorString(int error, const char **text) {
  *text = error == 2 ? "out of memory" : error == 100 ? "no device" : "failure";
  return 0;
}
Result cuDeviceGetCount(int *count) {
  *count = (int)setting("devices", 1);
  return 0;
}
Result cuDeviceGet(int *device, int number) { return *device = number, 0; }
Result cuDeviceGetAttribute(int *value, int attribute, int device) {
  int version = (int)setting("version", 90);
  *value = attribute == 97   ? (int)setting("shared", 232448)
           : attribute == 75 ? version / 10
                             : version % 10;
  return (void)device, 0;
}
Result cuDevicePrimaryCtxRetain(void **context, int device) {
  *context = (void *)(intptr_t)(device + 1);
  return enter("cuDevicePrimaryCtxRetain", "");
}
Result cuCtxPushCurrent_v2(void *context) {
  current = (int)(intptr_t)context - 1;
  return 0;
}
Result cuCtxPopCurrent_v2(void **context) { return *context = NULL, 0; }
Result cuPointerGetAttribute(int *value, int attribute, uint64_t address) {
  (void)attribute;
  for (int i = 0; i < numBlocks; ++i)
    if (address - (uint64_t)(uintptr_t)blocks[i].begin < blocks[i].bytes)
      return *value = blocks[i].device, 0;
  return 1;
}
Result cuModuleLoadDataEx(void **module, const void *image, unsigned count,
                          int *options, void **values) {
  (void)count, (void)options, (void)values;
  int isText = memcmp(image, "//", 2) == 0;
  *module = (void *)image;
  return enter("cuModuleLoadDataEx", isText ? "ptx" : "cubin");
}
Result cuModuleUnload(void *module) {
  return (void)module, enter("cuModuleUnload", "");
}
Result cuModuleGetFunction(void **kernel, void *module, const char *name) {
  *kernel = (void *)name;
  return (void)module, enter("cuModuleGetFunction", name);
}
Result cuFuncSetAttribute(void *kernel, int attribute, int value) {
  char text[64];
  snprintf(text, sizeof(text), "%d %d", attribute, value);
  return (void)kernel, enter("cuFuncSetAttribute", text);
}

static Result allocate(const char *function, uint64_t *address, size_t bytes) {
  char text[32];
  snprintf(text, sizeof(text), "%zu", bytes);
  Result result = enter(function, text);
  if (result || numBlocks == 1024)
    return result ? result : 2;
  char *memory = aligned_alloc(256, (bytes + 255) / 256 * 256);
  blocks[numBlocks++] = (Block){memory, bytes, current};
  *address = (uint64_t)(uintptr_t)memory;
  return 0;
}
Result cuMemAlloc_v2(uint64_t *address, size_t bytes) {
  return allocate("cuMemAlloc", address, bytes);
}
Result cuMemAllocAsync(uint64_t *address, size_t bytes, void *stream) {
  return (void)stream, allocate("cuMemAllocAsync", address, bytes);
}
Result cuMemFree_v2(uint64_t address) {
  return (void)address, enter("cuMemFree", "");
}
Result cuMemFreeAsync(uint64_t address, void *stream) {
  return (void)address, (void)stream, enter("cuMemFreeAsync", "");
}

static void *pointer(uint64_t address) { return (void *)(uintptr_t)address; }
Result cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t bytes) {
  return memcpy(pointer(to), from, bytes), enter("cuMemcpyHtoD", "");
}
Result cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes,
                            void *stream) {
  memcpy(pointer(to), pointer(from), bytes);
  return (void)stream, enter("cuMemcpyDtoDAsync", "");
}
Result cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes,
                            void *stream) {
  memcpy(to, pointer(from), bytes);
  return (void)stream, enter("cuMemcpyDtoHAsync", "");
}
Result cuLaunchKernel(void *kernel, unsigned x, unsigned y, unsigned z,
                      unsigned blockX, unsigned blockY, unsigned blockZ,
                      unsigned shared, void *stream, void **parameters,
                      void **extra) {
  char text[256];
  snprintf(text, sizeof(text),
           "%s grid %u %u %u block %u %u %u shared %u "
           "stream %p",
           (const char *)kernel, x, y, z, blockX, blockY, blockZ, shared,
           stream);
  return (void)parameters, (void)extra, enter("cuLaunchKernel", text);
}
#ifndef WITHOUT_MAPS
Result cuTensorMapEncodeTiled(void *map, int type, uint32_t rank, void *address,
                              const uint64_t *extents, const uint64_t *strides,
                              const uint32_t *box, const uint32_t *steps,
                              int interleave, int swizzle, int promotion,
                              int fill) {
  char text[512];
  int at = snprintf(text, sizeof(text), "type %d extents", type);
  for (uint32_t dim = 0; dim < rank; ++dim)
    at += snprintf(text + at, sizeof(text) - at, " %llu",
                   (unsigned long long)extents[dim]);
  at += snprintf(text + at, sizeof(text) - at, " strides");
  for (uint32_t dim = 1; dim < rank; ++dim)
    at += snprintf(text + at, sizeof(text) - at, " %llu",
                   (unsigned long long)strides[dim - 1]);
  at += snprintf(text + at, sizeof(text) - at, " box");
  for (uint32_t dim = 0; dim < rank; ++dim)
    at +=
        snprintf(text + at, sizeof(text) - at, " %u/%u", box[dim], steps[dim]);
  snprintf(text + at, sizeof(text) - at, " modes %d %d %d %d aligned %d %d",
           interleave, swizzle, promotion, fill, (uintptr_t)map % 64 == 0,
           (uintptr_t)address % 16 == 0);
  memset(map, 0x5a, 128);
  return enter("cuTensorMapEncodeTiled", text);
}
#endif
Result cuStreamSynchronize(void *stream) {
  return (void)stream, enter("cuStreamSynchronize", "");
}
