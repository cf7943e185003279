// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The readers of .npy and .safetensors: what they accept, and that no content
// of a file, however wrong, does more than give an error.

#include "Npy.h"
#include "Safetensors.h"

#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"

using namespace attn::run;

static std::string npy(const std::string &header, size_t dataBytes) {
  std::string content("\x93NUMPY\x01\x00", 8);
  content += char(header.size() & 0xff);
  content += char(header.size() >> 8);
  return content + header + std::string(dataBytes, '\0');
}

static std::string safetensors(const std::string &header, size_t dataBytes) {
  uint64_t length = header.size();
  std::string content(reinterpret_cast<const char *>(&length), 8);
  return content + header + std::string(dataBytes, '\0');
}

static void expectError(llvm::Expected<Array> array, const std::string &text) {
  ASSERT_FALSE(bool(array)) << "expected: " << text;
  std::string message = llvm::toString(array.takeError());
  EXPECT_NE(message.find(text), std::string::npos) << message;
}

static void expectNpyError(const std::string &header, size_t dataBytes,
                           const std::string &text) {
  expectError(parseNpy(npy(header, dataBytes), "x.npy"), text);
}

static void expectSafetensorsError(const std::string &header, size_t dataBytes,
                                   const std::string &text) {
  expectError(parseSafetensors(safetensors(header, dataBytes), "x", "t"), text);
}

TEST(NpyTest, roundTripsEveryType) {
  const DLDataType types[] = {
      {kDLFloat, 64, 1},  {kDLFloat, 32, 1}, {kDLFloat, 16, 1},
      {kDLBfloat, 16, 1}, {kDLBool, 8, 1},   {kDLInt, 8, 1},
      {kDLInt, 64, 1},    {kDLUInt, 32, 1},  {kDLUInt, 8, 1}};
  const std::vector<int64_t> shapes[] = {{}, {3}, {2, 1, 4}};
  for (DLDataType type : types)
    for (llvm::ArrayRef<int64_t> shape : shapes) {
      Array array = llvm::cantFail(Array::create(type, shape));
      for (int64_t i = 0; i < array.count(); ++i)
        writeElement(type, array.bytes().data(), i, double(i % 2));
      std::string content;
      llvm::raw_string_ostream os(content);
      writeNpy(os, array.tensor());
      Array again = llvm::cantFail(parseNpy(content, "x.npy"));
      EXPECT_EQ(again.type().code, type.code);
      EXPECT_EQ(again.type().bits, type.bits);
      EXPECT_EQ(again.shape(), shape);
      EXPECT_EQ(again.bytes(), array.bytes());
    }
}

TEST(NpyTest, acceptsOtherSpellings) {
  auto array = parseNpy(
      npy("{'shape':(2,),'fortran_order': True ,'descr': '<i4'}  \n", 8), "x");
  ASSERT_TRUE(bool(array)) << llvm::toString(array.takeError());
  EXPECT_EQ(array->count(), 2);
}

TEST(NpyTest, refusesDamagedFiles) {
  std::string good =
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", 8);
  ASSERT_TRUE(bool(parseNpy(good, "x.npy")));
  for (size_t size = 0; size < good.size(); ++size)
    expectError(parseNpy(llvm::StringRef(good).take_front(size), "x.npy"),
                "'x.npy': expected");
  good[6] = 9;
  expectError(parseNpy(good, "x"), "expected version 1, 2 or 3, got 9");
  good[6] = 2; // reads a length of four bytes, two of them text
  expectError(parseNpy(good, "x"), "got a truncated file");
}

TEST(NpyTest, refusesWrongHeaders) {
  const std::string order = "'fortran_order': False, ";
  expectNpyError("{'descr': '>f4', " + order + "'shape': (1,)}", 4,
                 "expected little-endian numbers, got descr '>f4'");
  expectNpyError("{'descr': '|O', " + order + "'shape': (1,)}", 8, "'|O'");
  expectNpyError("{'descr': '', " + order + "'shape': (1,)}", 8, "''");
  expectNpyError("{'descr': [('a', '<f4')], 'shape': ()}", 4, "quoted string");
  expectNpyError("{'descr': '<f4', 'shape': (1,)}", 4,
                 "expected descr, fortran_order and shape");
  expectNpyError("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2)}", 8,
                 "expected C order, got Fortran order");
  expectNpyError("{'descr': '<f4', " + order + "'shape': (-1,)}", 4, "shape");
  expectNpyError("{'descr': '<f4', " + order + "'shape': (1 2)}", 8, "comma");
  expectNpyError("{'descr': '<f4', " + order + "'shape': (1,)} x", 4,
                 "nothing after");
  expectNpyError("{'more': 1}", 0, "got key 'more'");
  expectNpyError("{'descr': '<f4', " + order +
                     "'shape': (9223372036854775807, 9)}",
                 4, "bytes of data for shape [9223372036854775807, 9], got 4");
}

TEST(SafetensorsTest, readsATensor) {
  auto array = parseSafetensors(
      safetensors(
          R"({"t":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]}})", 16),
      "x", "t");
  ASSERT_TRUE(bool(array)) << llvm::toString(array.takeError());
  EXPECT_EQ(array->count(), 6);
}

TEST(SafetensorsTest, refusesWrongFiles) {
  expectError(parseSafetensors("", "x", "t"), "got a truncated file");
  expectError(parseSafetensors("1234567", "x", "t"), "got a truncated file");
  expectError(parseSafetensors("\xff\xff\xff\xff\xff\xff\xff\xff{}", "x", "t"),
              "got a truncated file");
  expectSafetensorsError("{", 0, "expected a JSON header");
  expectSafetensorsError("[1]", 0, "expected a tensor 't'");
  expectSafetensorsError(std::string(1000000, '['), 0, "a flat JSON header");
  expectSafetensorsError(R"({"t":{"dtype":"F8","shape":[],)"
                         R"("data_offsets":[0,1]}})",
                         1, "expected a dtype that we know, got F8");
  expectSafetensorsError(R"({"t":{"dtype":"F32","shape":[1]}})", 4,
                         "expected shape and two data_offsets");
  expectSafetensorsError(R"({"t":{"dtype":"F32","shape":[1],)"
                         R"("data_offsets":[0,400]}})",
                         4, "expected data inside the file");
  expectSafetensorsError(R"({"t":{"dtype":"F32","shape":[-1],)"
                         R"("data_offsets":[0,4]}})",
                         4, "expected shape and two data_offsets");
  expectSafetensorsError(R"({"t":{"dtype":"F32","shape":[3],)"
                         R"("data_offsets":[0,4]}})",
                         4, "expected 12 bytes for its shape, got 4");
}
