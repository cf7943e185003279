//===- MaskTest.cpp - masks agree with themselves -------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A mask says what it allows in three ways: for one pair, as IR for one pair,
// and as IR for the key ranges of a query range. Every small case is compared.
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
        for (int64_t h = 0; h < (mask.dependsOnHead() ? 3 : 1); ++h)
          check(h, n, m);
      }
  }

  /// Every allowed key is in one range, and the range's mask says the same as
  /// the whole.
  void checkRanges(int64_t h, int64_t first, int64_t last, int64_t n, int64_t m,
                   int64_t block = 0) {
    SmallVector<int64_t> seen(m, 0);
    for (const KeyRange &range : mask.buildKeyRanges(
             builder, loc(), scope(h, n, m), index(first), index(last))) {
      auto own = dyn_cast_or_null<MaskAttrInterface>(range.mask);
      EXPECT_TRUE(get(range.begin) >= get(range.end) ||
                  (get(range.begin) >= 0 && get(range.end) <= m));
      for (int64_t j = get(range.begin); j < get(range.end); ++j) {
        EXPECT_EQ(++seen[j], 1) << "key " << j << " is in two ranges";
        for (int64_t i = first; i <= last; ++i)
          EXPECT_EQ(!own || own.allows(h, i, j, n, m),
                    mask.allows(h, i, j, n, m))
              << "key " << j << " of query " << i << ", n " << n << ", m " << m;
      }
    }
    for (int64_t i = first; i <= last; ++i)
      for (int64_t j = 0; j < m; ++j)
        EXPECT_TRUE(seen[j] || !mask.allows(h, i, j, n, m))
            << "key " << j << " of query " << i << ", n " << n << ", m " << m
            << " is in no range";
  }

  MaskScope scope(int64_t h, int64_t n, int64_t m) {
    return {index(h), index(n), index(m)};
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
  forLengths([&](int64_t h, int64_t n, int64_t m) {
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < m; ++j) {
        Value built = mask.buildAllowed(builder, loc(), scope(h, n, m),
                                        index(i), index(j));
        EXPECT_EQ(get(built) != 0, mask.allows(h, i, j, n, m))
            << "h " << h << " i " << i << " j " << j << " n " << n << " m "
            << m;
      }
  });
}

TEST_P(MaskTest, KeyRangesAreTheMeaning) {
  ASSERT_TRUE(mask);
  forLengths([&](int64_t h, int64_t n, int64_t m) {
    for (int64_t first = 0; first < n; ++first)
      for (int64_t last = first; last < n; ++last)
        checkRanges(h, first, last, n, m);
    int64_t block = mask.getQueryBlock();
    for (int64_t first = 0; block != 0 && first < n; first += block)
      checkRanges(h, first, std::min(first + block, n) - 1, n, m, block);
  });
}

TEST_P(MaskTest, ContiguousMasksAllowTheirWholeRange) {
  ASSERT_TRUE(mask);
  if (!mask.isContiguous())
    return;
  forLengths([&](int64_t h, int64_t n, int64_t m) {
    for (int64_t i = 0; i < n; ++i) {
      auto ranges = mask.buildKeyRanges(builder, loc(), scope(h, n, m),
                                        index(i), index(i));
      ASSERT_EQ(ranges.size(), 1u);
      for (int64_t j = get(ranges[0].begin); j < get(ranges[0].end); ++j)
        EXPECT_TRUE(mask.allows(h, i, j, n, m))
            << "key " << j << " of query " << i << ", n " << n << ", m " << m;
    }
  });
}

TEST_P(MaskTest, SpanIsAnUpperBound) {
  ASSERT_TRUE(mask);
  std::optional<int64_t> span = mask.getMaxSpan();
  if (!span)
    return;
  forLengths([&](int64_t h, int64_t n, int64_t m) {
    for (int64_t first = 0; first < n; ++first)
      for (int64_t last = first; last < n; ++last) {
        auto [begin, end] = mask.buildKeyHull(builder, loc(), scope(h, n, m),
                                              index(first), index(last));
        EXPECT_LE(get(end) - get(begin), *span + last - first)
            << "queries " << first << " to " << last;
      }
  });
}

