// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// numpy's .npy files: a magic, a version, a header that is a Python dict of
// three keys, and the data. bfloat16 is written as ml_dtypes does, as two bytes
// of no kind (V2).

#include "Npy.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MemoryBuffer.h"

#include <optional>

namespace attn::run {

static constexpr llvm::StringRef magic = "\x93NUMPY";
static constexpr size_t maxRank = 32; // numpy's own limit

namespace {
struct Header {
  std::optional<DLDataType> type;
  std::optional<bool> fortranOrder;
  std::optional<std::vector<int64_t>> shape;
};

/// Reads the header's dict; every function returns an error text, or "".
class HeaderParser {
public:
  explicit HeaderParser(llvm::StringRef text) : text(text) {}
  std::string parse(Header &header);

private:
  bool consume(llvm::StringRef token) {
    text = text.ltrim(' ');
    return text.consume_front(token);
  }
  std::string parseString(llvm::StringRef &value);
  std::string parseValue(llvm::StringRef key, Header &header);
  std::string parseType(Header &header);
  std::string parseShape(Header &header);

  llvm::StringRef text;
};
} // namespace

std::string HeaderParser::parseString(llvm::StringRef &value) {
  if (!consume("'"))
    return "expected a quoted string in the header";
  size_t end = text.find('\'');
  if (end == llvm::StringRef::npos)
    return "expected a closing quote in the header";
  value = text.take_front(end);
  text = text.drop_front(end + 1);
  return "";
}

std::string HeaderParser::parseType(Header &header) {
  llvm::StringRef descr;
  std::string error = parseString(descr);
  if (!error.empty())
    return error;
  llvm::StringRef kind = descr.drop_front(descr.empty() ? 0 : 1);
  bool native = descr.starts_with("<") || descr.starts_with("|");
  static constexpr struct {
    llvm::StringRef kind;
    DLDataType type;
  } table[] = {
      {"f4", {kDLFloat, 32, 1}}, {"f8", {kDLFloat, 64, 1}},
      {"f2", {kDLFloat, 16, 1}}, {"V2", {kDLBfloat, 16, 1}},
      {"b1", {kDLBool, 8, 1}},   {"i1", {kDLInt, 8, 1}},
      {"i2", {kDLInt, 16, 1}},   {"i4", {kDLInt, 32, 1}},
      {"i8", {kDLInt, 64, 1}},   {"u1", {kDLUInt, 8, 1}},
      {"u2", {kDLUInt, 16, 1}},  {"u4", {kDLUInt, 32, 1}},
      {"u8", {kDLUInt, 64, 1}},
  };
  for (const auto &row : table)
    if (native && row.kind == kind)
      header.type = row.type;
  if (!header.type)
    return ("expected little-endian numbers, got descr '" + descr + "'").str();
  return "";
}

std::string HeaderParser::parseShape(Header &header) {
  if (!consume("("))
    return "expected a tuple as shape";
  header.shape.emplace();
  while (!consume(")")) {
    int64_t extent = 0;
    text = text.ltrim(' ');
    if (text.consumeInteger(10, extent) || extent < 0 ||
        header.shape->size() == maxRank)
      return "expected a shape of at most 32 extents";
    header.shape->push_back(extent);
    if (!consume(",") && !text.ltrim(' ').starts_with(")"))
      return "expected a comma between extents";
  }
  return "";
}

std::string HeaderParser::parseValue(llvm::StringRef key, Header &header) {
  if (key == "descr")
    return parseType(header);
  if (key == "shape")
    return parseShape(header);
  if (key != "fortran_order")
    return ("expected descr, fortran_order or shape, got key '" + key + "'")
        .str();
  if (consume("True"))
    header.fortranOrder = true;
  else if (consume("False"))
    header.fortranOrder = false;
  else
    return "expected fortran_order to be True or False";
  return "";
}

std::string HeaderParser::parse(Header &header) {
  if (!consume("{"))
    return "expected a dict as header";
  while (!consume("}")) {
    llvm::StringRef key;
    std::string error = parseString(key);
    if (error.empty() && !consume(":"))
      error = "expected a colon in the header";
    if (error.empty())
      error = parseValue(key, header);
    if (!error.empty())
      return error;
    if (!consume(",") && !text.ltrim(' ').starts_with("}"))
      return "expected a comma in the header";
  }
  if (!text.trim(" \n").empty())
    return "expected nothing after the header's dict";
  if (!header.type || !header.fortranOrder || !header.shape)
    return "expected descr, fortran_order and shape in the header";
  if (*header.fortranOrder && header.shape->size() > 1)
    return "expected C order, got Fortran order";
  return "";
}

/// Splits the content into header text and data.
static std::string split(llvm::StringRef content, llvm::StringRef &header,
                         llvm::StringRef &data) {
  using namespace llvm::support::endian;
  if (!content.consume_front(magic))
    return "expected a .npy file";
  if (content.size() < 6)
    return "expected a header, got a truncated file";
  unsigned major = uint8_t(content[0]);
  if (major < 1 || major > 3)
    return "expected version 1, 2 or 3, got " + std::to_string(major);
  size_t width = major == 1 ? 2 : 4;
  size_t length =
      major == 1 ? read16le(content.data() + 2) : read32le(content.data() + 2);
  content = content.drop_front(2 + width);
  if (length > content.size())
    return "expected a header of " + std::to_string(length) +
           " bytes, got a truncated file";
  header = content.take_front(length);
  data = content.drop_front(length);
  return "";
}

llvm::Expected<Array> parseNpy(llvm::StringRef content, llvm::StringRef path) {
  llvm::StringRef text, data;
  Header header;
  std::string error = split(content, text, data);
  if (error.empty())
    error = HeaderParser(text).parse(header);
  if (!error.empty())
    return makeError("'" + path + "': " + error);
  // Compare sizes before memory is asked for: a header may claim anything.
  uint64_t bytes = header.type->bits / 8;
  for (int64_t extent : *header.shape)
    if (__builtin_mul_overflow(bytes, uint64_t(extent), &bytes))
      bytes = UINT64_MAX;
  if (bytes != data.size())
    return makeError("'" + path + "': expected " + llvm::Twine(bytes) +
                     " bytes of data for " + describe("shape ", *header.shape) +
                     ", got " + llvm::Twine(data.size()));
  llvm::Expected<Array> array = Array::create(*header.type, *header.shape);
  if (array)
    llvm::copy(llvm::arrayRefFromStringRef(data), array->bytes().begin());
  return array;
}

llvm::Expected<Array> readNpy(llvm::StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer)
    return makeError("cannot read '" + path +
                     "': " + buffer.getError().message());
  return parseNpy((*buffer)->getBuffer(), path);
}

