//===- LshHash.cpp - buckets of tokens on tensor cores --------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits attn.hash: a warp multiplies 16 tokens with the rotations, a tile of
// columns at a time, and keeps the largest and the smallest projection of each
// token with their columns. No projection is stored.
//
//===----------------------------------------------------------------------===//

#include "BlockBuilder.h"
#include "Launch.h"
#include "Lsh.h"
#include "Numbers.h"
#include "Staging.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

namespace {
/// What a lane knows of one of its two rows: a projection and its column, as
/// f32 and i32, for the largest and for the smallest.
struct Extremes {
  enum { kLargest, kLargestAt, kSmallest, kSmallestAt, kNum };
};

/// Tokens of a block and columns of a tile of rotations.
struct HashPlan {
  explicit HashPlan(HashOp op)
      : headSize(cast<MemRefType>(op.getX().getType()).getShape().back()) {
    warps = headSize <= 64 ? 8 : headSize <= 128 ? 4 : 2;
    columns = headSize <= 128 ? 32 : 16;
  }
  int64_t rows() const { return warps * FragmentBuilder::fragmentRows; }
  int64_t headSize, warps, columns;
};

class HashEmitter {
public:
  HashEmitter(BlockBuilder &k, HashOp op, const HashPlan &plan, Kernel &kernel,
              Value batch, Value head, Value first)
      : k(k), op(op), plan(plan), batch(batch), head(head), first(first),
        tokens(k.dim(op.getUnit(), 2)) {
    Type f32 = k.b.getF32Type();
    x = {k.at.shared, plan.rows(), plan.headSize, f32};
    rotationBytes =
        SharedTile{Value(), plan.columns, plan.headSize, f32}.bytes();
    kernel.requireShared(x.bytes() + 2 * rotationBytes);
  }
  void emit();

private:
  bool isNarrow() {
    return !cast<MemRefType>(op.getX().getType()).getElementType().isF32();
  }
  void stageTokens();
  void emitUnits();
  void stageRotations(Value row, Value to);
  Value emitRound(Value round, Value stageAt);
  void storeBuckets(Value round, ArrayRef<Value> buckets);
  SmallVector<Value> emitDigit(Value row, int64_t half, Value &stageAt);
  SmallVector<Value> emitTile(Value row, Value id, int64_t count,
                              ValueRange carried);
  /// One of the two tiles of rotations, `at` bytes behind the first.
  SharedTile tileAt(Value at) {
    Value base = k.offset(k.offset(k.at.shared, x.bytes()), at);
    return {base, plan.columns, plan.headSize, k.b.getF32Type()};
  }
  void update(MutableArrayRef<Value> own, Value projection, Value column);
  void reduceRow(MutableArrayRef<Value> own);

  BlockBuilder &k;
  HashOp op;
  const HashPlan &plan;
  Value batch, head, first, tokens;
  SharedTile x;
  int64_t rotationBytes;
};
} // namespace

/// The block's tokens as f32.
void HashEmitter::stageTokens() {
  Value tensor = viewTokens(k, op.getX(), op.getMap(), batch, head);
  Value last = k.sub(tokens, k.index(1));
  GlobalRows rows(k, tensor, 1);
  if (!isNarrow()) {
    stage(k, x, rows, [&](Value row) {
      Value token = k.add(first, row);
      return RowOrigin{k.less(token, tokens), {k.min(token, last)}};
    });
    commitStaging(k);
    finishStaging(k);
    k.barrier();
    return;
  }
  // Several elements at once, where strides keep them aligned.
  int64_t together = rows.isAsync() ? 4 : 1;
  Type element = cast<MemRefType>(tensor.getType()).getElementType();
  auto wide = VectorType::get({together}, k.b.getF32Type());
  k.forEach({k.index(plan.rows()), k.index(plan.headSize / together)},
            [&](ValueRange at) {
              Value token = k.add(first, at[0]),
                    column = k.mul(at[1], together);
              Value part = vector::LoadOp::create(
                  k.b, k.loc, VectorType::get({together}, element), tensor,
                  ValueRange{k.min(token, last), column},
                  /*nontemporal=*/false, llvm::Align(2 * together));
              part = arith::ExtFOp::create(k.b, k.loc, wide, part);
              Value none =
                  arith::ConstantOp::create(k.b, k.loc, k.b.getZeroAttr(wide));
              part = k.select(k.less(token, tokens), part, none);
              Value to = k.offset(
                  x.base, k.add(k.mul(at[0], x.pitch()), k.mul(column, 4)));
              LLVM::StoreOp::create(k.b, k.loc, part, to, 4 * together);
            });
}

