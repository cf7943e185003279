// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The part of the DLPack 0.x memory layout that the C API exchanges with array
// libraries. It is declared here, layout for layout, so that a user needs no
// further package; a real <dlpack/dlpack.h> included earlier is used instead.

#ifndef ATTN_RUNTIME_DLPACK_H
#define ATTN_RUNTIME_DLPACK_H

#ifndef DLPACK_DLPACK_H_
#define DLPACK_DLPACK_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  kDLCPU = 1,
  kDLCUDA = 2,
  kDLCUDAHost = 3, // pinned memory, which the CPU reads like any other
} DLDeviceType;

typedef struct {
  int32_t device_type; // a DLDeviceType; wider than our enumeration, so kept as
                       // an integer
  int32_t device_id;
} DLDevice;

typedef enum {
  kDLInt = 0,
  kDLUInt = 1,
  kDLFloat = 2,
  kDLBfloat = 4,
  kDLBool = 6,
} DLDataTypeCode;

typedef struct {
  uint8_t code; // a DLDataTypeCode
  uint8_t bits;
  uint16_t lanes;
} DLDataType;

typedef struct {
  void *data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t *shape;
  int64_t *strides; // in elements; null means row-major and contiguous
  uint64_t byte_offset;
} DLTensor;

typedef struct DLManagedTensor {
  DLTensor dl_tensor;
  void *manager_ctx;
  void (*deleter)(struct DLManagedTensor *self);
} DLManagedTensor;

#ifdef __cplusplus
}
#endif

#endif // DLPACK_DLPACK_H_
#endif // ATTN_RUNTIME_DLPACK_H
