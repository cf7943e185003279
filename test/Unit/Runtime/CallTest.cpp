// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Calls of compiled entries: that good ones compute, and that each thing a
// caller can get wrong is answered by a message that names it.

#include "Tensor.h"

#include <sys/mman.h>

using namespace attn::test;

namespace {
struct CallTest : testing::Test {
  Module library{"good"};
  Tensor<float> a{{3, 5}, 1.5f}, b{{3, 5}, 2.0f}, c{{3, 5}};

  AttnStatus add() { return library.call("add", {&a, &b}, {&c}); }
};
} // namespace

TEST_F(CallTest, computes) {
  ASSERT_EQ(add(), ATTN_OK) << attn_runtime_message();
  EXPECT_STREQ(attn_runtime_message(), "");
  for (float value : c.values)
    EXPECT_EQ(value, 3.5f);
}

TEST_F(CallTest, returnsScalar) {
  Tensor<double> x({4}, 0.25), total({});
  ASSERT_EQ(library.call("sum", {&x}, {&total}), ATTN_OK);
  EXPECT_EQ(total.values[0], 1.0);
}

TEST_F(CallTest, readsPastByteOffset) {
  Tensor<double> x({4}, 1.0), total({});
  x.values[0] = 100;
  x.byte_offset = sizeof(double);
  x.extents[0] = 3;
  ASSERT_EQ(library.call("sum", {&x}, {&total}), ATTN_OK);
  EXPECT_EQ(total.values[0], 3.0);
}

TEST_F(CallTest, passesBfloat16) {
  Tensor<uint16_t> x({4, 2}, 0x3f80), y({4, 2});
  ASSERT_EQ(library.call("copy", {&x}, {&y}), ATTN_OK);
  EXPECT_EQ(y.values, x.values);
}

TEST_F(CallTest, nestedRegionsKeepTheirScratch) {
  Tensor<int64_t> x({50}), y({100});
  ASSERT_EQ(library.call("count", {&x}, {&y}), ATTN_OK);
  for (int64_t i = 0; i < 100; ++i)
    EXPECT_EQ(y.values[i], 45 + i);
}

TEST_F(CallTest, allocatesResults) {
  const DLTensor *inputs[] = {&a, &b};
  DLManagedTensor *result = nullptr;
  int64_t add = library.entry("add");
  ASSERT_EQ(attn_module_allocate(library.module, add, inputs, 2, &result, 1),
            ATTN_OK);
  EXPECT_EQ(result->dl_tensor.shape[0], 3);
  EXPECT_EQ(result->dl_tensor.shape[1], 5);
  EXPECT_EQ(uintptr_t(result->dl_tensor.data) % 64, 0u);
  const DLTensor *outputs[] = {&result->dl_tensor};
  EXPECT_EQ(attn_module_call(library.module, add, inputs, 2, outputs, 1),
            ATTN_OK);
  EXPECT_EQ(static_cast<float *>(result->dl_tensor.data)[14], 3.5f);
  result->deleter(result);
}

TEST_F(CallTest, infersShapes) {
  Tensor<int64_t> x({7});
  const DLTensor *input = &x;
  int64_t extent = 0, *shape = &extent;
  EXPECT_EQ(attn_module_result_shapes(library.module, library.entry("count"),
                                      &input, 1, &shape, 1),
            ATTN_OK);
  EXPECT_EQ(extent, 14);
}

TEST_F(CallTest, refusesNullPointers) {
  expectInvalid(library.call("add", {&a, nullptr}, {&c}),
                "argument 1 'arg1' of 'add': expected a tensor, got a null");
  expectInvalid(library.call("add", {&a, &b}, {nullptr}), "result 0 'result0'");
  expectInvalid(attn_module_call(library.module, 0, nullptr, 2, nullptr, 1),
                "expected an array of arguments");
  expectInvalid(attn_module_call(nullptr, 0, nullptr, 0, nullptr, 0),
                "expected a module");
  a.data = nullptr;
  expectInvalid(add(), "expected data, got a null pointer");
  b.shape = nullptr;
  a.data = a.values.data();
  expectInvalid(add(), "expected a shape, got a null pointer");
}

TEST_F(CallTest, refusesWrongCounts) {
  expectInvalid(library.call("add", {&a}, {&c}), "expected 2 arguments, got 1");
  expectInvalid(library.call("add", {&a, &b}, {}), "expected 1 results, got 0");
  expectInvalid(attn_module_call(library.module, 99, nullptr, 0, nullptr, 0),
                "expected an entry below 7, got 99");
  expectInvalid(attn_module_call(library.module, 0, nullptr, -3, nullptr, 0),
                "got -3");
}

