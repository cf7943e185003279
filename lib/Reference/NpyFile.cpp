//===- NpyFile.cpp - arrays of f64 in numpy's files -----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A header in Python's syntax, then the numbers. Whatever is not exactly what
// writeNpy or numpy writes for a contiguous f64 array is refused.
//
//===----------------------------------------------------------------------===//

#include "attn/Reference/NpyFile.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::attn::reference;

static llvm::Error makeError(StringRef path, const llvm::Twine &text) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                 llvm::Twine(path) + ": " + text);
}

llvm::Expected<Array> mlir::attn::reference::readNpy(StringRef path) {
  auto file = llvm::MemoryBuffer::getFile(path);
  if (!file)
    return makeError(path, file.getError().message());
  StringRef content = (*file)->getBuffer();
  if (!content.consume_front(StringRef("\x93NUMPY\x01\x00", 8)) ||
      content.size() < 2)
    return makeError(path, "expected a file of numpy's format 1.0");
  size_t length =
      static_cast<uint8_t>(content[0]) | static_cast<uint8_t>(content[1]) << 8;
  StringRef header = content.substr(2, length),
            data = content.drop_front(std::min(content.size(), 2 + length));
  if (!header.contains("'descr': '<f8'") ||
      !header.contains("'fortran_order': False"))
    return makeError(path, "expected row-major float64");
  StringRef inside = header.split("'shape': (").second.split(')').first;
  Array array;
  uint64_t count = 1;
  SmallVector<StringRef> extents;
  inside.split(extents, ',', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  for (StringRef text : extents) {
    uint64_t extent;
    if (text.trim().empty())
      continue;
    if (text.trim().getAsInteger(10, extent))
      return makeError(path, "expected a shape of numbers");
    array.shape.push_back(extent);
    count = llvm::SaturatingMultiply<uint64_t>(count, extent);
  }
  if (count != data.size() / sizeof(double))
    return makeError(path, "expected as many numbers as the shape says");
  array.values.resize(count);
  if (count)
    std::memcpy(array.values.data(), data.data(), count * sizeof(double));
  return array;
}

llvm::Error mlir::attn::reference::writeNpy(StringRef path,
                                            const Array &array) {
  std::string header = "{'descr': '<f8', 'fortran_order': False, 'shape': (";
  for (int64_t extent : array.shape)
    header += std::to_string(extent) + ",";
  header += "), }";
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  std::error_code code;
  llvm::raw_fd_ostream os(path, code);
  if (code)
    return makeError(path, code.message());
  os << StringRef("\x93NUMPY\x01\x00", 8) << char(header.size() & 255)
     << char(header.size() >> 8) << header;
  os.write(reinterpret_cast<const char *>(array.values.data()),
           array.values.size() * sizeof(double));
  os.close();
  if (os.has_error())
    return makeError(path, os.error().message());
  return llvm::Error::success();
}
