//===- LshHash.cpp - buckets of tokens ------------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits attn.hash: a product of a tile of tokens with the rotations whose
// results never leave the registers. Columns of the rotations run over the rows
// of the register tile and tokens over lanes, so that the argmax has no
// horizontal step.
//
//===----------------------------------------------------------------------===//

#include "Gather.h"
#include "attn/Target/CPU/Kernels.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

namespace {
/// Tokens of a task.
constexpr int64_t kTaskTokens = 512;

class HashEmitter {
public:
  HashEmitter(KernelBuilder &k, HashOp op, const CpuTarget &target)
      : k(k), op(op), x{op.getX(), op.getMap()},
        element(cast<MemRefType>(op.getX().getType()).getElementType()) {
    lanes = target.lanes(element.getIntOrFloatBitWidth());
    width = CpuTarget::tileVectors * lanes;
    // The argmax keeps eight registers.
    maxRows = target.vectorBits == 512 ? 10 : 3;
    depth = cast<MemRefType>(op.getX().getType()).getShape().back();
    vectorType = k.vectorOf(lanes, element);
    idType = VectorType::get({lanes}, k.b.getI32Type());
  }
  void emit();

private:
  /// The largest projection so far and its column, with either sign.
  enum Tracker { kLargest, kLargestAt, kSmallest, kSmallestAt, kNumTrackers };

  void emitTile(Value first);
  void packTokens(Value first);
  void emitUnits(Value first);
  void emitRound(Value round, Value first);
  SmallVector<Value> emitDigit(Value round, int64_t column, int64_t half);
  SmallVector<Value> emitStrip(Value round, Value firstColumn, Value id,
                               int64_t rows, ValueRange trackers);
  void storeTail(Value vector, Value memref, SmallVector<Value> at,
                 Value first);

  KernelBuilder &k;
  HashOp op;
  TokenView x;
  Type element;
  int64_t lanes, width, maxRows, depth;
  VectorType vectorType, idType;
  Value batch, head, tokens, tile; ///< tile: [depth, width], tokens in columns
};
} // namespace

void HashEmitter::packTokens(Value first) {
  Value last = k.sub(tokens, k.index(1));
  for (int64_t lane = 0; lane < width; lane += lanes) {
    SmallVector<Value> rows;
    for (int64_t r = 0; r < lanes; ++r)
      rows.push_back(k.min(k.add(first, lane + r), last));
    k.forLoop(k.index(0), k.index(depth), lanes, [&](Value column) {
      SmallVector<Value> square;
      for (Value row : rows)
        square.push_back(
            k.load(vectorType, x.memref, x.at(batch, head, row, column)));
      emitTranspose(k, square);
      for (int64_t r = 0; r < lanes; ++r)
        k.store(square[r], tile, {k.add(column, r), k.index(lane)});
    });
  }
}

/// Stores the lanes that are tokens.
void HashEmitter::storeTail(Value vector, Value memref, SmallVector<Value> at,
                            Value first) {
  at.push_back(first);
  vector::MaskedStoreOp::create(
      k.b, k.loc, memref, at, k.maskBelow(lanes, k.sub(tokens, first)), vector);
}

void HashEmitter::emitUnits(Value first) {
  for (int64_t lane = 0; lane < width; lane += lanes) {
    Value zero = k.constant(vectorType, 0), at = k.index(lane);
    Value squares = k.forLoop(
        k.index(0), k.index(depth), 1, {zero}, [&](Value d, ValueRange sum) {
          Value value = k.load(vectorType, tile, {d, at});
          return SmallVector<Value>{k.fma(value, value, sum[0])};
        })[0];
    squares = k.addf(squares,
                     k.constant(vectorType, op.getEpsilon().convertToDouble()));
    Value root = math::SqrtOp::create(k.b, k.loc, squares);
    Value isZero = arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OEQ,
                                         squares, zero);
    Value unit =
        k.select(isZero, zero, k.divf(k.constant(vectorType, 1), root));
    storeTail(unit, op.getUnit(), {batch, head}, k.add(first, lane));
  }
}

