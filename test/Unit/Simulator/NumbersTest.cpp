//===- NumbersTest.cpp - half formats and conversions ---------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The device's scalars against LLVM's own software floats, over every half.
//
//===----------------------------------------------------------------------===//

#include "Numbers.h"

#include "llvm/ADT/APFloat.h"

#include "gtest/gtest.h"

using namespace attn::sim;
using llvm::APFloat;

static uint16_t reference(float value, const llvm::fltSemantics &semantics) {
  APFloat number(value);
  bool loses;
  number.convert(semantics, APFloat::rmNearestTiesToEven, &loses);
  return uint16_t(number.bitcastToAPInt().getZExtValue());
}

TEST(NumbersTest, widensEveryHalf) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    APFloat half(APFloat::IEEEhalf(), llvm::APInt(16, bits));
    bool loses;
    half.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &loses);
    if (half.isNaN())
      EXPECT_TRUE(std::isnan(halfToFloat(uint16_t(bits))));
    else
      EXPECT_EQ(halfToFloat(uint16_t(bits)), half.convertToFloat());
  }
}

TEST(NumbersTest, roundsToNearestEven) {
  uint32_t bits = 1;
  for (int i = 0; i < 200000; ++i) {
    bits = bits * 1664525 + 1013904223;
    // Half of them in the range of f16.
    uint32_t in = i % 2 ? bits : (bits & 0x81ffffff) + 0x32000000;
    float value = std::bit_cast<float>(in);
    if (std::isnan(value))
      continue;
    EXPECT_EQ(floatToHalf(value), reference(value, APFloat::IEEEhalf()))
        << value;
    EXPECT_EQ(floatToBfloat(value), reference(value, APFloat::BFloat()))
        << value;
  }
  EXPECT_EQ(floatToHalf(NAN), 0x7fff);
}
