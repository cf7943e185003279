// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The runtime's C API with destructors and llvm::Error. Only what attn-run
// needs: one module and one of its entries.

#ifndef ATTN_LIB_RUN_LIBRARY_H
#define ATTN_LIB_RUN_LIBRARY_H

#include "Array.h"

#include <vector>

namespace attn::run {

/// The runtime's status of a call as an error with its message.
llvm::Error toError(AttnStatus status);

struct ManagedDeleter {
  void operator()(DLManagedTensor *tensor) const { tensor->deleter(tensor); }
};
using ManagedTensor = std::unique_ptr<DLManagedTensor, ManagedDeleter>;

/// One entry of an open library.
class Library {
public:
  Library() = default;
  Library(Library &&other) { *this = std::move(other); }
  Library &operator=(Library &&other);
  ~Library() { attn_module_close(module); }

  /// Opens the file; an empty `entryName` chooses the only entry there is.
  static llvm::Expected<Library> open(const std::string &path,
                                      const std::string &entryName);

  std::string entryName() const {
    return attn_module_entry_name(module, entry);
  }
  bool isForGpus() const { return forGpus; }
  llvm::ArrayRef<AttnTensorInfo> args() const { return argInfos; }
  llvm::ArrayRef<AttnTensorInfo> results() const { return resultInfos; }

  llvm::Expected<std::vector<ManagedTensor>>
  allocate(llvm::ArrayRef<const DLTensor *> inputs) const;
  llvm::Error call(llvm::ArrayRef<const DLTensor *> inputs,
                   llvm::ArrayRef<const DLTensor *> outputs) const;

private:
  llvm::Error choose(const std::string &name);

  AttnModule *module = nullptr;
  int64_t entry = 0;
  bool forGpus = false;
  std::vector<AttnTensorInfo> argInfos, resultInfos;
};

} // namespace attn::run

#endif // ATTN_LIB_RUN_LIBRARY_H
