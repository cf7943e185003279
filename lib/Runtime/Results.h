// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The shapes of a call's results, and memory for them. Only the library knows
// the shapes: they may be any function of the arguments' ones.

#ifndef ATTN_LIB_RUNTIME_RESULTS_H
#define ATTN_LIB_RUNTIME_RESULTS_H

#include "Descriptors.h"
#include "Module.h"

namespace attn::runtime {

class ResultShapes {
public:
  /// Asks the library, and checks its answer against the manifest.
  AttnStatus infer(const EntrySpec &entry, const EntryPoint &point,
                   const Descriptors &args);

  /// One pointer to the extents for each result.
  std::vector<const int64_t *> get() const {
    return {rows.begin(), rows.end()};
  }

private:
  std::vector<int64_t> sizes;
  std::vector<int64_t *> rows;
};

/// A tensor of this shape that frees itself through its deleter; null when
/// there is no memory.
DLManagedTensor *allocateTensor(const TensorSpec &spec, const int64_t *shape);

} // namespace attn::runtime

#endif // ATTN_LIB_RUNTIME_RESULTS_H
