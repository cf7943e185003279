// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The functions through which a compiled library for GPUs reaches its device:
// the runtime puts the address of such a table into the library's variable
// attn_gpu. None of them reports a failure to the library; the first one of a
// call is noted, and until the call is over the rest does nothing.

#ifndef ATTN_RUNTIME_GPUTABLE_H
#define ATTN_RUNTIME_GPUTABLE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// The places of the functions in the table.
typedef enum {
  ATTN_GPU_ALLOCATE = 0,
  ATTN_GPU_FREE = 1,
  ATTN_GPU_COPY = 2,
  ATTN_GPU_CONSTANT = 3,
  ATTN_GPU_READ = 4,
  ATTN_GPU_LAUNCH = 5,
} AttnGpuFunction;

// Everything happens in the order of the calls.
typedef struct {
  // Memory of the device, aligned to 256 bytes.
  void *(*allocate)(int64_t bytes);
  void (*free)(void *memory);
  // Between two places of the device that do not overlap.
  void (*copy)(void *to, const void *from, int64_t bytes);
  // The device's copy of a constant of the library, made at the first use.
  void *(*constant)(const void *host, int64_t bytes);
  // Into memory of the host, after everything before is done.
  void (*read)(void *host, const void *from, int64_t bytes);
  // geometry: blocks in x, y, z; threads of a block in x, y, z; bytes of
  // dynamic shared memory. parameters: the address of each parameter.
  void (*launch)(int32_t kernel, const int64_t *geometry, void **parameters);
} AttnGpuTable;

// Before the images in a library's attn_gpu_images: a header, then a record an
// image, then `launches` records of launches, then the bytes of the images,
// each at a multiple of 64. All numbers are little-endian.
typedef struct {
  char magic[8]; // "ATTNGPU2"
  uint32_t count;
  uint32_t launches;
} AttnGpuHeader;

typedef enum {
  ATTN_GPU_CUBIN = 1,
  ATTN_GPU_PTX = 2,  // text that ends in a zero
  ATTN_GPU_LLVM = 3, // bitcode, for the simulator
} AttnGpuImageKind;

typedef struct {
  uint32_t kind;   // an AttnGpuImageKind
  char sm[12];     // such as 80 or 90a
  uint64_t offset; // from the header
  uint64_t bytes;
} AttnGpuImage;

// How a kernel is launched from an image where not as the library says: the
// grid is the same, the blocks are not.
typedef struct {
  uint32_t image;   // its number
  uint32_t kernel;  // its number, as `launch` has it
  uint32_t threads; // of a block, in x; 1 in y and z
  uint32_t shared;  // bytes of dynamic shared memory
} AttnGpuLaunch;

#ifdef __cplusplus
}
#endif

#endif // ATTN_RUNTIME_GPUTABLE_H
