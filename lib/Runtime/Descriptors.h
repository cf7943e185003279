// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tensors as the compiled code reads them: one MLIR strided memref descriptor
// each. All fields are eight bytes, so a descriptor is a run of words:
// allocated, aligned, offset, then the sizes, then the strides.

#ifndef ATTN_LIB_RUNTIME_DESCRIPTORS_H
#define ATTN_LIB_RUNTIME_DESCRIPTORS_H

#include "Manifest.h"

#include <algorithm>

namespace attn::runtime {

class Descriptors {
public:
  explicit Descriptors(const std::vector<TensorSpec> &specs) {
    size_t total = 0;
    for (const TensorSpec &spec : specs)
      total += header + 2 * spec.shape.size();
    words.resize(total);
    total = 0;
    for (const TensorSpec &spec : specs) {
      pointers.push_back(words.data() + total);
      total += header + 2 * spec.shape.size();
    }
  }
  Descriptors(const Descriptors &) = delete;
  Descriptors &operator=(const Descriptors &) = delete;

  /// Describes row-major contiguous data.
  void set(size_t index, void *data, const int64_t *shape, int rank) {
    auto *word = static_cast<int64_t *>(pointers[index]);
    word[0] = word[1] = reinterpret_cast<int64_t>(data);
    word[2] = 0;
    std::copy_n(shape, rank, word + header);
    int64_t stride = 1;
    for (int i = rank - 1; i >= 0; --i) {
      word[header + rank + i] = stride;
      stride *= shape[i];
    }
  }

  void *const *get() const { return pointers.data(); }

private:
  static constexpr size_t header = 3;
  std::vector<int64_t> words;
  std::vector<void *> pointers;
};

} // namespace attn::runtime

#endif // ATTN_LIB_RUNTIME_DESCRIPTORS_H
