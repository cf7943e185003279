// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The element types of the C API. Booleans take a byte each, as in numpy, torch
// and the compiled code.

#include "DataTypes.h"

namespace attn::runtime {

static constexpr struct {
  std::string_view name;
  DLDataType type;
} table[] = {
    {"float32", {kDLFloat, 32, 1}}, {"float64", {kDLFloat, 64, 1}},
    {"float16", {kDLFloat, 16, 1}}, {"bfloat16", {kDLBfloat, 16, 1}},
    {"bool", {kDLBool, 8, 1}},      {"int8", {kDLInt, 8, 1}},
    {"int16", {kDLInt, 16, 1}},     {"int32", {kDLInt, 32, 1}},
    {"int64", {kDLInt, 64, 1}},     {"uint8", {kDLUInt, 8, 1}},
    {"uint16", {kDLUInt, 16, 1}},   {"uint32", {kDLUInt, 32, 1}},
    {"uint64", {kDLUInt, 64, 1}},
};

bool parseDataType(std::string_view name, DLDataType &type) {
  for (const auto &row : table)
    if (row.name == name) {
      type = row.type;
      return true;
    }
  return false;
}

std::string describe(DLDataType type) {
  for (const auto &row : table)
    if (isSame(row.type, type))
      return std::string(row.name);
  std::string text = "type code " + std::to_string(type.code) + " of " +
                     std::to_string(type.bits) + " bits";
  return type.lanes == 1
             ? text
             : text + " and " + std::to_string(type.lanes) + " lanes";
}

} // namespace attn::runtime
