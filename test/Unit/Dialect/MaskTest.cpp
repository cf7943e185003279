//===- MaskTest.cpp - masks agree with themselves -------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A mask says what it allows in three ways: for one pair, as IR for one pair,
// and as IR for the key range of a query range. Every small case is compared.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"

#include "gtest/gtest.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
class MaskTest : public ::testing::TestWithParam<const char *> {
protected:
  MaskTest() : builder(&context) {
    context
        .loadDialect<AttnDialect, arith::ArithDialect, vector::VectorDialect>();
    mask = dyn_cast_or_null<MaskAttrInterface>(
        parseAttribute(GetParam(), &context));
  }

  /// Calls `check` for all pairs of small lengths, with fresh IR for each.
  template <typename Check> void forLengths(Check check) {
    for (int64_t n = 1; n <= 7; ++n)
      for (int64_t m = 1; m <= 7; ++m) {
        OwningOpRef<ModuleOp> module = ModuleOp::create(builder, loc());
        builder.setInsertionPointToEnd(module->getBody());
        check(n, m);
      }
  }

  Location loc() { return builder.getUnknownLoc(); }
  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(builder, loc(), value);
  }
  /// The constant that `value` was folded to.
  int64_t get(Value value) {
    std::optional<int64_t> constant = getConstantIntValue(value);
    EXPECT_TRUE(constant.has_value()) << "expected folded index arithmetic";
    return constant.value_or(-1);
  }

  MLIRContext context;
  OpBuilder builder;
  MaskAttrInterface mask;
};

TEST_P(MaskTest, BuiltPredicateIsTheMeaning) {
  ASSERT_TRUE(mask);
  forLengths([&](int64_t n, int64_t m) {
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < m; ++j) {
        Value built = mask.buildAllowed(builder, loc(), index(i), index(j),
                                        index(n), index(m));
        EXPECT_EQ(get(built) != 0, mask.allows(i, j, n, m))
            << "i " << i << " j " << j << " n " << n << " m " << m;
      }
  });
}

TEST_P(MaskTest, KeyRangeHoldsEveryAllowedKey) {
  ASSERT_TRUE(mask);
  forLengths([&](int64_t n, int64_t m) {
    for (int64_t first = 0; first < n; ++first)
      for (int64_t last = first; last < n; ++last) {
        auto [begin, end] = mask.buildKeyRange(builder, loc(), index(first),
                                               index(last), index(n), index(m));
        EXPECT_GE(get(begin), 0);
        EXPECT_LE(get(end), m);
        for (int64_t i = first; i <= last; ++i)
          for (int64_t j = 0; j < m; ++j)
            if (mask.allows(i, j, n, m))
              EXPECT_TRUE(get(begin) <= j && j < get(end))
                  << "key " << j << " of query " << i << ", n " << n << ", m "
                  << m << " not in [" << get(begin) << ", " << get(end) << ")";
      }
  });
}

TEST_P(MaskTest, ContiguousMasksAllowTheirWholeRange) {
  ASSERT_TRUE(mask);
  if (!mask.isContiguous())
    return;
  forLengths([&](int64_t n, int64_t m) {
    for (int64_t i = 0; i < n; ++i) {
      auto [begin, end] = mask.buildKeyRange(builder, loc(), index(i), index(i),
                                             index(n), index(m));
      for (int64_t j = get(begin); j < get(end); ++j)
        EXPECT_TRUE(mask.allows(i, j, n, m))
            << "key " << j << " of query " << i << ", n " << n << ", m " << m;
    }
  });
}

TEST_P(MaskTest, SpanIsAnUpperBound) {
  ASSERT_TRUE(mask);
  std::optional<int64_t> span = mask.getMaxSpan();
  if (!span)
    return;
  forLengths([&](int64_t n, int64_t m) {
    for (int64_t i = 0; i < n; ++i) {
      int64_t first = -1, last = -1;
      for (int64_t j = 0; j < m; ++j)
        if (mask.allows(i, j, n, m)) {
          first = first < 0 ? j : first;
          last = j;
        }
      if (first >= 0)
        EXPECT_LE(last - first + 1, *span) << "query " << i;
    }
  });
}

INSTANTIATE_TEST_SUITE_P(
    Masks, MaskTest,
    ::testing::Values(
        "#attn.causal<top_left>", "#attn.causal<bottom_right>",
        "#attn.window<before = 2, after = 0, bottom_right>",
        "#attn.window<before = 1, after = 2, top_left>",
        "#attn.window<before = 0, after = 0, top_left>",
        "#attn.window<before = 1, after = 1, dilation = 3, bottom_right>",
        "#attn.window<before = 1099511627776, after = 0, top_left>",
        "#attn.all_of<[#attn.causal<top_left>, #attn.window<before = 2, after "
        "= 2, dilation = 2, top_left>]>",
        "#attn.all_of<[#attn.causal<bottom_right>, #attn.window<before = 2, "
        "after = 1, top_left>]>",
        "#attn.any_of<[#attn.window<before = 1, after = 0, top_left>, "
        "#attn.window<before = 2, after = 0, dilation = 3, top_left>]>",
        "#attn.any_of<[#attn.window<before = 0, after = 0, bottom_right>, "
        "#attn.window<before = 3, after = 0, top_left>]>",
        "#attn.all_of<[#attn.any_of<[#attn.causal<top_left>, "
        "#attn.causal<bottom_right>]>, #attn.window<before = 3, after = 3, "
        "top_left>]>"));
} // namespace
