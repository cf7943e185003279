//===- TensorMapType.h - tensor maps in the LLVM dialect --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Host and kernels agree on what a !nvgpu.tensormap.descriptor becomes.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_GPU_TENSORMAPTYPE_H
#define ATTN_LIB_TARGET_GPU_TENSORMAPTYPE_H

#include "attn/Runtime/GpuTable.h"

#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"

namespace mlir::attn {

/// A map is the address of its bytes.
inline void addTensorMapConversion(LLVMTypeConverter &converter) {
  converter.addConversion([](nvgpu::TensorMapDescriptorType type) -> Type {
    return LLVM::LLVMPointerType::get(type.getContext());
  });
}

/// The bytes, of a description as of what the driver encodes.
inline LLVM::LLVMArrayType getTensorMapBytes(MLIRContext *context) {
  constexpr unsigned words = sizeof(AttnTensorMap) / sizeof(uint64_t);
  return LLVM::LLVMArrayType::get(IntegerType::get(context, 64), words);
}

} // namespace mlir::attn

#endif // ATTN_LIB_TARGET_GPU_TENSORMAPTYPE_H
