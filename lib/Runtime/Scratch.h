// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Memory that a thread keeps between parallel regions, so that a kernel's
// packed tiles stay in cache and are never allocated inside a call. Nested
// regions each get their own buffer, since the outer body still uses its one.

#ifndef ATTN_LIB_RUNTIME_SCRATCH_H
#define ATTN_LIB_RUNTIME_SCRATCH_H

#include <cstddef>
#include <cstdint>

namespace attn::runtime {

/// Allocates memory aligned to 64 bytes, or to 2 MiB with huge pages asked for
/// when it is that large. Null when there is none.
void *allocateAligned(size_t bytes);
void freeAligned(void *memory, size_t bytes);

/// Counts how deep the calling thread is in parallel regions, for as long as
/// this object lives.
class RegionScope {
public:
  RegionScope();
  ~RegionScope();
  RegionScope(const RegionScope &) = delete;
  RegionScope &operator=(const RegionScope &) = delete;

  /// The thread's buffer of this depth, grown to `bytes`; null when memory ran
  /// out.
  void *scratch(int64_t bytes);

  static bool isInside();
};

} // namespace attn::runtime

#endif // ATTN_LIB_RUNTIME_SCRATCH_H
