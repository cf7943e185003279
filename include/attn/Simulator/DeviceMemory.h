//===- DeviceMemory.h - the simulated device's global memory ----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Allocations with known bounds: simulated kernels and their host see the same
// addresses, and what lies between allocations belongs to nobody.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_SIMULATOR_DEVICEMEMORY_H
#define ATTN_SIMULATOR_DEVICEMEMORY_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <map>
#include <memory>

namespace attn::sim {

/// Global memory of one simulated device. Not thread-safe: one thread at a
/// time may use it, launches included. All sizes are in bytes.
class DeviceMemory {
public:
  /// No more than `limit` bytes are handed out at a time.
  /// Addresses start at `first`, above any host address: several memories can
  /// be visible to a kernel when they start at different ones.
  explicit DeviceMemory(uint64_t limit = uint64_t(16) << 30,
                        uint64_t first = uint64_t(1) << 56)
      : limit(limit), next(first) {}

  /// New memory, aligned to 256 bytes, filled with 0xff (NaN in every float
  /// type), at a device address that is no host address. Zero bytes are
  /// granted an address that nothing may be read from.
  llvm::Expected<uint64_t> allocate(uint64_t bytes);

  /// Makes the caller's own memory visible to kernels, under its host address:
  /// what a host program passes as device pointers in a simulation. It must
  /// stay alive until `release`.
  llvm::Error adopt(void *host, uint64_t bytes);

  /// Frees an allocation, or forgets an adopted range, by its first address.
  llvm::Error release(uint64_t address);

  llvm::Error copyIn(uint64_t to, llvm::ArrayRef<uint8_t> from);
  llvm::Error copyOut(llvm::MutableArrayRef<uint8_t> to, uint64_t from) const;
  llvm::Error copy(uint64_t to, uint64_t from, uint64_t bytes);
  llvm::Error fill(uint64_t to, uint8_t value, uint64_t bytes);

  /// Typed copies of whole arrays, for tests and tools.
  template <typename T> llvm::Error write(uint64_t to, llvm::ArrayRef<T> from) {
    return copyIn(to, {reinterpret_cast<const uint8_t *>(from.data()),
                       from.size() * sizeof(T)});
  }
  template <typename T>
  llvm::Error read(llvm::MutableArrayRef<T> to, uint64_t from) const {
    return copyOut(
        {reinterpret_cast<uint8_t *>(to.data()), to.size() * sizeof(T)}, from);
  }

  /// The host's view of `bytes` bytes at `address`; null when they are not
  /// wholly inside one allocation.
  uint8_t *find(uint64_t address, uint64_t bytes) const;

  /// The first address and the bytes of the allocation that `address` is in;
  /// no bytes when there is none.
  std::pair<uint64_t, uint64_t> rangeOf(uint64_t address) const;

  /// A sentence about `address`: which allocation is nearest, and how far.
  std::string describe(uint64_t address) const;

  uint64_t bytesInUse() const { return inUse; }

private:
  struct Range {
    uint64_t base = 0, bytes = 0;
    uint8_t *host = nullptr;
    std::unique_ptr<uint8_t[]> owned;
  };

  std::map<uint64_t, Range> ranges;
  mutable const Range *last = nullptr; // where the last access was found
  uint64_t limit, next, inUse = 0;
};

} // namespace attn::sim

#endif // ATTN_SIMULATOR_DEVICEMEMORY_H
