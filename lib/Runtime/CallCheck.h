// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compares the tensors of a call with the manifest. Whatever passes can be
// handed to the compiled code, which checks nothing itself.

#ifndef ATTN_LIB_RUNTIME_CALLCHECK_H
#define ATTN_LIB_RUNTIME_CALLCHECK_H

#include "Descriptors.h"
#include "Error.h"

#include "attn/Runtime/GpuDriver.h"

namespace attn::runtime {

class CallCheck {
public:
  /// `isForGpus` says where the tensors must be.
  CallCheck(const EntrySpec &entry, bool isForGpus)
      : entry(entry), isForGpus(isForGpus), args(entry.args),
        results(entry.results) {}

  AttnStatus bindArgs(const DLTensor *const *tensors, int64_t count);
  AttnStatus bindResults(const DLTensor *const *tensors, int64_t count,
                         const std::vector<const int64_t *> &shapes);

  /// Whether each tensor is where it says; the driver knows.
  AttnStatus checkOwners(GpuDriver &driver) const;

  const Descriptors &argDescriptors() const { return args; }
  const Descriptors &resultDescriptors() const { return results; }
  /// The GPU that all tensors are on; 0 when none has been seen.
  int device() const { return gpu < 0 ? 0 : gpu; }

private:
  /// The tensor being checked: what messages call it, and the number of bytes
  /// once known.
  struct Subject {
    const char *kind;
    int64_t index;
    const TensorSpec &spec;
    const DLTensor *tensor;
    int64_t bytes = 0;
    uintptr_t begin = 0;
  };
  struct Binding {
    const char *symbol;
    int64_t extent;
    std::string where;
  };
  struct Range {
    std::string what;
    uintptr_t begin, end;
  };

  [[gnu::format(printf, 3, 4)]] AttnStatus
  reject(const Subject &subject, const char *format, ...) const;
  std::string name(const Subject &subject) const;
  AttnStatus check(Subject &subject);
  AttnStatus checkDevice(const Subject &subject);
  AttnStatus checkType(const Subject &subject);
  AttnStatus checkShape(Subject &subject);
  AttnStatus checkSymbol(const Subject &subject, int dim);
  AttnStatus checkStrides(const Subject &subject) const;
  AttnStatus checkData(Subject &subject) const;
  AttnStatus checkOverlap(const Subject &subject) const;
  AttnStatus checkCount(const char *kind, const void *tensors, int64_t count,
                        size_t expected) const;

  const EntrySpec &entry;
  bool isForGpus;
  int gpu = -1;
  std::string gpuWhere; // the tensor that settled it
  Descriptors args, results;
  std::vector<Binding> bindings;
  std::vector<Range> ranges;
};

} // namespace attn::runtime

#endif // ATTN_LIB_RUNTIME_CALLCHECK_H
