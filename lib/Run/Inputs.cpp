// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The arguments of a run. Files come first, because the shapes in them decide
// the symbolic extents of whatever is made up.

#include "Inputs.h"

#include "Npy.h"
#include "Safetensors.h"

#include "llvm/ADT/StringMap.h"

namespace attn::run {

static llvm::Expected<Array> readInput(llvm::StringRef text) {
  constexpr llvm::StringRef separator = ".safetensors:";
  size_t at = text.find(separator);
  if (at != llvm::StringRef::npos)
    return readSafetensors(text.take_front(at + separator.size() - 1),
                           text.drop_front(at + separator.size()));
  if (text.ends_with(".npy"))
    return readNpy(text);
  return makeError("expected --input=FILE.npy or "
                   "--input=FILE.safetensors:NAME, got '" +
                   text + "'");
}

namespace {
/// The extents that names stand for.
class Extents {
public:
  llvm::Error addOptions(llvm::ArrayRef<std::string> dims);
  void addShape(const AttnTensorInfo &info, llvm::ArrayRef<int64_t> shape);
  llvm::Expected<std::vector<int64_t>> resolve(const AttnTensorInfo &info);
  llvm::Error expectAllUsed(llvm::ArrayRef<AttnTensorInfo> infos) const;

private:
  /// What --dim calls a dimension: its symbol, or "arg0.1" where it has none.
  static std::string nameOf(const AttnTensorInfo &info, int dim) {
    if (info.symbols[dim])
      return info.symbols[dim];
    return std::string(info.name) + "." + std::to_string(dim);
  }

  llvm::StringMap<int64_t> values, given;
};
} // namespace

llvm::Error Extents::addOptions(llvm::ArrayRef<std::string> dims) {
  for (llvm::StringRef text : dims) {
    auto [name, number] = text.split('=');
    int64_t extent = 0;
    if (name.empty() || number.getAsInteger(10, extent) || extent <= 0)
      return makeError("expected --dim=NAME=EXTENT with a positive extent, "
                       "got '--dim=" +
                       text + "'");
    if (!given.try_emplace(name, extent).second)
      return makeError("expected one --dim for '" + name + "', got two");
    values[name] = extent;
  }
  return llvm::Error::success();
}

void Extents::addShape(const AttnTensorInfo &info,
                       llvm::ArrayRef<int64_t> shape) {
  // A wrong rank is the runtime's to report.
  for (int dim = 0; dim < info.ndim && size_t(dim) < shape.size(); ++dim)
    if (info.shape[dim] < 0)
      values.try_emplace(nameOf(info, dim), shape[dim]);
}

llvm::Expected<std::vector<int64_t>>
Extents::resolve(const AttnTensorInfo &info) {
  std::vector<int64_t> shape(info.shape, info.shape + info.ndim);
  for (int dim = 0; dim < info.ndim; ++dim) {
    if (shape[dim] >= 0)
      continue;
    std::string name = nameOf(info, dim);
    auto it = values.find(name);
    if (it == values.end())
      return makeError("expected --dim=" + name + "=EXTENT for dimension " +
                       llvm::Twine(dim) + " of argument '" + info.name +
                       "', got none");
    shape[dim] = it->second;
  }
  return shape;
}

llvm::Error Extents::expectAllUsed(llvm::ArrayRef<AttnTensorInfo> infos) const {
  llvm::StringMap<int64_t> unused = given;
  for (const AttnTensorInfo &info : infos)
    for (int dim = 0; dim < info.ndim; ++dim)
      if (info.shape[dim] < 0)
        unused.erase(nameOf(info, dim));
  if (unused.empty())
    return llvm::Error::success();
  return makeError("expected --dim to name a dynamic dimension of the "
                   "arguments, got '" +
                   unused.begin()->first() + "'");
}

static llvm::Expected<Array> makeRandom(const AttnTensorInfo &info,
                                        Extents &extents, size_t index,
                                        const Options &options) {
  if (!options.seed)
    return makeError("expected --input or --random-inputs=SEED for argument " +
                     llvm::Twine(index) + " '" + info.name + "', got neither");
  llvm::Expected<std::vector<int64_t>> shape = extents.resolve(info);
  if (!shape)
    return shape.takeError();
  llvm::Expected<Array> array = Array::create(info.dtype, *shape);
  if (array)
    fillRandom(*array, *options.seed, index, options.integerLimit);
  return array;
}

llvm::Expected<std::vector<Array>> makeInputs(const Library &library,
                                              const Options &options) {
  llvm::ArrayRef<AttnTensorInfo> infos = library.args();
  if (options.inputs.size() > infos.size())
    return makeError("expected at most " + llvm::Twine(infos.size()) +
                     " inputs for '" + library.entryName() + "', got " +
                     llvm::Twine(options.inputs.size()));
  Extents extents;
  if (llvm::Error error = extents.addOptions(options.dims))
    return error;
  if (llvm::Error error = extents.expectAllUsed(infos))
    return error;
  std::vector<Array> arrays;
  for (const std::string &text : options.inputs) {
    llvm::Expected<Array> array = readInput(text);
    if (!array)
      return array.takeError();
    extents.addShape(infos[arrays.size()], array->shape());
    arrays.push_back(std::move(*array));
  }
  while (arrays.size() < infos.size()) {
    llvm::Expected<Array> array =
        makeRandom(infos[arrays.size()], extents, arrays.size(), options);
    if (!array)
      return array.takeError();
    arrays.push_back(std::move(*array));
  }
  return arrays;
}

} // namespace attn::run
