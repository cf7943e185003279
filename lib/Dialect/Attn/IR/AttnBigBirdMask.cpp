//===- AttnBigBirdMask.cpp - blocks: own, neighbours, ends, random --------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A row of blocks sees a handful of blocks of keys, each a range that needs no
// comparison if a tile of queries keeps within the row. The random blocks are
// drawn by arithmetic on a counter, or come from a table; they never exist as a
// mask.
//
//===----------------------------------------------------------------------===//

#include "MaskMath.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
// splitmix64 (Steele, Lea and Flood 2014), keyed by seed, head, row and draw.
constexpr uint64_t kGamma = 0x9e3779b97f4a7c15, kFirst = 0xbf58476d1ce4e5b9,
                   kSecond = 0x94d049bb133111eb;
constexpr uint64_t kHeadKey = 0xd1342543de82ef95, kRowKey = 0xaf251af3b0f025b5;

/// The draw as a number in [0, 2^31), so that signed arithmetic can divide it.
int64_t draw(int64_t seed, int64_t head, int64_t row, int64_t which) {
  uint64_t z = uint64_t(seed) * kGamma + uint64_t(head) * kHeadKey +
               uint64_t(row) * kRowKey + uint64_t(which + 1) * kGamma;
  z = (z ^ (z >> 30)) * kFirst;
  z = (z ^ (z >> 27)) * kSecond;
  return int64_t((z ^ (z >> 31)) >> 33);
}

Value buildDraw(MaskMath &math, int64_t seed, Value head, Value row,
                int64_t which) {
  auto constant = [&](uint64_t value) { return math.index(int64_t(value)); };
  auto mix = [&](Value z, int64_t shift, uint64_t factor) {
    Value shifted =
        math.b.createOrFold<arith::ShRUIOp>(math.loc, z, math.index(shift));
    Value mixed = math.b.createOrFold<arith::XOrIOp>(math.loc, z, shifted);
    return factor ? math.mul(mixed, constant(factor)) : mixed;
  };
  Value z =
      math.add(constant(uint64_t(seed) * kGamma + uint64_t(which + 1) * kGamma),
               math.add(math.mul(head, constant(kHeadKey)),
                        math.mul(row, constant(kRowKey))));
  z = mix(mix(mix(z, 30, kFirst), 27, kSecond), 31, 0);
  return math.b.createOrFold<arith::ShRUIOp>(math.loc, z, math.index(33));
}
} // namespace

//===----------------------------------------------------------------------===//
// The blocks that a row sees
//===----------------------------------------------------------------------===//

namespace {
/// The same steps on numbers and on IR: `Scalar` is int64_t or Value.
struct Numbers {
  using Scalar = int64_t;
  Scalar index(int64_t value) { return value; }
  Scalar add(Scalar a, Scalar b) { return a + b; }
  Scalar sub(Scalar a, Scalar b) { return a - b; }
  Scalar min(Scalar a, Scalar b) { return std::min(a, b); }
  Scalar max(Scalar a, Scalar b) { return std::max(a, b); }
  Scalar rem(Scalar a, Scalar b) { return a % b; }
  /// a < b ? x : y
  Scalar ifLess(Scalar a, Scalar b, Scalar x, Scalar y) {
    return a < b ? x : y;
  }
};

struct Index : MaskMath {
  using Scalar = Value;
  explicit Index(const MaskMath &math) : MaskMath(math) {}
  Scalar rem(Scalar x, Scalar y) {
    return b.createOrFold<arith::RemSIOp>(loc, x, y);
  }
  Scalar ifLess(Scalar a, Scalar b, Scalar x, Scalar y) {
    return select(less(a, b), x, y);
  }
};

/// What row `row` sees besides random blocks, as disjoint ranges of blocks:
/// neighbours, then the first block and the last where they are none.
template <typename M, typename S = typename M::Scalar>
SmallVector<std::pair<S, S>> fixedBlocks(M m, S row, S blocks) {
  S one = m.index(1);
  S begin = m.max(m.index(0), m.sub(row, one)),
    end = m.min(blocks, m.add(row, m.index(2)));
  begin = m.min(begin, end);
  S last = m.sub(blocks, one);
  last = m.ifLess(begin, end, m.max(end, last), m.max(last, one));
  return {{begin, end}, {m.index(0), m.min(one, begin)}, {last, blocks}};
}

/// The random blocks of a row, drawn without replacement from those that the
/// row does not see anyway; -1 where there are too few.
template <typename M, typename Draw, typename S = typename M::Scalar>
SmallVector<S> randomBlocks(M m, int64_t count, S row, S blocks, Draw draw) {
  SmallVector<std::pair<S, S>> fixed = fixedBlocks(m, row, blocks);
  S taken = m.index(0), one = m.index(1);
  for (auto [begin, end] : fixed)
    taken = m.add(taken, m.max(m.index(0), m.sub(end, begin)));
  S candidates = m.sub(blocks, taken);
  SmallVector<S> picked; // candidates' numbers, ascending
  SmallVector<S> result;
  for (int64_t which = 0; which < count; ++which) {
    S left = m.sub(candidates, m.index(which));
    S number = m.rem(draw(which), m.max(left, one));
    // The number-th of those that are left: step over the earlier picks.
    for (S earlier : picked)
      number = m.ifLess(number, earlier, number, m.add(number, one));
    S carried = number;
    for (S &slot : picked) {
      S low = m.min(slot, carried), high = m.max(slot, carried);
      slot = low, carried = high;
    }
    picked.push_back(carried);
    // The number-th block that is not fixed: first block, neighbours, last.
    auto [begin, end] = fixed[0];
    S block = m.add(number, m.max(m.index(0), fixed[1].second));
    block = m.ifLess(block, begin, block, m.add(block, m.sub(end, begin)));
    result.push_back(m.ifLess(m.index(0), left, block, m.index(-1)));
  }
  return result;
}
} // namespace

