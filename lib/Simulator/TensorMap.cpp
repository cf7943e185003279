//===- TensorMap.cpp - tensors as bulk copies see them --------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The checks are those that the CUDA driver API documents for
// cuTensorMapEncodeTiled without interleaving; the swizzles those of the PTX
// ISA's "Swizzling Modes".
//
//===----------------------------------------------------------------------===//

#include "attn/Simulator/TensorMap.h"

#include "llvm/Support/FormatVariadic.h"

#include <cstring>

using namespace attn::sim;

static constexpr uint64_t kChunk = 16;

static_assert(std::is_trivially_copyable_v<TensorMap>);

namespace {
/// What the 128 bytes hold.
struct Encoded {
  char magic[8];
  TensorMap map;
};
static_assert(sizeof(Encoded) <= sizeof(TensorMapBytes));
constexpr char kMagic[8] = {'a', 't', 't', 'n', '.', 'm', 'a', 'p'};
} // namespace

template <typename... Args>
static llvm::Error refuse(const char *format, Args &&...args) {
  return llvm::createStringError(
      "tensor map: " +
      llvm::formatv(format, std::forward<Args>(args)...).str());
}

uint64_t TensorMap::place(uint64_t base, uint64_t offset) const {
  uint64_t at = base + offset;
  // Chunks of 16 bytes, bits 4 and up, by rows of 128, bits 7 and up.
  uint64_t chunks = swizzle / kChunk;
  return chunks ? at ^ ((at >> 7 & (chunks - 1)) << 4) : at;
}

static llvm::Error checkDim(const TensorMap &map, unsigned dim) {
  constexpr uint64_t mostElements = uint64_t(1) << 32, strideLimit = uint64_t(1)
                                                                     << 40;
  constexpr uint32_t mostOfBox = 256;
  uint64_t extent = map.extents[dim];
  if (extent < 1 || extent > mostElements)
    return refuse("expected 1 to 2^32 elements in dimension {0}, got {1}", dim,
                  extent);
  if (dim > 0)
    if (uint64_t stride = map.strides[dim - 1];
        stride % kChunk || stride >= strideLimit)
      return refuse("expected a stride of dimension {0} that is a multiple of "
                    "16 bytes below 2^40, got {1}",
                    dim, stride);
  if (map.box[dim] < 1 || map.box[dim] > mostOfBox)
    return refuse("expected a box of 1 to 256 elements in dimension {0}, got "
                  "{1}",
                  dim, map.box[dim]);
  return llvm::Error::success();
}

llvm::Expected<TensorMapBytes>
attn::sim::encodeTensorMap(const TensorMap &map) {
  if (map.rank < 1 || map.rank > TensorMap::kMostDims)
    return refuse("expected 1 to 5 dimensions, got {0}", unsigned(map.rank));
  if (map.address % kChunk)
    return refuse("expected an address that is a multiple of 16, got {0:x}",
                  map.address);
  for (unsigned dim = 0; dim < map.rank; ++dim)
    if (llvm::Error error = checkDim(map, dim))
      return std::move(error);
  uint64_t row = uint64_t(map.box[0]) * map.elementBytes;
  if (row % kChunk)
    return refuse("expected rows of the box of a multiple of 16 bytes, got {0}",
                  row);
  if (map.swizzle && row > map.swizzle)
    return refuse("expected rows of the box of up to {0} bytes, which are "
                  "swizzled, got {1}",
                  unsigned(map.swizzle), row);
  if (map.swizzle && row < map.swizzle)
    return refuse("rows of the box that are shorter than the swizzle of {0} "
                  "bytes are not supported, got {1}",
                  unsigned(map.swizzle), row);
  Encoded encoded;
  std::memcpy(encoded.magic, kMagic, sizeof(kMagic));
  encoded.map = map;
  TensorMapBytes bytes{};
  std::memcpy(bytes.data(), &encoded, sizeof(encoded));
  return bytes;
}

std::optional<TensorMap> attn::sim::decodeTensorMap(const uint8_t *bytes) {
  Encoded encoded;
  std::memcpy(&encoded, bytes, sizeof(encoded));
  if (std::memcmp(encoded.magic, kMagic, sizeof(kMagic)) != 0)
    return std::nullopt;
  return encoded.map;
}