/// A thread has a token and reads it 16 bytes at a time.
void HashEmitter::emitUnits() {
  Value row = k.at.thread, token = k.add(first, row);
  Value isThere =
      k.both(k.less(row, k.index(plan.rows())), k.less(token, tokens));
  auto four = VectorType::get({4}, k.b.getF32Type());
  k.ifThen(isThere, [&] {
    Value sum = k.f32(0), base = k.offset(x.base, k.mul(row, x.pitch()));
    for (int64_t column = 0; column < plan.headSize; column += 4) {
      Value part = LLVM::LoadOp::create(
          k.b, k.loc, four, k.offset(base, 4 * column), /*alignment=*/16);
      for (int64_t i = 0; i < 4; ++i) {
        Value one = LLVM::ExtractElementOp::create(k.b, k.loc, part, k.i32(i));
        sum = k.fma(one, one, sum);
      }
    }
    sum = k.addf(sum, k.f32(op.getEpsilon().convertToDouble()));
    Value root = math::SqrtOp::create(k.b, k.loc, sum);
    Value unit = arith::DivFOp::create(k.b, k.loc, k.f32(1), root);
    Value isZero = arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OEQ,
                                         sum, k.f32(0));
    k.store(k.select(isZero, k.f32(0), unit), op.getUnit(),
            {batch, head, token});
  });
}

/// Strict comparisons in ascending order take the lowest column.
void HashEmitter::update(MutableArrayRef<Value> own, Value projection,
                         Value column) {
  Value above = k.greater(projection, own[Extremes::kLargest]),
        below = k.greater(own[Extremes::kSmallest], projection);
  own[Extremes::kLargest] =
      k.select(above, projection, own[Extremes::kLargest]);
  own[Extremes::kLargestAt] =
      k.select(above, column, own[Extremes::kLargestAt]);
  own[Extremes::kSmallest] =
      k.select(below, projection, own[Extremes::kSmallest]);
  own[Extremes::kSmallestAt] =
      k.select(below, column, own[Extremes::kSmallestAt]);
}

/// Begins to bring a tile of rotations from `row` on, all rounds being below
/// each other.
void HashEmitter::stageRotations(Value row, Value to) {
  auto type = cast<MemRefType>(op.getRotations().getType());
  Value owner = type.getDimSize(0) == 1 ? k.index(0) : head;
  GlobalRows rows(k, viewInner(k, op.getRotations(), {owner}), 2);
  Value columns = k.dim(op.getRotations(), 2);
  Value count = k.mul(k.dim(op.getRotations(), 1), columns);
  Value last = k.sub(count, k.index(1));
  stage(k, tileAt(to), rows, [&](Value number) {
    Value from = k.add(row, number), isThere = k.less(from, count);
    from = k.min(from, last);
    return RowOrigin{isThere,
                     {k.b.createOrFold<arith::DivUIOp>(k.loc, from, columns),
                      k.b.createOrFold<arith::RemUIOp>(k.loc, from, columns)}};
  });
  commitStaging(k);
}

/// `count` columns of the rotations, of which the first is number `id` of its
/// digit, and which stand at `row`; the tile behind them is on its way then.
SmallVector<Value> HashEmitter::emitTile(Value row, Value id, int64_t count,
                                         ValueRange carried) {
  Value at = carried.back(), other = k.sub(k.index(rotationBytes), at);
  finishStaging(k);
  k.barrier();
  stageRotations(k.add(row, count), other);
  SharedTile rotations = tileAt(at);
  SmallVector<Value> best(carried.drop_back());
  Type f32 = k.b.getF32Type();
  int64_t fragments = 2 * llvm::divideCeil(count, 16);
  SmallVector<Accumulator> sums(fragments, k.zero());
  Value warpRow = k.mul(k.at.warp, FragmentBuilder::fragmentRows);
  for (int64_t step = 0; step < plan.headSize / 8; ++step) {
    Operand left = k.loadLeft(x, warpRow, step);
    // f16 and bf16 are tf32 without a rest.
    if (isNarrow())
      left.low.clear();
    for (int64_t n = 0; n < fragments; n += 2) {
      SmallVector<Operand> right = k.loadRight(rotations, 8 * n, step);
      for (int64_t part = 0; part < 2; ++part)
        sums[n + part] = k.multiply(left, right[part], sums[n + part], f32);
    }
  }
  Value own = k.add(k.toI32(id), k.toI32(k.mul(k.at.quad, 2)));
  for (int64_t n = 0; n < fragments; ++n)
    for (int64_t i = 0; i < 4; ++i) {
      int64_t offset = 8 * n + i % 2;
      if (offset >= count)
        continue;
      Value number = k.add(own, k.i32(offset)), projection = sums[n][i];
      auto row =
          MutableArrayRef(best).slice(i / 2 * Extremes::kNum, Extremes::kNum);
      if (8 * n + 8 <= count) {
        update(row, projection, number);
        continue;
      }
      // Columns beyond the last are no candidates: NaN is neither above nor
      // below.
      Value isThere = k.less(number, k.add(k.toI32(id), k.i32(count)));
      Value none = k.f32(std::numeric_limits<double>::quiet_NaN());
      update(row, k.select(isThere, projection, none), number);
    }
  best.push_back(other);
  return best;
}

