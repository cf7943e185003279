// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads a library's manifest. Unknown keys are passed over so that a newer
// compiler may say more; anything known that has the wrong type or value is an
// error naming its path.

#include "Manifest.h"

#include "DataTypes.h"

#include <nlohmann/json.hpp>

namespace attn::runtime {

using Json = nlohmann::json;

namespace {
/// Walks the JSON tree; the first error wins, and every function then returns
/// false.
class Reader {
public:
  Reader(Manifest &manifest, std::string &error)
      : manifest(manifest), error(error) {}
  bool read(const Json &root);

private:
  bool wrong(const std::string &path, const std::string &expected) {
    error = "manifest: expected " + path + " to be " + expected;
    return false;
  }
  bool readString(const Json &object, const char *key, const std::string &path,
                  std::string &value);
  bool readEntry(const Json &json, const std::string &path, EntrySpec &entry);
  bool readTensors(const Json &parent, const char *key, const std::string &path,
                   std::vector<TensorSpec> &tensors);
  bool readTensor(const Json &json, const std::string &path,
                  TensorSpec &tensor);
  bool readExtent(const Json &json, const std::string &path,
                  TensorSpec &tensor);

  Manifest &manifest;
  std::string &error;
};
} // namespace

bool Reader::readString(const Json &object, const char *key,
                        const std::string &path, std::string &value) {
  auto it = object.find(key);
  if (it == object.end() || !it->is_string())
    return wrong(path + "." + key, "a string");
  value = it->get_ref<const std::string &>();
  if (value.find('\0') != std::string::npos)
    return wrong(path + "." + key, "a string without a zero character");
  return true;
}

bool Reader::readExtent(const Json &json, const std::string &path,
                        TensorSpec &tensor) {
  int64_t extent = -1;
  const char *symbol = nullptr;
  if (json.is_number_unsigned() && json.get<uint64_t>() <= uint64_t(INT64_MAX))
    extent = json.get<int64_t>();
  else if (json.is_string() && !json.get_ref<const std::string &>().empty())
    symbol = manifest.symbols.insert(json.get_ref<const std::string &>())
                 .first->c_str();
  else if (!json.is_null())
    return wrong(path, "an extent, a symbol or null");
  tensor.shape.push_back(extent);
  tensor.symbols.push_back(symbol);
  return true;
}

bool Reader::readTensor(const Json &json, const std::string &path,
                        TensorSpec &tensor) {
  if (!json.is_object())
    return wrong(path, "an object");
  if (!readString(json, "dtype", path, tensor.dtypeName))
    return false;
  if (json.contains("name") && !readString(json, "name", path, tensor.name))
    return false;
  if (!parseDataType(tensor.dtypeName, tensor.dtype))
    return wrong(path + ".dtype",
                 "the name of a data type, got '" + tensor.dtypeName + "'");
  tensor.alignment = byteSize(tensor.dtype);
  if (auto it = json.find("alignment"); it != json.end()) {
    if (!it->is_number_unsigned() || it->get<uint64_t>() == 0 ||
        it->get<uint64_t>() > 4096)
      return wrong(path + ".alignment", "a number of bytes in 1..4096");
    tensor.alignment = it->get<int64_t>();
  }
  auto shape = json.find("shape");
  if (shape == json.end() || !shape->is_array() ||
      shape->size() > size_t(maxRank))
    return wrong(path + ".shape",
                 "an array of at most " + std::to_string(maxRank) + " extents");
  for (size_t i = 0; i < shape->size(); ++i)
    if (!readExtent((*shape)[i], path + ".shape[" + std::to_string(i) + "]",
                    tensor))
      return false;
  return true;
}

bool Reader::readTensors(const Json &parent, const char *key,
                         const std::string &path,
                         std::vector<TensorSpec> &tensors) {
  auto list = parent.find(key);
  if (list == parent.end() || !list->is_array())
    return wrong(path + "." + key, "an array");
  for (size_t i = 0; i < list->size(); ++i) {
    tensors.emplace_back();
    if (!readTensor((*list)[i],
                    path + "." + key + "[" + std::to_string(i) + "]",
                    tensors.back()))
      return false;
    if (tensors.back().name.empty())
      tensors.back().name =
          (key[0] == 'a' ? "arg" : "result") + std::to_string(i);
  }
  return true;
}

bool Reader::readEntry(const Json &json, const std::string &path,
                       EntrySpec &entry) {
  if (!json.is_object())
    return wrong(path, "an object");
  if (!readString(json, "name", path, entry.name) ||
      !readString(json, "symbol", path, entry.symbol) ||
      !readString(json, "shape_symbol", path, entry.shapeSymbol))
    return false;
  for (const EntrySpec &other : manifest.entries)
    if (&other != &entry && other.name == entry.name)
      return wrong(path + ".name", "unique, got '" + entry.name + "' twice");
  return readTensors(json, "args", path, entry.args) &&
         readTensors(json, "results", path, entry.results);
}

bool Reader::read(const Json &root) {
  if (!root.is_object())
    return wrong("the text", "a JSON object");
  auto version = root.find("version");
  if (version == root.end() || !version->is_number_integer() || *version != 1)
    return wrong("version", "1");
  if (!readString(root, "target", "manifest", manifest.target))
    return false;
  if (root.contains("cpu") &&
      !readString(root, "cpu", "manifest", manifest.cpu))
    return false;
  if (root.contains("features") &&
      !readString(root, "features", "manifest", manifest.features))
    return false;
  if (auto kernels = root.find("kernels"); kernels != root.end()) {
    if (!kernels->is_array())
      return wrong("kernels", "an array");
    for (const Json &kernel : *kernels) {
      if (!kernel.is_string())
        return wrong("kernels", "an array of names");
      manifest.kernels.push_back(kernel.get<std::string>());
    }
  }
  auto entries = root.find("entries");
  if (entries == root.end() || !entries->is_array())
    return wrong("entries", "an array");
  for (size_t i = 0; i < entries->size(); ++i) {
    manifest.entries.emplace_back();
    if (!readEntry((*entries)[i], "entries[" + std::to_string(i) + "]",
                   manifest.entries.back()))
      return false;
  }
  return true;
}

bool Manifest::parse(const char *text, std::string &error) {
  *this = Manifest();
  Json root = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (root.is_discarded()) {
    error = "manifest: expected JSON text";
    return false;
  }
  return Reader(*this, error).read(root);
}

} // namespace attn::runtime
