//===- FewRows.cpp - the streaming softmax of few queries -----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Decoding reads every key and value once for a handful of queries: memory is
// the bound, and packing would add to it. Scores are dot products along the
// rows of the keys, 16 of them reduced together; all rows of a group share each
// read.
//
//===----------------------------------------------------------------------===//

#include "RowSoftmax.h"

#include "attn/Target/CPU/MicroKernel.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

namespace {
/// Keys whose values stay in L1 for all columns of the accumulator.
constexpr int64_t kValueRows = 32;
/// Accumulators that leave registers for a row of values and the broadcasts.
constexpr int64_t kMaxAccumulators = 24;

class FewRowsEmitter {
public:
  FewRowsEmitter(KernelBuilder &k, OnlinePackedOp op, const CpuTarget &target)
      : k(k), op(op), softmax(k, op, target), accType(softmax.getAccType()),
        lanes(softmax.getLanes()), groups(accType.getDimSize(0)),
        rowsPerGroup(accType.getDimSize(1)), rows(groups * rowsPerGroup),
        vectorType(k.vectorOf(lanes, softmax.getElement())) {
    unroll = std::max<int64_t>(
        1, lanes / static_cast<int64_t>(llvm::PowerOf2Ceil(rows)));
  }

  void emit();

private:
  void emitScores(KeySpan tile, Value column0);
  SmallVector<Value> emitDots(Value column);
  Value loadRow(Value memref, ArrayRef<Value> at, int64_t column,
                int64_t depth);
  Value reduceAll(SmallVector<Value> vectors);
  void emitValues(KeySpan tile, Value column0);

  KernelBuilder &k;
  OnlinePackedOp op;
  RowSoftmax softmax;
  MemRefType accType;
  int64_t lanes, groups, rowsPerGroup, rows;
  int64_t unroll; ///< keys whose dot products are reduced together
  VectorType vectorType;
};
} // namespace

/// A vector of a row, widened to the accumulator's type, zero beyond `depth`.
Value FewRowsEmitter::loadRow(Value memref, ArrayRef<Value> at, int64_t column,
                              int64_t depth) {
  auto type =
      k.vectorOf(lanes, cast<MemRefType>(memref.getType()).getElementType());
  SmallVector<Value> indices(at);
  indices.push_back(k.index(column));
  Value row;
  if (column + lanes <= depth)
    row = k.load(type, memref, indices);
  else
    row = vector::MaskedLoadOp::create(
        k.b, k.loc, type, memref, indices,
        k.maskBelow(lanes, k.index(depth - column)), k.constant(type, 0));
  return type == vectorType
             ? row
             : arith::ExtFOp::create(k.b, k.loc, vectorType, row).getResult();
}

/// Products of every row with `unroll` keys, summed up to one vector each;
/// index is row * unroll + key.
SmallVector<Value> FewRowsEmitter::emitDots(Value column) {
  int64_t depth = cast<MemRefType>(op.getQuery().getType()).getDimSize(2);
  SmallVector<Value> sums(lanes, k.constant(vectorType, 0));
  // Keys beyond the last are read as the last; their scores are masked.
  Value last = k.sub(op.getKeys(), k.index(1));
  SmallVector<Value> keyRows;
  for (int64_t key = 0; key < unroll; ++key)
    keyRows.push_back(k.min(k.add(column, key), last));
  for (int64_t at = 0; at < depth; at += lanes) {
    SmallVector<Value> keys;
    for (Value row : keyRows)
      keys.push_back(loadRow(op.getKey(), {row}, at, depth));
    for (int64_t row = 0; row < rows; ++row) {
      Value query =
          loadRow(op.getQuery(),
                  {k.index(row / rowsPerGroup), k.index(row % rowsPerGroup)},
                  at, depth);
      for (int64_t key = 0; key < unroll; ++key)
        sums[row * unroll + key] =
            k.fma(query, keys[key], sums[row * unroll + key]);
    }
  }
  return sums;
}

/// Lane i of the result is the sum of all lanes of vector i.
Value FewRowsEmitter::reduceAll(SmallVector<Value> vectors) {
  for (int64_t half = lanes / 2; half > 0; half /= 2) {
    for (int64_t i = 0; i < half; ++i) {
      auto [kept, moved] = k.butterfly(vectors[i], vectors[i + half], half);
      vectors[i] = k.addf(kept, moved);
    }
  }
  return vectors.front();
}

void FewRowsEmitter::emitScores(KeySpan tile, Value column0) {
  k.forLoop(column0, tile.end, unroll, [&](Value column) {
    Value dots = reduceAll(emitDots(column));
    for (int64_t row = 0; row < rows; ++row) {
      Value part = vector::ExtractStridedSliceOp::create(
          k.b, k.loc, dots, ArrayRef<int64_t>{row * unroll},
          ArrayRef<int64_t>{unroll}, ArrayRef<int64_t>{1});
      k.store(part, softmax.getScores(),
              {k.index(row), k.sub(column, column0)});
    }
  });
}

/// acc += probabilities * values, some keys at a time for all columns.
void FewRowsEmitter::emitValues(KeySpan tile, Value column0) {
  Value zero = k.index(0);
  SmallVector<ReassociationIndices> flatten{{0, 1}, {2}};
  Value acc = memref::CollapseShapeOp::create(k.b, k.loc, op.getAcc(), flatten);
  int64_t width = accType.getDimSize(2);
  int64_t step =
      std::max<int64_t>(1, std::min<int64_t>(4, kMaxAccumulators / rows)) *
      lanes;
  k.forLoop(tile.begin, tile.end, kValueRows, [&](Value key) {
    Value depth = k.min(k.index(kValueRows), k.sub(tile.end, key));
    for (int64_t column = 0; column < width; column += step) {
      int64_t vectors = std::min(step, width - column) / lanes;
      emitMicroKernel(k, {rows, vectors, lanes},
                      {softmax.getProbabilities(), {zero, k.sub(key, column0)}},
                      {op.getValue(), {key, k.index(column)}},
                      {acc, {zero, k.index(column)}}, {zero, depth},
                      /*accumulate=*/true);
    }
  });
}

void FewRowsEmitter::emit() {
  Value zero = k.index(0), lastRow = k.index(rowsPerGroup - 1);
  softmax.allocate(rows, llvm::alignTo(*op.getKeyLimit(), lanes) + 2 * lanes,
                   softmax.getElement());
  KeySpan tile = softmax.keyRange(zero, zero, lastRow);
  k.ifThen(k.less(tile.begin, tile.end), [&] {
    Value column0 = k.alignDown(tile.begin, lanes);
    emitScores(tile, column0);
    k.forLoop(zero, k.index(groups), 1, [&](Value group) {
      k.forLoop(zero, k.index(rowsPerGroup), 1, [&](Value row) {
        softmax.emitRow(group, row, k.add(k.mul(group, rowsPerGroup), row),
                        tile, column0);
      });
    });
    emitValues(tile, column0);
  });
}

void attn::cpu::emitOnlineFewRows(KernelBuilder &k, OnlinePackedOp op,
                                  const CpuTarget &target) {
  FewRowsEmitter(k, op, target).emit();
}
