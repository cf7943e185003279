// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Calls of libraries for GPUs on arrays of the host, with the copies that this
// takes: attn-run reads files and writes files.

#ifndef ATTN_LIB_RUN_DEVICECALL_H
#define ATTN_LIB_RUN_DEVICECALL_H

#include "Library.h"

namespace attn::run {

/// Memory of the host for the results of a call.
llvm::Expected<std::vector<ManagedTensor>>
allocateOnHost(const AttnModule *module, int64_t entry,
               llvm::ArrayRef<const DLTensor *> inputs,
               llvm::ArrayRef<AttnTensorInfo> results);

/// Copies to GPU 0, calls, and copies back.
llvm::Error callOnDevice(const AttnModule *module, int64_t entry,
                         llvm::ArrayRef<const DLTensor *> inputs,
                         llvm::ArrayRef<const DLTensor *> outputs);

} // namespace attn::run

#endif // ATTN_LIB_RUN_DEVICECALL_H
