//===- DecodedTypes.h - types and constants as cells ------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How many scalars a type has, where they are in memory, and what constants are
// in bits.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_SIMULATOR_DECODEDTYPES_H
#define ATTN_LIB_SIMULATOR_DECODEDTYPES_H

#include "Program.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/DataLayout.h"
#include "llvm/IR/Operator.h"
#include "llvm/Support/FormatVariadic.h"

namespace attn::sim {

template <typename... Args>
llvm::Error unsupported(const char *format, Args &&...args) {
  return llvm::make_error<Fault>(
      FaultKind::Unsupported,
      llvm::formatv(format, std::forward<Args>(args)...).str());
}

std::string print(const llvm::Type *type);

// Types as lists of scalars.

/// The number of scalars; fails for what has no cells (i128, x86_fp80 …).
llvm::Expected<unsigned> cellCount(const llvm::Type *type);
/// Of a scalar or of a vector's elements.
Kind kindOf(const llvm::Type *type);
/// Bits of a scalar or of a vector's elements.
unsigned bitsOf(const llvm::Type *type, const llvm::DataLayout &layout);
/// Where each scalar is in memory.
llvm::Error addFields(const llvm::Type *type, const llvm::DataLayout &layout,
                      uint32_t offset, std::vector<Field> &fields);

/// Addresses of a module's variables in device memory, by name and by value.
using VariableMap = llvm::MapVector<const llvm::GlobalVariable *, uint64_t>;

/// Values of constants; `variables` holds every address that may be met.
class ConstantEvaluator {
public:
  ConstantEvaluator(const llvm::DataLayout &layout,
                    const VariableMap &variables)
      : layout(layout), variables(variables) {}

  /// Appends the scalars of `constant`.
  llvm::Error flatten(const llvm::Constant *constant,
                      llvm::SmallVectorImpl<uint64_t> &cells) const;
  llvm::Expected<uint64_t> scalar(const llvm::Constant *constant) const;
  /// The bytes of an initialiser.
  llvm::Error write(const llvm::Constant *constant,
                    llvm::MutableArrayRef<uint8_t> bytes) const;

private:
  llvm::Expected<uint64_t> expression(const llvm::ConstantExpr *expr) const;

  const llvm::DataLayout &layout;
  const VariableMap &variables;
};

/// What addrspacecast adds to an address.
llvm::Expected<uint64_t> windowShiftOf(unsigned from, unsigned to);

} // namespace attn::sim

#endif // ATTN_LIB_SIMULATOR_DECODEDTYPES_H
