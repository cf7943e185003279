// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The kernels that a library carries, by architecture: for questions about
// their text. Running them is the runtime's.

#ifndef ATTN_LIB_RUN_IMAGES_H
#define ATTN_LIB_RUN_IMAGES_H

#include "attn/Runtime/GpuTable.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace attn::run {

struct GpuImage {
  AttnGpuImageKind kind;
  std::string sm;
  std::string bytes;
};

/// Of a library that the runtime has opened already.
llvm::Expected<std::vector<GpuImage>> readImages(const std::string &path);

} // namespace attn::run

#endif // ATTN_LIB_RUN_IMAGES_H
