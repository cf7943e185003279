// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An array that owns its memory, as read from a file or made up. It is aligned
// like a framework's tensors, so that timings are those of a real caller.

#ifndef ATTN_LIB_RUN_ARRAY_H
#define ATTN_LIB_RUN_ARRAY_H

#include "attn/Runtime/Attn.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdlib>
#include <memory>

namespace attn::run {

class Array {
public:
  /// Zero-filled memory is not promised. Fails when there is not enough.
  static llvm::Expected<Array> create(DLDataType type,
                                      llvm::ArrayRef<int64_t> shape);

  /// Valid as long as the array stays where it is.
  DLTensor tensor();

  DLDataType type() const { return dtype; }
  llvm::ArrayRef<int64_t> shape() const { return extents; }
  int64_t count() const;
  llvm::MutableArrayRef<uint8_t> bytes() { return {data.get(), size}; }
  llvm::ArrayRef<uint8_t> bytes() const { return {data.get(), size}; }

private:
  struct Free {
    void operator()(uint8_t *memory) const { std::free(memory); }
  };
  DLDataType dtype{};
  std::vector<int64_t> extents;
  std::unique_ptr<uint8_t, Free> data;
  size_t size = 0;
};

/// The element at `index` of memory of this type, as a double; booleans and
/// integers become numbers.
double readElement(DLDataType type, const void *data, int64_t index);

/// Stores `value`, rounded to the type.
void writeElement(DLDataType type, void *data, int64_t index, double value);

/// "float32[3, 5]"
std::string describe(llvm::StringRef type, llvm::ArrayRef<int64_t> shape);

inline llvm::Error makeError(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

} // namespace attn::run

#endif // ATTN_LIB_RUN_ARRAY_H
