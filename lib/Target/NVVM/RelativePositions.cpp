//===- RelativePositions.cpp - scores by relative position ----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Row i meets key j at position j - i + rows - 1. The products of 16 rows with
// 16 more positions than keys hold all that the rows need: row r reads its
// scores 15 - r columns further to the right.
//
//===----------------------------------------------------------------------===//

#include "RelativePositions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

RelativePositions::RelativePositions(FragmentBuilder &f, OnlineAttentionOp op,
                                     const Kernel &kernel, Value numRows,
                                     int64_t keyTile, int64_t columns)
    : f(f), op(op), kernel(kernel), numRows(numRows), keyTile(keyTile),
      columns(columns),
      tileRows(cast<MemRefType>(op.getAcc().getType()).getDimSize(1)),
      alignedRows(llvm::alignTo(tileRows, keyTile)),
      element(getElementTypeOrSelf(op.getKey().getType())) {}

/// Places are multiples of a fragment's columns, and a fragment's do not wrap.
Value RelativePositions::wrap(Value place) {
  return f.b.createOrFold<arith::RemUIOp>(f.loc, place,
                                          f.index(ringAt(Value()).rows));
}

/// Rows that the operand lacks, before its first or after its last, add
/// nothing.
void RelativePositions::stageRows(Value firstPlace, int64_t rows) {
  AffineMap map = op.getRelativeMap();
  unsigned column = *map.getResultPosition(f.b.getAffineDimExpr(
      static_cast<unsigned>(OnlineAttentionOp::kHeadSize)));
  GlobalRows source(f, op.getRelative(), column);
  Value extent = f.b.createOrFold<memref::DimOp>(f.loc, op.getRelative(),
                                                 int64_t(1 - column));
  SharedTile tile = ringAt({});
  tile.base = f.offset(base, f.mul(wrap(firstPlace), tile.pitch()));
  tile.rows = rows;
  Value zero = f.index(0), missing = f.sub(f.index(tileRows), numRows);
  stage(f, tile, source, [&](Value row) {
    Value position = f.sub(f.add(firstPlace, row), missing);
    Value isThere =
        f.both(f.lessOrEqual(zero, position), f.less(position, extent));
    position = f.max(zero, f.min(position, f.sub(extent, f.index(1))));
    return RowOrigin{isThere, {position}};
  });
}

void RelativePositions::stageFirst() {
  stageRows(f.index(0), alignedRows + keyTile);
  commitStaging(f);
}

void RelativePositions::stageNext(Value firstKey) {
  stageRows(f.add(firstKey, alignedRows), keyTile);
}

/// Row g of the upper half reads 8 + s columns further on, of the lower half s,
/// where s = 7 - g is the same for the four lanes of a row: whole fragments are
/// a matter of names, pairs of columns come from another lane, and an odd s
/// swaps the two of a pair.
SmallVector<Accumulator>
RelativePositions::shift(ArrayRef<Accumulator> products) {
  Value seven = f.index(7), two = f.index(2), four = f.index(4);
  Value columnsOff = f.sub(seven, kernel.at.group);
  Value pairs = f.b.createOrFold<arith::DivUIOp>(f.loc, columnsOff, two),
        odd = f.b.createOrFold<arith::RemUIOp>(f.loc, columnsOff, two);
  Value isOdd = f.compare(arith::CmpIPredicate::eq, odd, f.index(1));
  // Which lane holds the first and the second column, and whether they are of
  // the next fragment.
  auto find = [&](Value pair) {
    Value quad = f.b.createOrFold<arith::RemUIOp>(f.loc, pair, four);
    Value lane = f.toI32(f.add(f.mul(kernel.at.group, 4), quad));
    return std::pair(lane, f.lessOrEqual(four, pair));
  };
  Value firstPair = f.add(kernel.at.quad, pairs);
  auto [firstLane, firstIsNext] = find(firstPair);
  auto [secondLane, secondIsNext] = find(f.add(firstPair, odd));
  auto take = [&](Value x, Value lane) -> Value {
    return mlir::gpu::ShuffleOp::create(f.b, f.loc, x, lane,
                                        f.i32(FragmentBuilder::lanes),
                                        mlir::gpu::ShuffleMode::IDX)
        .getShuffleResult();
  };
  SmallVector<Accumulator> result(products.size() - 2, Accumulator(4));
  for (int64_t half = 0; half < 2; ++half) {
    SmallVector<Value> first, second;
    for (const Accumulator &part :
         products.slice(half == 0 ? 1 : 0, result.size() + 1)) {
      Value x = part[2 * half], y = part[2 * half + 1];
      first.push_back(take(f.select(isOdd, y, x), firstLane));
      second.push_back(take(f.select(isOdd, x, y), secondLane));
    }
    for (size_t n = 0; n < result.size(); ++n) {
      result[n][2 * half] = f.select(firstIsNext, first[n + 1], first[n]);
      result[n][2 * half + 1] =
          f.select(secondIsNext, second[n + 1], second[n]);
    }
  }
  return result;
}

SmallVector<Accumulator>
RelativePositions::emit(Value firstKey, int64_t m, int64_t steps,
                        function_ref<Operand(int64_t step)> left) {
  constexpr int64_t rows = FragmentBuilder::fragmentRows;
  Value row = f.add(f.mul(kernel.at.warp, kernel.warpRows()), m * rows);
  row = f.b.createOrFold<arith::RemUIOp>(f.loc, row, f.index(tileRows));
  Value place = f.sub(f.add(firstKey, tileRows - rows), row);
  SmallVector<SharedTile> tiles;
  for (int64_t column = 0; column < keyTile + rows; column += rows) {
    SharedTile tile = ringAt({});
    tile.base = f.offset(base, f.mul(wrap(f.add(place, column)), tile.pitch()));
    tiles.push_back(tile);
  }
  SmallVector<Accumulator> products(2 * tiles.size(), f.zero());
  for (int64_t step = 0; step < steps; ++step) {
    Operand operand = left(step);
    for (auto [n, tile] : llvm::enumerate(tiles)) {
      SmallVector<Operand> right = f.loadRight(tile, 0, step);
      for (int64_t part = 0; part < 2; ++part) {
        Accumulator &sum = products[2 * n + part];
        sum = f.multiply(operand, right[part], sum, element);
      }
    }
  }
  return shift(products);
}
