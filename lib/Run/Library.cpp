// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The runtime's C API with destructors and llvm::Error, so that the rest of
// attn-run reads as C++.

#include "Library.h"

#include "DeviceCall.h"

#include "llvm/Support/JSON.h"

namespace attn::run {

llvm::Error toError(AttnStatus status) {
  if (status == ATTN_OK)
    return llvm::Error::success();
  return makeError(attn_runtime_message());
}

Library &Library::operator=(Library &&other) {
  std::swap(module, other.module);
  std::swap(entry, other.entry);
  std::swap(forGpus, other.forGpus);
  std::swap(argInfos, other.argInfos);
  std::swap(resultInfos, other.resultInfos);
  return *this;
}

llvm::Expected<Library> Library::open(const std::string &path,
                                      const std::string &entryName) {
  Library library;
  if (llvm::Error error =
          toError(attn_module_open(path.c_str(), &library.module)))
    return error;
  auto manifest = llvm::json::parse(attn_module_manifest(library.module));
  if (!manifest)
    return manifest.takeError();
  if (const llvm::json::Object *root = manifest->getAsObject())
    library.forGpus = root->getString("target") == "nvptx";
  if (llvm::Error error = library.choose(entryName))
    return error;
  for (int64_t i = 0, e = attn_module_arg_count(library.module, library.entry);
       i < e; ++i)
    if (llvm::Error error =
            toError(attn_module_arg(library.module, library.entry, i,
                                    &library.argInfos.emplace_back())))
      return error;
  for (int64_t i = 0,
               e = attn_module_result_count(library.module, library.entry);
       i < e; ++i)
    if (llvm::Error error =
            toError(attn_module_result(library.module, library.entry, i,
                                       &library.resultInfos.emplace_back())))
      return error;
  return library;
}

llvm::Error Library::choose(const std::string &name) {
  if (!name.empty())
    return toError(attn_module_find_entry(module, name.c_str(), &entry));
  if (attn_module_entry_count(module) == 1)
    return llvm::Error::success();
  std::string names;
  for (int64_t i = 0, e = attn_module_entry_count(module); i < e; ++i)
    names +=
        std::string(i ? ", '" : "'") + attn_module_entry_name(module, i) + "'";
  return makeError("expected --entry to name one of " +
                   (names.empty() ? "no entries" : names));
}

llvm::Expected<std::vector<ManagedTensor>>
Library::allocate(llvm::ArrayRef<const DLTensor *> inputs) const {
  if (forGpus)
    return allocateOnHost(module, entry, inputs, resultInfos);
  std::vector<DLManagedTensor *> raw(resultInfos.size());
  if (llvm::Error error = toError(attn_module_allocate(
          module, entry, inputs.data(), inputs.size(), raw.data(), raw.size())))
    return error;
  std::vector<ManagedTensor> tensors;
  for (DLManagedTensor *tensor : raw)
    tensors.emplace_back(tensor);
  return tensors;
}

llvm::Error Library::call(llvm::ArrayRef<const DLTensor *> inputs,
                          llvm::ArrayRef<const DLTensor *> outputs) const {
  if (forGpus)
    return callOnDevice(module, entry, inputs, outputs);
  return toError(attn_module_call(module, entry, inputs.data(), inputs.size(),
                                  outputs.data(), outputs.size()));
}

} // namespace attn::run