/// The best of the four lanes that share a row; the lowest column of equals.
void HashEmitter::reduceRow(MutableArrayRef<Value> own) {
  auto merge = [&](int64_t value, bool isLargest, int64_t mask) {
    Value mine = own[value], at = own[value + 1];
    Value theirs = k.shuffleXor(mine, mask), theirAt = k.shuffleXor(at, mask);
    Value isBetter =
        isLargest ? k.greater(theirs, mine) : k.greater(mine, theirs);
    Value isEqual = arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OEQ,
                                          theirs, mine);
    Value isLower = k.both(isEqual, k.less(theirAt, at));
    Value takes = arith::OrIOp::create(k.b, k.loc, isBetter, isLower);
    own[value] = k.select(takes, theirs, mine);
    own[value + 1] = k.select(takes, theirAt, at);
  };
  for (int64_t mask : {1, 2}) {
    merge(Extremes::kLargest, true, mask);
    merge(Extremes::kSmallest, false, mask);
  }
}

/// The argmax of [u; -u] over `half` columns, the first of which stands at
/// `row`: an i32 for each of two rows. `stageAt` is where the tile is.
SmallVector<Value> HashEmitter::emitDigit(Value row, int64_t half,
                                          Value &stageAt) {
  SmallVector<Value> extremes;
  for (int64_t i = 0; i < 2; ++i)
    extremes.append({k.f32(-kInfinity), k.i32(0), k.f32(kInfinity), k.i32(0)});
  extremes.push_back(stageAt);
  int64_t whole = half / plan.columns * plan.columns;
  if (whole != 0)
    extremes =
        k.forLoop(k.index(0), k.index(whole), plan.columns, extremes,
                  [&](Value id, ValueRange old) {
                    return emitTile(k.add(row, id), id, plan.columns, old);
                  });
  if (whole != half)
    extremes =
        emitTile(k.add(row, whole), k.index(whole), half - whole, extremes);
  stageAt = extremes.pop_back_val();
  SmallVector<Value> digits;
  for (int64_t row = 0; row < 2; ++row) {
    auto own =
        MutableArrayRef(extremes).slice(row * Extremes::kNum, Extremes::kNum);
    reduceRow(own);
    Value mirrored =
        arith::NegFOp::create(k.b, k.loc, own[Extremes::kSmallest]);
    Value opposite = k.add(own[Extremes::kSmallestAt], k.i32(half));
    Value isOpposite = k.greater(mirrored, own[Extremes::kLargest]);
    digits.push_back(k.select(isOpposite, opposite, own[Extremes::kLargestAt]));
  }
  return digits;
}

/// Returns where the next round's first tile is.
Value HashEmitter::emitRound(Value round, Value stageAt) {
  SmallVector<Value> buckets(2, k.i32(0));
  Value first = k.mul(round, k.dim(op.getRotations(), 2));
  int64_t column = 0, stride = 1;
  for (int64_t factor : op.getBuckets()) {
    SmallVector<Value> digits =
        emitDigit(k.add(first, column), factor / 2, stageAt);
    for (int64_t row = 0; row < 2; ++row)
      buckets[row] = k.add(buckets[row], k.mul(digits[row], k.i32(stride)));
    column += factor / 2;
    stride *= factor;
  }
  storeBuckets(round, buckets);
  return stageAt;
}

void HashEmitter::storeBuckets(Value round, ArrayRef<Value> buckets) {
  Value isFirst = k.compare(arith::CmpIPredicate::eq, k.at.quad, k.index(0));
  for (int64_t row = 0; row < 2; ++row) {
    Value token =
        k.add(k.add(first, k.mul(k.at.warp, plan.rows() / plan.warps)),
              k.add(k.at.group, 8 * row));
    k.ifThen(k.both(isFirst, k.less(token, tokens)), [&] {
      memref::StoreOp::create(k.b, k.loc, buckets[row], op.getBucket(),
                              ValueRange{batch, head, round, token});
    });
  }
}

void HashEmitter::emit() {
  stageTokens();
  emitUnits();
  if (!op.getBucket())
    return;
  Value zero = k.index(0);
  stageRotations(zero, zero);
  k.forLoop(zero, k.dim(op.getBucket(), 2), 1, {zero},
            [&](Value round, ValueRange stageAt) {
              return SmallVector<Value>{emitRound(round, stageAt[0])};
            });
}

void attn::nvvm::emitHash(OpBuilder &b, HashOp op, F32Products products) {
  HashPlan plan(op);
  Location loc = op.getLoc();
  IndexMath math(b, loc);
  auto dim = [&](int64_t position) {
    return b.createOrFold<memref::DimOp>(loc, op.getUnit(), position);
  };
  SmallVector<Value> extents{dim(0), dim(1), math.ceilDiv(dim(2), plan.rows())};
  Value blocks = math.mul(math.mul(extents[0], extents[1]), extents[2]);
  launchBlocks(b, loc, "lsh_hash", blocks, plan.warps, products,
               [&](Kernel &kernel, Value block) {
                 BlockBuilder k(b, loc, kernel);
                 SmallVector<Value> at = delinearise(k, block, extents);
                 HashEmitter(k, op, plan, kernel, at[0], at[1],
                             k.mul(at[2], plan.rows()))
                     .emit();
               });
}
