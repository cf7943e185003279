//===- TensorMap.h - tensors as bulk copies see them ------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What cuTensorMapEncodeTiled encodes, in a form of the simulator's own: 128
// bytes that a kernel gets as a parameter or finds in memory.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_SIMULATOR_TENSORMAP_H
#define ATTN_SIMULATOR_TENSORMAP_H

#include "llvm/Support/Error.h"

#include <array>
#include <cstdint>
#include <optional>

namespace attn::sim {

/// A tensor in global memory and the box of it that one copy moves. Dimension
/// 0 is the innermost; elements outside of the tensor are zero.
struct TensorMap {
  static constexpr unsigned kMostDims = 5;
  uint8_t rank = 0, elementBytes = 0;
  /// Bytes of the rows whose 16-byte chunks are permuted: 0, 32, 64 or 128.
  uint8_t swizzle = 0;
  uint64_t address = 0;                          // of the first element
  std::array<uint64_t, kMostDims> extents{};     // elements
  std::array<uint64_t, kMostDims - 1> strides{}; // bytes, from dimension 1
  std::array<uint32_t, kMostDims> box{};         // elements

  uint64_t boxBytes() const {
    uint64_t bytes = elementBytes;
    for (unsigned dim = 0; dim < rank; ++dim)
      bytes *= box[dim];
    return bytes;
  }
  /// Where byte `offset` of a box lies that starts at shared address `base`.
  uint64_t place(uint64_t base, uint64_t offset) const;
};

using TensorMapBytes = std::array<uint8_t, 128>;

/// Refuses what the driver's documentation does: addresses that are no
/// multiples of 16, extents that are not from 1 to 2^32, strides that are no
/// multiples of 16 below 2^40, boxes beyond 256 elements, inner rows that are
/// no multiples of 16 bytes or longer than what is swizzled. Also swizzled rows
/// that are shorter than the swizzle, whose places are not documented.
llvm::Expected<TensorMapBytes> encodeTensorMap(const TensorMap &map);

/// Nothing where `bytes` are no encoded map.
std::optional<TensorMap> decodeTensorMap(const uint8_t *bytes);

} // namespace attn::sim

#endif // ATTN_SIMULATOR_TENSORMAP_H
