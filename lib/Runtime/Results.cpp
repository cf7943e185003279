// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The shapes of a call's results, and memory for them. A tensor and the memory
// that it owns are freed together by the deleter, which needs neither module
// nor pool and so may run last.

#include "Results.h"

#include "DataTypes.h"
#include "Error.h"
#include "Scratch.h"

#include <cinttypes>
#include <memory>
#include <new>

namespace attn::runtime {

AttnStatus ResultShapes::infer(const EntrySpec &entry, const EntryPoint &point,
                               const Descriptors &args) {
  size_t total = 0;
  for (const TensorSpec &result : entry.results)
    total += result.shape.size();
  sizes.assign(total + 1,
               -1); // one more, so that scalars at the end have an address
  rows.clear();
  total = 0;
  for (const TensorSpec &result : entry.results) {
    rows.push_back(sizes.data() + total);
    total += result.shape.size();
  }
  point.shape(args.get(), rows.data());
  for (size_t i = 0; i < rows.size(); ++i)
    for (int dim = 0; dim < entry.results[i].rank(); ++dim) {
      int64_t expected = entry.results[i].shape[dim];
      if (rows[i][dim] < 0 || (expected >= 0 && rows[i][dim] != expected))
        return fail(ATTN_FAILED,
                    "result %zu of '%s': its shape function gave %" PRId64
                    " for dimension %d",
                    i, entry.name.c_str(), rows[i][dim], dim);
    }
  return ATTN_OK;
}

namespace {
struct OwnedTensor {
  DLManagedTensor managed{};
  std::vector<int64_t> shape;
  size_t bytes = 0;

  ~OwnedTensor() { freeAligned(managed.dl_tensor.data, bytes); }
};
} // namespace

DLManagedTensor *allocateTensor(const TensorSpec &spec, const int64_t *shape) {
  std::unique_ptr<OwnedTensor> owned(new (std::nothrow) OwnedTensor);
  if (!owned)
    return nullptr;
  owned->shape.assign(shape, shape + spec.rank());
  int64_t bytes = byteSize(spec.dtype);
  for (int64_t extent : owned->shape)
    if (__builtin_mul_overflow(bytes, extent, &bytes))
      return nullptr;
  owned->bytes = size_t(bytes);
  DLTensor &tensor = owned->managed.dl_tensor;
  tensor.data = allocateAligned(owned->bytes);
  if (!tensor.data)
    return nullptr;
  tensor.device = {kDLCPU, 0};
  tensor.ndim = spec.rank();
  tensor.dtype = spec.dtype;
  tensor.shape = owned->shape.data();
  owned->managed.manager_ctx = owned.get();
  owned->managed.deleter = [](DLManagedTensor *self) {
    delete static_cast<OwnedTensor *>(self->manager_ctx);
  };
  return &owned.release()->managed;
}

} // namespace attn::runtime
