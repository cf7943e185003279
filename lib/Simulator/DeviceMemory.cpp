//===- DeviceMemory.cpp - the simulated device's global memory ------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Allocations get addresses of their own with a gap between them, so that an
// overrun lands nowhere.
//
//===----------------------------------------------------------------------===//

#include "attn/Simulator/DeviceMemory.h"

#include "llvm/Support/FormatVariadic.h"

#include <cstring>
#include <new>

using namespace attn::sim;

template <typename... Args>
static llvm::Error failure(const char *format, Args &&...args) {
  return llvm::createStringError(
      llvm::formatv(format, std::forward<Args>(args)...).str());
}

llvm::Expected<uint64_t> DeviceMemory::allocate(uint64_t bytes) {
  constexpr uint64_t kAlign = 256, kGap = 4096;
  if (bytes > limit || inUse > limit - bytes)
    return failure("out of simulated device memory: {0} bytes on top of {1}",
                   bytes, inUse);
  Range range;
  range.owned.reset(new (std::nothrow) uint8_t[bytes]);
  if (!range.owned)
    return failure("out of host memory: {0} bytes", bytes);
  std::memset(range.owned.get(), 0xff, bytes);
  range.base = next;
  range.bytes = bytes;
  range.host = range.owned.get();
  next += (bytes + kGap + kAlign - 1) / kAlign * kAlign;
  inUse += bytes;
  uint64_t base = range.base;
  ranges.emplace(base, std::move(range));
  return base;
}

llvm::Error DeviceMemory::adopt(void *host, uint64_t bytes) {
  uint64_t base = reinterpret_cast<uintptr_t>(host);
  auto after = ranges.lower_bound(base);
  bool clash = after != ranges.end() && after->first < base + bytes;
  if (after != ranges.begin()) {
    const Range &before = std::prev(after)->second;
    clash |= before.base + before.bytes > base;
  }
  if (!host || clash)
    return failure("expected host memory that is not adopted yet, got {0:x}",
                   base);
  Range range;
  range.base = base;
  range.bytes = bytes;
  range.host = static_cast<uint8_t *>(host);
  ranges.emplace(base, std::move(range));
  return llvm::Error::success();
}

llvm::Error DeviceMemory::release(uint64_t address) {
  auto it = ranges.find(address);
  if (it == ranges.end())
    return failure("expected the start of an allocation, got {0}",
                   describe(address));
  if (it->second.owned)
    inUse -= it->second.bytes;
  last = nullptr;
  ranges.erase(it);
  return llvm::Error::success();
}

uint8_t *DeviceMemory::find(uint64_t address, uint64_t bytes) const {
  auto inside = [&](const Range &range) {
    return address >= range.base && address - range.base <= range.bytes &&
           bytes <= range.bytes - (address - range.base);
  };
  if (!last || !inside(*last)) {
    auto after = ranges.upper_bound(address);
    if (after == ranges.begin() || !inside(std::prev(after)->second))
      return nullptr;
    last = &std::prev(after)->second;
  }
  return last->host + (address - last->base);
}

std::pair<uint64_t, uint64_t> DeviceMemory::rangeOf(uint64_t address) const {
  if (!find(address, 1))
    return {0, 0};
  return {last->base, last->bytes};
}

std::string DeviceMemory::describe(uint64_t address) const {
  auto after = ranges.upper_bound(address);
  if (after != ranges.begin()) {
    const Range &range = std::prev(after)->second;
    return llvm::formatv("address {0:x}, byte {1} of an allocation of {2}",
                         address, address - range.base, range.bytes);
  }
  if (after != ranges.end())
    return llvm::formatv("address {0:x}, {1} bytes before an allocation",
                         address, after->first - address);
  return llvm::formatv("address {0:x}, with nothing allocated", address);
}

llvm::Error DeviceMemory::copyIn(uint64_t to, llvm::ArrayRef<uint8_t> from) {
  uint8_t *host = find(to, from.size());
  if (!host && !from.empty())
    return failure("copy of {0} bytes to {1}", from.size(), describe(to));
  if (!from.empty())
    std::memcpy(host, from.data(), from.size());
  return llvm::Error::success();
}

llvm::Error DeviceMemory::copyOut(llvm::MutableArrayRef<uint8_t> to,
                                  uint64_t from) const {
  const uint8_t *host = find(from, to.size());
  if (!host && !to.empty())
    return failure("copy of {0} bytes from {1}", to.size(), describe(from));
  if (!to.empty())
    std::memcpy(to.data(), host, to.size());
  return llvm::Error::success();
}

llvm::Error DeviceMemory::copy(uint64_t to, uint64_t from, uint64_t bytes) {
  const uint8_t *source = find(from, bytes);
  if (!source && bytes)
    return failure("copy of {0} bytes from {1}", bytes, describe(from));
  uint8_t *target = find(to, bytes);
  if (!target && bytes)
    return failure("copy of {0} bytes to {1}", bytes, describe(to));
  if (bytes)
    std::memmove(target, source, bytes);
  return llvm::Error::success();
}

llvm::Error DeviceMemory::fill(uint64_t to, uint8_t value, uint64_t bytes) {
  uint8_t *host = find(to, bytes);
  if (!host && bytes)
    return failure("fill of {0} bytes at {1}", bytes, describe(to));
  if (bytes)
    std::memset(host, value, bytes);
  return llvm::Error::success();
}