static std::string descrOf(DLDataType type) {
  std::string size = std::to_string(type.bits / 8);
  const char *order = type.bits == 8 ? "|" : "<";
  switch (type.code) {
  case kDLInt:
    return order + ("i" + size);
  case kDLUInt:
    return order + ("u" + size);
  case kDLFloat:
    return order + ("f" + size);
  case kDLBool:
    return "|b1";
  default:
    return "<V2";
  }
}

void writeNpy(llvm::raw_ostream &os, const DLTensor &tensor) {
  std::string header = "{'descr': '" + descrOf(tensor.dtype) +
                       "', 'fortran_order': False, 'shape': (";
  size_t bytes = tensor.dtype.bits / 8;
  for (int dim = 0; dim < tensor.ndim; ++dim) {
    header += std::to_string(tensor.shape[dim]) + ", ";
    bytes *= size_t(tensor.shape[dim]);
  }
  header += "), }";
  // The data starts at a multiple of 64 bytes, so that it can be mapped.
  constexpr size_t fixed = 10;
  size_t total = (fixed + header.size() + 1 + 63) / 64 * 64;
  header.append(total - fixed - header.size() - 1, ' ');
  size_t length = header.size() + 1;
  os << magic << '\x01' << '\0' << char(length & 0xff) << char(length >> 8)
     << header << '\n'
     << llvm::StringRef(static_cast<const char *>(tensor.data), bytes);
}

} // namespace attn::run
