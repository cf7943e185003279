// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An array that owns its memory, and its elements as doubles: slow and simple,
// for checksums and comparisons outside the timed part.

#include "Array.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/bit.h"

#include <cmath>
#include <cstring>

namespace attn::run {

llvm::Expected<Array> Array::create(DLDataType type,
                                    llvm::ArrayRef<int64_t> shape) {
  int64_t bytes = type.bits / 8;
  for (int64_t extent : shape)
    if (extent < 0 || __builtin_mul_overflow(bytes, extent, &bytes))
      return makeError("expected extents whose size fits into 63 bits, got " +
                       describe("shape ", shape));
  Array array;
  array.dtype = type;
  array.extents = shape.vec();
  array.size = size_t(bytes);
  constexpr size_t alignment = 64;
  if (array.size <= size_t(INT64_MAX) - alignment)
    array.data.reset(static_cast<uint8_t *>(std::aligned_alloc(
        alignment, (array.size / alignment + 1) * alignment)));
  if (!array.data)
    return makeError("no memory for " + llvm::Twine(bytes) + " bytes");
  return array;
}

DLTensor Array::tensor() {
  DLTensor tensor{};
  tensor.data = data.get();
  tensor.device = {kDLCPU, 0};
  tensor.ndim = int32_t(extents.size());
  tensor.dtype = dtype;
  tensor.shape = extents.data();
  return tensor;
}

int64_t Array::count() const {
  int64_t count = 1;
  for (int64_t extent : extents)
    count *= extent;
  return count;
}

template <typename T> static T load(const void *data, int64_t index) {
  T value;
  std::memcpy(&value, static_cast<const char *>(data) + index * sizeof(T),
              sizeof(T));
  return value;
}

template <typename T> static void store(void *data, int64_t index, T value) {
  std::memcpy(static_cast<char *>(data) + index * sizeof(T), &value, sizeof(T));
}

/// Calls `function` with a null pointer to the C++ type of `type`; bfloat16 is
/// left to the caller, since C++20 has no type for it.
template <typename F> static auto dispatch(DLDataType type, F function) {
  if (type.code == kDLFloat)
    return type.bits == 64   ? function((double *)nullptr)
           : type.bits == 32 ? function((float *)nullptr)
                             : function((_Float16 *)nullptr);
  if (type.code == kDLInt)
    return type.bits == 64   ? function((int64_t *)nullptr)
           : type.bits == 32 ? function((int32_t *)nullptr)
           : type.bits == 16 ? function((int16_t *)nullptr)
                             : function((int8_t *)nullptr);
  return type.bits == 64   ? function((uint64_t *)nullptr)
         : type.bits == 32 ? function((uint32_t *)nullptr)
         : type.bits == 16 ? function((uint16_t *)nullptr)
                           : function((uint8_t *)nullptr);
}

double readElement(DLDataType type, const void *data, int64_t index) {
  if (type.code == kDLBfloat)
    return llvm::bit_cast<float>(uint32_t(load<uint16_t>(data, index)) << 16);
  return dispatch(
      type, [&]<typename T>(T *) { return double(load<T>(data, index)); });
}

/// To nearest, ties to even.
static uint16_t roundToBfloat16(float value) {
  uint32_t bits = llvm::bit_cast<uint32_t>(value);
  if (std::isnan(value))
    return uint16_t(bits >> 16) | 0x40;
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void writeElement(DLDataType type, void *data, int64_t index, double value) {
  if (type.code == kDLBfloat)
    return store(data, index, roundToBfloat16(float(value)));
  dispatch(type, [&]<typename T>(T *) { store<T>(data, index, T(value)); });
}

std::string describe(llvm::StringRef type, llvm::ArrayRef<int64_t> shape) {
  std::string text = type.str() + "[";
  llvm::ListSeparator comma;
  for (int64_t extent : shape)
    text += (llvm::StringRef(comma) + llvm::Twine(extent)).str();
  return text + "]";
}

} // namespace attn::run
