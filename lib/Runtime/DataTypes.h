// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The element types of the C API: one table between the manifest's names and
// DLPack's codes.

#ifndef ATTN_LIB_RUNTIME_DATATYPES_H
#define ATTN_LIB_RUNTIME_DATATYPES_H

#include "attn/Runtime/DLPack.h"

#include <string>
#include <string_view>

namespace attn::runtime {

/// False when the name is not one of ours.
bool parseDataType(std::string_view name, DLDataType &type);

/// The manifest's name of a type, or a description such as "code 5, 64 bits" of
/// one that has no name.
std::string describe(DLDataType type);

inline bool isSame(DLDataType a, DLDataType b) {
  return a.code == b.code && a.bits == b.bits && a.lanes == b.lanes;
}

inline int64_t byteSize(DLDataType type) { return type.bits / 8; }

} // namespace attn::runtime

#endif // ATTN_LIB_RUNTIME_DATATYPES_H