/// `rows` columns of the rotations against the tile, and their argmax.
SmallVector<Value> HashEmitter::emitStrip(Value round, Value firstColumn,
                                          Value id, int64_t rows,
                                          ValueRange trackers) {
  int64_t vectors = CpuTarget::tileVectors;
  auto rotations = cast<MemRefType>(op.getRotations().getType());
  Value owner = rotations.getDimSize(0) == 1 ? k.index(0) : head;
  SmallVector<Value> sums(rows * vectors, k.constant(vectorType, 0));
  sums = k.forLoop(
      k.index(0), k.index(rotations.getDimSize(3)), 1, sums,
      [&](Value d, ValueRange old) {
        SmallVector<Value> next, columns;
        for (int64_t v = 0; v < vectors; ++v)
          columns.push_back(k.load(vectorType, tile, {d, k.index(v * lanes)}));
        for (int64_t r = 0; r < rows; ++r) {
          Value factor = k.broadcast(
              vectorType, k.load(op.getRotations(),
                                 {owner, round, k.add(firstColumn, r), d}));
          for (int64_t v = 0; v < vectors; ++v)
            next.push_back(k.fma(factor, columns[v], old[r * vectors + v]));
        }
        return next;
      });
  SmallVector<Value> best(trackers);
  Value ids = k.broadcast(idType, toInteger(k, id));
  for (int64_t r = 0; r < rows; ++r) {
    Value column = arith::AddIOp::create(k.b, k.loc, ids, splat(k, idType, r));
    for (int64_t v = 0; v < vectors; ++v) {
      Value u = sums[r * vectors + v];
      MutableArrayRef<Value> own =
          MutableArrayRef(best).slice(v * kNumTrackers, kNumTrackers);
      Value above = k.greater(u, own[kLargest]);
      Value below = k.greater(own[kSmallest], u);
      own[kLargest] = k.select(above, u, own[kLargest]);
      own[kLargestAt] = k.select(above, column, own[kLargestAt]);
      own[kSmallest] = k.select(below, u, own[kSmallest]);
      own[kSmallestAt] = k.select(below, column, own[kSmallestAt]);
    }
  }
  return best;
}

/// The argmax of [u; -u] over `half` columns: a vector of numbers for each of
/// the tile's vectors. A strict comparison in ascending order takes the lowest.
SmallVector<Value> HashEmitter::emitDigit(Value round, int64_t column,
                                          int64_t half) {
  SmallVector<Value> trackers;
  for (int64_t v = 0; v < CpuTarget::tileVectors; ++v)
    trackers.append({k.constant(vectorType, -1e300), splat(k, idType, 0),
                     k.constant(vectorType, 1e300), splat(k, idType, 0)});
  int64_t rows = std::min(maxRows, half);
  for (int64_t fewer = rows; fewer >= std::max<int64_t>(1, rows - 3); --fewer)
    if (half % fewer == 0) {
      rows = fewer;
      break;
    }
  int64_t whole = half / rows * rows;
  trackers =
      k.forLoop(k.index(0), k.index(whole), rows, trackers,
                [&](Value id, ValueRange old) {
                  return emitStrip(round, k.add(id, column), id, rows, old);
                });
  if (whole != half)
    trackers = emitStrip(round, k.index(column + whole), k.index(whole),
                         half - whole, trackers);
  SmallVector<Value> digits;
  for (int64_t v = 0; v < CpuTarget::tileVectors; ++v) {
    ArrayRef<Value> own =
        ArrayRef(trackers).slice(v * kNumTrackers, kNumTrackers);
    Value mirrored = arith::NegFOp::create(k.b, k.loc, own[kSmallest]);
    Value opposite = arith::AddIOp::create(k.b, k.loc, own[kSmallestAt],
                                           splat(k, idType, half));
    Value isOpposite = k.greater(mirrored, own[kLargest]);
    digits.push_back(k.select(isOpposite, opposite, own[kLargestAt]));
  }
  return digits;
}

void HashEmitter::emitRound(Value round, Value first) {
  SmallVector<Value> buckets;
  int64_t column = 0, stride = 1;
  for (int64_t factor : op.getBuckets()) {
    SmallVector<Value> digits = emitDigit(round, column, factor / 2);
    for (auto [v, digit] : llvm::enumerate(digits)) {
      if (stride == 1) {
        buckets.push_back(digit);
        continue;
      }
      Value scaled =
          arith::MulIOp::create(k.b, k.loc, digit, splat(k, idType, stride));
      buckets[v] = arith::AddIOp::create(k.b, k.loc, buckets[v], scaled);
    }
    column += factor / 2;
    stride *= factor;
  }
  for (auto [v, bucket] : llvm::enumerate(buckets))
    storeTail(bucket, op.getBucket(), {batch, head, round},
              k.add(first, v * lanes));
}

void HashEmitter::emitTile(Value first) {
  packTokens(first);
  emitUnits(first);
  if (op.getBucket())
    k.forLoop(k.index(0), k.dim(op.getBucket(), 2), 1,
              [&](Value round) { emitRound(round, first); });
}

void HashEmitter::emit() {
  tokens = k.dim(op.getUnit(), 2);
  Value tasks = k.ceilDiv(tokens, kTaskTokens);
  parallelLoop(k, {k.dim(op.getUnit(), 0), k.dim(op.getUnit(), 1), tasks},
               [&](ValueRange ids) {
                 batch = ids[0], head = ids[1];
                 tile = k.scratch({depth, width}, element);
                 Value first = k.mul(ids[2], kTaskTokens);
                 Value end = k.min(tokens, k.add(first, kTaskTokens));
                 k.forLoop(first, end, width,
                           [&](Value token) { emitTile(token); });
               });
}

void attn::cpu::emitHash(KernelBuilder &k, HashOp op, const CpuTarget &target) {
  HashEmitter(k, op, target).emit();
}
