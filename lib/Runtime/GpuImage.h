// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A look at the kernels of a library before the driver sees them: it is given
// an address without a length, and would read on where bytes are missing.

#ifndef ATTN_LIB_RUNTIME_GPUIMAGE_H
#define ATTN_LIB_RUNTIME_GPUIMAGE_H

#include "attn/Runtime/GpuTable.h"

#include <cstddef>

namespace attn::runtime {

/// What of an image of `kind` is not as it should be, or null: PTX has to end
/// in a zero, machine code to be an ELF file with all its sections in `bytes`.
const char *findDamage(AttnGpuImageKind kind, const void *data, size_t bytes);

} // namespace attn::runtime

#endif // ATTN_LIB_RUNTIME_GPUIMAGE_H
