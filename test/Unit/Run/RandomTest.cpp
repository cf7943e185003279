// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random data and the comparison of results: both must not be trusted more than
// the code that they test.

#include "Inputs.h"
#include "Reference.h"

#include "gtest/gtest.h"

#include <cmath>
#include <limits>

using namespace attn::run;

static Array random(DLDataType type, int64_t count, uint64_t seed) {
  Array array = llvm::cantFail(Array::create(type, {count}));
  fillRandom(array, seed, 0, 1000);
  return array;
}

TEST(RandomTest, isAboutNormal) {
  Array array = random({kDLFloat, 32, 1}, 100000, 5);
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < array.count(); ++i) {
    double value = readElement(array.type(), array.bytes().data(), i);
    sum += value;
    squares += value * value;
  }
  EXPECT_NEAR(sum / 1e5, 0, 0.02);
  EXPECT_NEAR(squares / 1e5, 1, 0.02);
}

TEST(RandomTest, doesNotDependOnLengthAndTurnsWithTheSeed) {
  Array small = random({kDLFloat, 64, 1}, 10, 1);
  Array large = random({kDLFloat, 64, 1}, 100, 1);
  EXPECT_EQ(small.bytes(), large.bytes().take_front(80));
  EXPECT_NE(small.bytes(), random({kDLFloat, 64, 1}, 10, 2).bytes());
}

TEST(RandomTest, staysInsideNarrowIntegers) {
  Array array = random({kDLInt, 8, 1}, 1000, 1);
  for (int64_t i = 0; i < array.count(); ++i)
    EXPECT_GE(readElement(array.type(), array.bytes().data(), i), 0);
  Array booleans = random({kDLBool, 8, 1}, 1000, 1);
  for (uint8_t byte : booleans.bytes())
    EXPECT_LE(byte, 1);
}

TEST(ArrayTest, roundsToBfloat16) {
  DLDataType type = {kDLBfloat, 16, 1};
  Array array = llvm::cantFail(Array::create(type, {1}));
  auto round = [&](double value) {
    writeElement(type, array.bytes().data(), 0, value);
    return readElement(type, array.bytes().data(), 0);
  };
  EXPECT_EQ(round(1.0), 1.0);
  EXPECT_EQ(round(1.0 + 1.0 / 256), 1.0); // a tie, to even
  EXPECT_EQ(round(1.0 + 3.0 / 256), 1.0 + 1.0 / 64);
  EXPECT_TRUE(std::isnan(round(std::nan(""))));
  EXPECT_TRUE(std::isinf(round(1e39)));
}

TEST(CompareTest, countsWhatIsNoNumber) {
  const double inf = std::numeric_limits<double>::infinity();
  double got[] = {1.0, std::nan(""), inf, -inf, 2.5, std::nan("")};
  double expected[] = {1.0, 1.0, inf, inf, 2.0, std::nan("")};
  DLTensor tensor{};
  tensor.data = got;
  tensor.dtype = {kDLFloat, 64, 1};
  Difference difference = compare(tensor, expected);
  EXPECT_EQ(difference.mismatches, 2);
  EXPECT_EQ(difference.maxAbsolute, 0.5);
  EXPECT_EQ(difference.relative, 0.25);
}