TEST_F(CallTest, refusesWrongTypes) {
  Tensor<double> wide({3, 5});
  expectInvalid(library.call("add", {&a, &wide}, {&c}),
                "argument 1 'arg1' of 'add': expected float32, got float64");
  b.dtype.lanes = 4;
  expectInvalid(add(), "got type code 2 of 32 bits and 4 lanes");
  b.dtype = a.dtype;
  b.device.device_type = kDLCUDA;
  expectInvalid(add(), "expected memory of the CPU, got DLPack device type 2");
}

TEST_F(CallTest, refusesWrongShapes) {
  a.ndim = 1;
  expectInvalid(add(), "expected 2 dimensions, got 1");
  a.ndim = -1;
  expectInvalid(add(), "expected 2 dimensions, got -1");
  a.ndim = 2;
  b.extents[1] = 4;
  expectInvalid(add(),
                "dimension 1 (M) to be 5 as in argument 0 'arg0', got 4");
  b.extents[1] = 5;
  c.extents[0] = 2;
  expectInvalid(add(), "result 0 'result0'");
  Tensor<uint16_t> x({3, 2}), y({4, 2});
  expectInvalid(library.call("copy", {&x}, {&y}),
                "expected dimension 0 to be 4, got 3");
  Tensor<int64_t> n({3}), twice({5});
  expectInvalid(library.call("count", {&n}, {&twice}),
                "expected dimension 0 to be 6 for these arguments, got 5");
}

TEST_F(CallTest, refusesExtremeExtents) {
  a.extents[0] = 0;
  expectInvalid(add(), "expected dimension 0 to be positive, got 0");
  a.extents[0] = -1;
  expectInvalid(add(), "expected dimension 0 to be positive, got -1");
  a.extents = {int64_t(1) << 40, int64_t(1) << 40};
  expectInvalid(add(), "expected a size that fits into 63 bits");
  a.extents = {(int64_t(1) << 61) - 1, 1};
  expectInvalid(add(), "expected data inside the address space");
  a.extents = {3, 5};
  a.byte_offset = ~uint64_t(0);
  expectInvalid(add(), "expected data inside the address space");
}

TEST_F(CallTest, refusesStrides) {
  int64_t strides[] = {1, 3};
  a.strides = strides;
  expectInvalid(add(), "row-major contiguous data with stride 1 in dimension");
  int64_t good[] = {5, 1};
  a.strides = good;
  EXPECT_EQ(add(), ATTN_OK);
  // The stride of a single row is never used.
  int64_t any[] = {77, 1};
  Tensor<float> row({1, 5}), sum({1, 5});
  row.strides = any;
  EXPECT_EQ(library.call("add", {&row, &row}, {&sum}), ATTN_OK);
}

TEST_F(CallTest, refusesMisalignedData) {
  a.byte_offset = 2;
  expectInvalid(add(), "expected data aligned to 4 bytes, got address 0x");
}

TEST_F(CallTest, refusesOverlap) {
  expectInvalid(library.call("add", {&a, &b}, {&b}),
                "got memory that overlaps argument 1 'arg1'");
}

TEST_F(CallTest, reportsErrorsOfTheCode) {
  expectError(library.call("fail", {}, {}), ATTN_FAILED,
              "'fail': error 7: broken on purpose");
  expectError(library.call("greedy", {}, {}), ATTN_OUT_OF_MEMORY,
              "no memory for a thread's scratch");
  Tensor<int64_t> x({1});
  expectError(library.call("badshape", {}, {&x}), ATTN_FAILED,
              "its shape function gave -5 for dimension 0");
  EXPECT_EQ(add(), ATTN_OK); // and goes on
}

TEST_F(CallTest, refusesToAllocateForWrongInputs) {
  DLManagedTensor *result = reinterpret_cast<DLManagedTensor *>(1);
  const DLTensor *inputs[] = {&a, nullptr};
  EXPECT_EQ(attn_module_allocate(library.module, 0, inputs, 2, &result, 1),
            ATTN_INVALID_ARGUMENT);
  EXPECT_EQ(result, nullptr);
  expectInvalid(attn_module_allocate(library.module, 0, inputs, 2, nullptr, 1),
                "expected an array for the results");
  expectInvalid(attn_module_allocate(library.module, 0, inputs, 2, &result, 3),
                "expected room for 1 results, got 3");
}
