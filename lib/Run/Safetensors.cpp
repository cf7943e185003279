// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One tensor out of a .safetensors file: eight bytes of header length, a JSON
// header with type, shape and position of each tensor, and the data.

#include "Safetensors.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

#include <optional>

namespace attn::run {

static std::optional<DLDataType> parseType(llvm::StringRef name) {
  static constexpr struct {
    llvm::StringRef name;
    DLDataType type;
  } table[] = {
      {"F32", {kDLFloat, 32, 1}}, {"F64", {kDLFloat, 64, 1}},
      {"F16", {kDLFloat, 16, 1}}, {"BF16", {kDLBfloat, 16, 1}},
      {"BOOL", {kDLBool, 8, 1}},  {"I8", {kDLInt, 8, 1}},
      {"I16", {kDLInt, 16, 1}},   {"I32", {kDLInt, 32, 1}},
      {"I64", {kDLInt, 64, 1}},   {"U8", {kDLUInt, 8, 1}},
      {"U16", {kDLUInt, 16, 1}},  {"U32", {kDLUInt, 32, 1}},
      {"U64", {kDLUInt, 64, 1}},
  };
  for (const auto &row : table)
    if (row.name == name)
      return row.type;
  return std::nullopt;
}

/// An array of non-negative integers under `key`.
static std::optional<std::vector<int64_t>>
parseIntegers(const llvm::json::Object &object, llvm::StringRef key) {
  const llvm::json::Array *list = object.getArray(key);
  if (!list)
    return std::nullopt;
  std::vector<int64_t> values;
  for (const llvm::json::Value &item : *list) {
    std::optional<int64_t> value = item.getAsInteger();
    if (!value || *value < 0)
      return std::nullopt;
    values.push_back(*value);
  }
  return values;
}

/// The JSON parser recurses, so a header of a million brackets would end the
/// process; a real one is two objects and an array deep.
static bool nestsDeeply(llvm::StringRef text) {
  int depth = 0;
  bool inString = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '\\' && inString)
      ++i;
    else if (c == '"')
      inString = !inString;
    else if (!inString && (c == '{' || c == '['))
      ++depth;
    else if (!inString && (c == '}' || c == ']'))
      --depth;
    if (depth > 64)
      return true;
  }
  return false;
}

static llvm::Expected<Array> readTensor(const llvm::json::Object &tensor,
                                        llvm::StringRef data,
                                        const llvm::Twine &where) {
  std::optional<llvm::StringRef> typeName = tensor.getString("dtype");
  std::optional<DLDataType> type =
      typeName ? parseType(*typeName) : std::nullopt;
  if (!type)
    return makeError(where + ": expected a dtype that we know, got " +
                     typeName.value_or("none"));
  auto shape = parseIntegers(tensor, "shape");
  auto offsets = parseIntegers(tensor, "data_offsets");
  if (!shape || !offsets || offsets->size() != 2)
    return makeError(where + ": expected shape and two data_offsets");
  uint64_t begin = (*offsets)[0], end = (*offsets)[1];
  if (begin > end || end > data.size())
    return makeError(where + ": expected data inside the file, got offsets " +
                     llvm::Twine(begin) + " to " + llvm::Twine(end));
  uint64_t bytes = type->bits / 8;
  for (int64_t extent : *shape)
    if (__builtin_mul_overflow(bytes, uint64_t(extent), &bytes))
      bytes = UINT64_MAX;
  if (bytes != end - begin)
    return makeError(where + ": expected " + llvm::Twine(bytes) +
                     " bytes for its shape, got " + llvm::Twine(end - begin));
  llvm::Expected<Array> array = Array::create(*type, *shape);
  if (array)
    llvm::copy(llvm::arrayRefFromStringRef(data.slice(begin, end)),
               array->bytes().begin());
  return array;
}

llvm::Expected<Array> parseSafetensors(llvm::StringRef content,
                                       llvm::StringRef path,
                                       llvm::StringRef name) {
  constexpr size_t lengthBytes = 8;
  uint64_t length = content.size() < lengthBytes
                        ? UINT64_MAX
                        : llvm::support::endian::read64le(content.data());
  if (content.size() < lengthBytes || length > content.size() - lengthBytes)
    return makeError("'" + path + "': expected a header, got a truncated file");
  llvm::StringRef text = content.substr(lengthBytes, length);
  if (nestsDeeply(text))
    return makeError("'" + path + "': expected a flat JSON header");
  llvm::Expected<llvm::json::Value> header = llvm::json::parse(text);
  if (!header)
    return makeError("'" + path + "': expected a JSON header: " +
                     llvm::toString(header.takeError()));
  const llvm::json::Object *root = header->getAsObject();
  const llvm::json::Object *tensor = root ? root->getObject(name) : nullptr;
  if (!tensor)
    return makeError("'" + path + "': expected a tensor '" + name +
                     "', got none of this name");
  return readTensor(*tensor, content.drop_front(lengthBytes + length),
                    "'" + path + "', tensor '" + name + "'");
}

llvm::Expected<Array> readSafetensors(llvm::StringRef path,
                                      llvm::StringRef name) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer)
    return makeError("cannot read '" + path +
                     "': " + buffer.getError().message());
  return parseSafetensors((*buffer)->getBuffer(), path, name);
}

} // namespace attn::run
