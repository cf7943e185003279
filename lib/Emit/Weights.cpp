//===- Weights.cpp - large constants beside the code ----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Raw bytes into a file, and the assembly that includes them.
//
//===----------------------------------------------------------------------===//

#include "Weights.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace mlir::attn;

static constexpr int64_t kLargeBytes = 64 * 1024;
static constexpr uint64_t kAlignment = 64;

static int64_t elementBytes(Type type) {
  if (!type.isIntOrIndexOrFloat())
    return 0;
  return type.isIndex() ? 8 : llvm::divideCeil(type.getIntOrFloatBitWidth(), 8);
}

/// The bytes of a constant as they lie in memory, or nothing if its form is not
/// one that we write. `storage` holds bytes that had to be made.
static std::optional<ArrayRef<char>> getBytes(Attribute value,
                                              SmallVectorImpl<char> &storage) {
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    return blob ? std::optional(blob->getData()) : std::nullopt;
  }
  auto dense = dyn_cast<DenseElementsAttr>(value);
  if (!dense || dense.isSplat() ||
      !dense.getElementType().isIntOrIndexOrFloat())
    return std::nullopt;
  if (!dense.getElementType().isInteger(1))
    return dense.getRawData();
  // Truth values are packed in the attribute and bytes in memory.
  for (bool bit : dense.getValues<bool>())
    storage.push_back(bit);
  return storage;
}

static bool isLarge(LLVM::GlobalOp global) {
  auto value = dyn_cast_or_null<ElementsAttr>(global.getValueOrNull());
  if (!value || !isa<DenseElementsAttr, DenseResourceElementsAttr>(value))
    return false;
  auto dense = dyn_cast<DenseElementsAttr>(value);
  return !(dense && dense.isSplat()) &&
         value.getNumElements() * elementBytes(value.getElementType()) >=
             kLargeBytes;
}

bool mlir::attn::hasLargeConstants(ModuleOp module) {
  return llvm::any_of(module.getOps<LLVM::GlobalOp>(), isLarge);
}

namespace {
/// Constants in one file, equal ones once: entries of a program share weights.
class WeightFile {
public:
  explicit WeightFile(llvm::raw_fd_ostream &file) : file(file) {}

  /// Where the bytes lie, which have to outlive this object if `isLasting`.
  uint64_t add(ArrayRef<char> bytes, bool isLasting) {
    auto &alike =
        places[llvm::xxh3_64bits(StringRef(bytes.data(), bytes.size()))];
    for (auto [other, offset] : alike)
      if (other == bytes)
        return offset;
    file.write_zeros(
        llvm::offsetToAlignment(file.tell(), llvm::Align(kAlignment)));
    uint64_t offset = file.tell();
    file.write(bytes.data(), bytes.size());
    if (isLasting)
      alike.push_back({bytes, offset});
    return offset;
  }

private:
  llvm::raw_fd_ostream &file;
  DenseMap<uint64_t, SmallVector<std::pair<ArrayRef<char>, uint64_t>, 1>>
      places;
};
} // namespace

FailureOr<std::string> mlir::attn::moveLargeConstants(ModuleOp module,
                                                      StringRef path) {
  std::error_code code;
  llvm::raw_fd_ostream file(path, code);
  if (code)
    return module.emitError()
           << "cannot write '" << path << "': " << code.message();
  std::string text;
  llvm::raw_string_ostream assembly(text);
  // Included in one piece: the assembler reads the file for every inclusion.
  constexpr StringLiteral base = ".Lattn_weights";
  assembly << ".section .rodata.attn_weights,\"a\",@progbits\n.p2align 6\n"
           << base << ":\n.incbin \"" << path << "\"\n";
  WeightFile weights(file);
  for (auto global : module.getOps<LLVM::GlobalOp>()) {
    if (!isLarge(global))
      continue;
    auto value = cast<ElementsAttr>(global.getValueOrNull());
    SmallVector<char> storage;
    std::optional<ArrayRef<char>> bytes = getBytes(value, storage);
    int64_t expected =
        value.getNumElements() * elementBytes(value.getElementType());
    if (!bytes || static_cast<int64_t>(bytes->size()) != expected)
      return global.emitError()
             << "expected a constant of " << expected << " bytes, got "
             << (bytes ? std::to_string(bytes->size()) + " bytes"
                       : std::string("none: its resource is missing"));
    StringRef name = global.getName();
    uint64_t offset = weights.add(*bytes, /*isLasting=*/storage.empty());
    assembly << ".hidden " << name << "\n.globl " << name << "\n.type " << name
             << ",@object\n.size " << name << ", " << expected << "\n.set "
             << name << ", " << base << "+" << offset << "\n";
    global.removeValueAttr();
    global.setLinkage(LLVM::Linkage::External);
    global.setVisibility_(LLVM::Visibility::Hidden);
    global.setDsoLocal(true);
    global.setAlignment(kAlignment);
  }
  file.close();
  if (file.has_error()) {
    code = file.error();
    file.clear_error();
    return module.emitError()
           << "cannot write '" << path << "': " << code.message();
  }
  assembly << ".text\n";
  return text;
}
