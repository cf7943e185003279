// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A tensor that owns its data, and an open module that closes itself: what most
// tests of the runtime need.

#ifndef ATTN_TEST_RUNTIME_TENSOR_H
#define ATTN_TEST_RUNTIME_TENSOR_H

#include "attn/Runtime/Attn.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace attn::test {

inline DLDataType dataTypeOf(float) { return {kDLFloat, 32, 1}; }
inline DLDataType dataTypeOf(double) { return {kDLFloat, 64, 1}; }
inline DLDataType dataTypeOf(int64_t) { return {kDLInt, 64, 1}; }
inline DLDataType dataTypeOf(uint16_t) { return {kDLBfloat, 16, 1}; }

template <typename T> struct Tensor : DLTensor {
  explicit Tensor(std::vector<int64_t> extents, T value = T())
      : DLTensor{}, extents(std::move(extents)) {
    int64_t count = 1;
    for (int64_t extent : this->extents)
      count *= extent;
    values.assign(count, value);
    data = values.data();
    device = {kDLCPU, 0};
    ndim = int32_t(this->extents.size());
    dtype = dataTypeOf(T());
    shape = this->extents.data();
  }
  Tensor(const Tensor &) = delete;

  std::vector<int64_t> extents;
  std::vector<T> values;
};

struct Module {
  explicit Module(const std::string &name) {
    std::string path = std::string(ATTN_FIXTURES) + "/" + name + ".so";
    status = attn_module_open(path.c_str(), &module);
  }
  ~Module() { attn_module_close(module); }

  int64_t entry(const char *name) const {
    int64_t index = -1;
    EXPECT_EQ(attn_module_find_entry(module, name, &index), ATTN_OK);
    return index;
  }
  AttnStatus call(const char *name, std::vector<const DLTensor *> inputs,
                  std::vector<const DLTensor *> outputs) const {
    return attn_module_call(module, entry(name), inputs.data(),
                            int64_t(inputs.size()), outputs.data(),
                            int64_t(outputs.size()));
  }

  AttnModule *module = nullptr;
  AttnStatus status;
};

/// Expects a failure whose message contains `text`.
inline void expectError(AttnStatus status, AttnStatus expected,
                        const std::string &text) {
  EXPECT_EQ(status, expected);
  EXPECT_NE(std::string(attn_runtime_message()).find(text), std::string::npos)
      << "expected '" << text << "' in: " << attn_runtime_message();
}

inline void expectInvalid(AttnStatus status, const std::string &text) {
  expectError(status, ATTN_INVALID_ARGUMENT, text);
}

} // namespace attn::test

#endif // ATTN_TEST_RUNTIME_TENSOR_H