//===----------------------------------------------------------------------===//
// bigbird
//===----------------------------------------------------------------------===//

LogicalResult BigBirdAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                  int64_t block, int64_t random, int64_t seed,
                                  DenseIntElementsAttr table) {
  if (block < 1 || block > (1 << 20))
    return emitError() << "expected a block in [1, 2^20] (C1), got " << block;
  if (random < 0 || random > 16)
    return emitError() << "expected 0 to 16 random blocks (C2), got " << random;
  if (seed < 0)
    return emitError() << "expected a seed of at least 0 (C2), got " << seed;
  if (!table)
    return success();
  if (table.getType().getRank() != 3 ||
      table.getType().getDimSize(2) != random ||
      !table.getElementType().isInteger(64))
    return emitError() << "expected a table of i64 [heads, rows, " << random
                       << "] (C3), got " << table.getType();
  for (int64_t entry : table.getValues<int64_t>())
    if (entry < 0)
      return emitError() << "expected blocks of at least 0 in the table (C3), "
                            "got "
                         << entry;
  return success();
}

LogicalResult
BigBirdAttr::verifyFor(function_ref<InFlightDiagnostic()> emitError,
                       int64_t heads, int64_t n, int64_t m) const {
  if (!getTable())
    return success();
  if (ShapedType::isDynamic(n) || ShapedType::isDynamic(m))
    return emitError() << "expected static lengths beside a table (C4)";
  ArrayRef<int64_t> shape = getTable().getType().getShape();
  int64_t rows = llvm::divideCeil(n, getBlock()) - 2;
  if ((!ShapedType::isDynamic(heads) && shape[0] != heads) ||
      shape[1] != std::max<int64_t>(rows, 0))
    return emitError() << "expected a table for " << heads << " heads and "
                       << rows << " rows of blocks (C4), got "
                       << getTable().getType();
  for (int64_t entry : getTable().getValues<int64_t>())
    if (entry * getBlock() >= m)
      return emitError() << "expected blocks within " << m
                         << " keys in the table (C4), got " << entry;
  return success();
}

bool BigBirdAttr::dependsOnHead() const { return getRandom() > 0; }

int64_t BigBirdAttr::getQueryBlock() const { return getBlock(); }

/// The table's blocks of a row without those that it sees anyway or twice, -1
/// in their place.
static SmallVector<int64_t> tableRow(BigBirdAttr mask, int64_t head,
                                     int64_t row, int64_t blocks) {
  ArrayRef<int64_t> shape = mask.getTable().getType().getShape();
  auto values = mask.getTable().getValues<int64_t>();
  SmallVector<int64_t> result;
  for (int64_t which = 0; which < shape[2]; ++which) {
    int64_t block =
        values[{uint64_t(head), uint64_t(row - 1), uint64_t(which)}];
    bool isSeen = llvm::is_contained(result, block);
    for (auto [begin, end] : fixedBlocks(Numbers(), row, blocks))
      isSeen |= begin <= block && block < end;
    result.push_back(isSeen ? -1 : block);
  }
  return result;
}

bool BigBirdAttr::allows(int64_t h, int64_t i, int64_t j, int64_t n,
                         int64_t m) const {
  int64_t rows = llvm::divideCeil(n, getBlock()),
          blocks = llvm::divideCeil(m, getBlock());
  int64_t row = i / getBlock(), block = j / getBlock();
  if (row == 0 || row == rows - 1)
    return true;
  for (auto [begin, end] : fixedBlocks(Numbers(), row, blocks))
    if (begin <= block && block < end)
      return true;
  SmallVector<int64_t> random =
      getTable() ? tableRow(*this, h, row, blocks)
                 : randomBlocks(Numbers(), getRandom(), row, blocks,
                                [&](int64_t which) {
                                  return draw(getSeed(), h, row, which);
                                });
  return llvm::is_contained(random, block);
}

