// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Memory that a thread keeps between parallel regions. Large buffers go to
// mmap, because only there can they be aligned for huge pages, which save the
// kernels most of their TLB misses.

#include "Scratch.h"

#include <cstdlib>
#include <sys/mman.h>
#include <vector>

namespace attn::runtime {

static constexpr size_t smallAlignment = 64;
static constexpr size_t hugePage = size_t(2) << 20;

static size_t roundUp(size_t bytes, size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

static void *mapHuge(size_t bytes) {
  size_t size = roundUp(bytes, hugePage);
  size_t padded = size + hugePage;
  void *raw = mmap(nullptr, padded, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED)
    return nullptr;
  // Keep the aligned middle and give the two ends back.
  auto start = reinterpret_cast<uintptr_t>(raw);
  uintptr_t aligned = roundUp(start, hugePage);
  if (aligned != start)
    munmap(raw, aligned - start);
  if (uintptr_t tail = start + padded - (aligned + size))
    munmap(reinterpret_cast<void *>(aligned + size), tail);
  auto *memory = reinterpret_cast<void *>(aligned);
  madvise(memory, size, MADV_HUGEPAGE);
  return memory;
}

void *allocateAligned(size_t bytes) {
  if (bytes > size_t(PTRDIFF_MAX) - 2 * hugePage)
    return nullptr;
  if (bytes >= hugePage)
    return mapHuge(bytes);
  return std::aligned_alloc(smallAlignment,
                            roundUp(bytes ? bytes : 1, smallAlignment));
}

void freeAligned(void *memory, size_t bytes) {
  if (!memory)
    return;
  if (bytes >= hugePage)
    munmap(memory, roundUp(bytes, hugePage));
  else
    std::free(memory);
}

namespace {
struct Buffer {
  void *memory = nullptr;
  size_t bytes = 0;
};

/// The buffers of one thread, one for each nesting depth, freed when the thread
/// ends.
struct ThreadBuffers {
  std::vector<Buffer> buffers;
  size_t depth = 0;

  ~ThreadBuffers() {
    for (Buffer &buffer : buffers)
      freeAligned(buffer.memory, buffer.bytes);
  }
};
} // namespace

static ThreadBuffers &threadBuffers() {
  static thread_local ThreadBuffers state;
  return state;
}

RegionScope::RegionScope() { ++threadBuffers().depth; }
RegionScope::~RegionScope() { --threadBuffers().depth; }
bool RegionScope::isInside() { return threadBuffers().depth != 0; }

void *RegionScope::scratch(int64_t bytes) {
  if (bytes < 0)
    return nullptr;
  ThreadBuffers &state = threadBuffers();
  if (state.buffers.size() < state.depth)
    state.buffers.resize(state.depth);
  Buffer &buffer = state.buffers[state.depth - 1];
  if (buffer.memory && buffer.bytes >= size_t(bytes))
    return buffer.memory;
  // The old contents are of no use: free first, so that the peak is the larger
  // of the two and not their sum.
  freeAligned(buffer.memory, buffer.bytes);
  buffer = {allocateAligned(size_t(bytes)), size_t(bytes)};
  return buffer.memory;
}

} // namespace attn::runtime