/// Every query is in one piece, whose mask says for it what the whole says.
TEST_P(MaskTest, QueryRangesAreTheMeaning) {
  ASSERT_TRUE(mask);
  forLengths([&](int64_t h, int64_t n, int64_t m) {
    SmallVector<int64_t> seen(n, 0);
    for (const QueryRange &piece :
         mask.buildQueryRanges(builder, loc(), scope(h, n, m))) {
      auto own = dyn_cast_or_null<MaskAttrInterface>(piece.mask);
      for (int64_t i = get(piece.begin); i < get(piece.end); ++i) {
        EXPECT_EQ(++seen[i], 1) << "query " << i << " is in two pieces";
        for (int64_t j = 0; j < m; ++j)
          EXPECT_EQ(!piece.seesNothing && (!own || own.allows(h, i, j, n, m)),
                    mask.allows(h, i, j, n, m))
              << "key " << j << " of query " << i << ", n " << n << ", m " << m;
      }
    }
    for (int64_t i = 0; i < n; ++i)
      EXPECT_EQ(seen[i], 1) << "query " << i << " is in no piece";
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
        "#attn.window<before = 2, after = 1, dilation = [1, 3, 2], top_left>",
        "#attn.all_of<[#attn.causal<top_left>, #attn.window<before = 2, after "
        "= 2, dilation = 2, top_left>]>",
        "#attn.all_of<[#attn.causal<bottom_right>, #attn.window<before = 2, "
        "after = 1, top_left>]>",
        "#attn.any_of<[#attn.window<before = 1, after = 0, top_left>, "
        "#attn.window<before = 2, after = 0, dilation = 3, top_left>]>",
        "#attn.any_of<[#attn.window<before = 0, after = 0, bottom_right>, "
        "#attn.window<before = 3, after = 0, top_left>]>",
        "#attn.global<tokens = [0, 3 to 5], keys, top_left>",
        "#attn.global<tokens = [0, 3 to 5], queries, bottom_right>",
        "#attn.global<tokens = [1, 3, 5], both, bottom_right>",
        "#attn.global<tokens = [0, 2, 4, 6, 8, 10], both, top_left>",
        "#attn.local_chunks<chunk = 2, look_back = 1, look_ahead = 0, "
        "top_left>",
        "#attn.local_chunks<chunk = 3, look_back = 0, look_ahead = 1, "
        "bottom_right>",
        "#attn.any_of<[#attn.window<before = 1, after = 1, top_left>, "
        "#attn.global<tokens = [0 to 2, 5], both, top_left>]>",
        "#attn.all_of<[#attn.causal<bottom_right>, "
        "#attn.any_of<[#attn.window<before = 2, after = 2, dilation = [1, 2, "
        "3], bottom_right>, #attn.global<tokens = [1], both, "
        "bottom_right>]>]>",
        "#attn.any_of<[#attn.global<tokens = [2], keys, top_left>, "
        "#attn.global<tokens = [1 to 4], both, top_left>, "
        "#attn.window<before = 0, after = 1, bottom_right>]>",
        "#attn.all_of<[#attn.global<tokens = [0 to 2], queries, top_left>, "
        "#attn.global<tokens = [5 to 7], keys, top_left>]>",
        "#attn.bigbird<block = 1, random = 2, seed = 3>",
        "#attn.bigbird<block = 2, random = 1, seed = 0>",
        "#attn.all_of<[#attn.causal<bottom_right>, #attn.bigbird<block = 1, "
        "random = 0, seed = 0>]>",
        "#attn.all_of<[#attn.any_of<[#attn.causal<top_left>, "
        "#attn.causal<bottom_right>]>, #attn.window<before = 3, after = 3, "
        "top_left>]>"));
} // namespace
