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
  // dynamic shared memory. parameters: the address of each parameter. A tensor
  // map is described by an AttnTensorMap, which has its size.
  void (*launch)(int32_t kernel, const int64_t *geometry, void **parameters);
} AttnGpuTable;

// How a copy writes 16-byte chunks of a box's rows into shared memory: their
// number is exclusive-ored with address bits from 7 on, in rows of so many
// bytes. As the driver and NVGPU number them, like the rest of the
// enumerations.
typedef enum {
  ATTN_SWIZZLE_NONE = 0,
  ATTN_SWIZZLE_32B = 1,
  ATTN_SWIZZLE_64B = 2,
  ATTN_SWIZZLE_128B = 3,
} AttnSwizzle;

typedef enum {
  ATTN_MAP_F16 = 6,
  ATTN_MAP_F32 = 7,
  ATTN_MAP_BF16 = 9
} AttnMapElement;

// A tensor in the device's memory and the box of it that one copy brings into
// shared memory; what is outside of the tensor becomes zero. Dimension 0 is the
// innermost one, of elements side by side.
typedef struct {
  uint64_t address;    // of the first element, a multiple of 16
  uint64_t extents[5]; // elements, up to 2^32; one of 0: nothing is copied
  uint64_t strides[4]; // bytes from one index of dimensions 1 to 4 to the next,
                       // multiples of 16 below 2^40 where the extent is not 1
  uint32_t box[5];     // elements, up to 256
  uint8_t rank;        // 1 to 5
  uint8_t element;     // an AttnMapElement
  uint8_t swizzle;     // an AttnSwizzle
  uint8_t promotion;   // 64 << (promotion - 1) bytes of the second-level cache
                       // are filled at once; 0: a sector
  uint64_t reserved[3];
} AttnTensorMap;

// Before the images in a library's attn_gpu_images: a header, then a record an
// image, then `launches` records of launches and `maps` of parameters that are
// tensor maps, then the bytes of the images, each at a multiple of 64. All
// numbers are little-endian.
typedef struct {
  char magic[8]; // "ATTNGPU3"
  uint32_t count;
  uint32_t launches;
  uint32_t maps;
  uint32_t reserved;
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

// A parameter through which a kernel of an image copies: the driver is to
// encode what the library describes. Other images take the same bytes and look
// at none.
typedef struct {
  uint32_t image;
  uint32_t kernel;
  uint32_t parameter;
} AttnGpuMap;

#ifdef __cplusplus
}
#endif

#endif // ATTN_RUNTIME_GPUTABLE_H