/// The random blocks of a row as values: drawn, or read from a constant.
static SmallVector<Value> buildRandomBlocks(MaskMath &math, BigBirdAttr mask,
                                            const MaskScope &scope, Value row,
                                            Value blocks) {
  if (!mask.getTable())
    return randomBlocks(
        Index{math}, mask.getRandom(), row, blocks, [&](int64_t which) {
          return buildDraw(math, mask.getSeed(), scope.head, row, which);
        });
  ArrayRef<int64_t> shape = mask.getTable().getType().getShape();
  SmallVector<int64_t> flat;
  int64_t numBlocks = getConstantIntValue(blocks).value_or(0);
  for (int64_t head = 0; head < shape[0]; ++head)
    for (int64_t r = 1; r <= shape[1]; ++r)
      llvm::append_range(flat, tableRow(mask, head, r, numBlocks));
  auto type = RankedTensorType::get(shape, math.b.getI64Type());
  Value table = arith::ConstantOp::create(
      math.b, math.loc, DenseIntElementsAttr::get(type, flat));
  // Rows that see all are asked as well, where scores are masked one by one.
  Value at = math.min(math.max(math.sub(row, math.index(1)), math.index(0)),
                      math.index(std::max<int64_t>(shape[1] - 1, 0)));
  SmallVector<Value> result;
  for (int64_t which = 0; which < shape[2]; ++which) {
    Value entry = tensor::ExtractOp::create(
        math.b, math.loc, table, ValueRange{scope.head, at, math.index(which)});
    result.push_back(arith::IndexCastOp::create(math.b, math.loc,
                                                math.b.getIndexType(), entry));
  }
  return result;
}

SmallVector<KeyRange> BigBirdAttr::buildKeyRanges(OpBuilder &builder,
                                                  Location loc,
                                                  const MaskScope &scope,
                                                  Value firstQuery,
                                                  Value lastQuery) const {
  MaskMath math{builder, loc};
  // One row of blocks sees whole blocks; several would need comparisons.
  if (scope.queryBlock == 0 || getBlock() % scope.queryBlock != 0) {
    Value zero = math.index(0);
    return {{zero, scope.numKeys, *this, std::nullopt}};
  }
  Value size = math.index(getBlock());
  Value blocks = math.ceilDiv(scope.numKeys, getBlock()),
        row = math.floorDiv(firstQuery, getBlock());
  SmallVector<KeyRange> ranges;
  auto add = [&](Value begin, Value end, int64_t most) {
    ranges.push_back(math.clamp(math.mul(begin, size), math.mul(end, size),
                                scope, Attribute()));
    ranges.back().length = most * getBlock();
  };
  auto fixed = fixedBlocks(Index{math}, row, blocks);
  for (auto [which, range] : llvm::enumerate(fixed))
    add(range.first, range.second, which == 0 ? 3 : 1);
  for (Value block : buildRandomBlocks(math, *this, scope, row, blocks)) {
    Value isThere = math.lessOrEqual(math.index(0), block);
    Value end =
        math.select(isThere, math.add(block, math.index(1)), math.index(0));
    add(math.max(block, math.index(0)), end, 1);
  }
  return ranges;
}

/// The first and the last row of blocks see all.
SmallVector<QueryRange>
BigBirdAttr::buildQueryRanges(OpBuilder &builder, Location loc,
                              const MaskScope &scope) const {
  MaskMath math{builder, loc};
  Value zero = math.index(0),
        firstEnd = math.min(math.index(getBlock()), scope.numQueries);
  Value lastRow =
      math.sub(math.ceilDiv(scope.numQueries, getBlock()), math.index(1));
  Value lastBegin =
      math.max(firstEnd, math.mul(lastRow, math.index(getBlock())));
  return {{zero, firstEnd, Attribute()},
          {firstEnd, lastBegin, *this},
          {lastBegin, scope.numQueries, Attribute()}};
}

Value BigBirdAttr::buildAllowed(OpBuilder &builder, Location loc,
                                const MaskScope &scope, Value i,
                                Value j) const {
  MaskMath math{builder, loc};
  Value row = math.floorDiv(i, getBlock());
  Value rows = math.ceilDiv(scope.numQueries, getBlock()),
        blocks = math.ceilDiv(scope.numKeys, getBlock());
  Value block = builder.createOrFold<arith::DivUIOp>(
      loc, j, math.matchShape(math.index(getBlock()), j));
  auto equals = [&](Value a, Value b) {
    return math.compare(arith::CmpIPredicate::eq, a, b);
  };
  Value allowed =
      math.matchShape(math.either(equals(row, math.index(0)),
                                  equals(row, math.sub(rows, math.index(1)))),
                      j);
  for (auto [begin, end] : fixedBlocks(Index{math}, row, blocks))
    allowed = math.either(allowed, math.isWithin(block, begin, end));
  for (Value random : buildRandomBlocks(math, *this, scope, row, blocks))
    allowed = math.either(allowed, equals(block, math.matchShape(random, j)));
  return allowed;
}

bool BigBirdAttr::isContiguous() const { return false; }

std::optional<int64_t> BigBirdAttr::getMaxSpan() const { return std::nullopt; }
