//===- LshState.cpp - sorted chunks: the state of a round -----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A round begins with what the one before left in memory, and the last one
// writes results. The accumulators are the output itself.
//
//===----------------------------------------------------------------------===//

#include "LshChunks.h"
#include "Numbers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

namespace {
constexpr double kLn2 = 0.6931471805599453;
} // namespace

/// What the rounds before left; nothing before the first.
SoftmaxState ChunkEmitter::loadState() {
  SoftmaxState state;
  state.acc.assign(plan.valueSize / 8, f.zero());
  state.max.assign(2, f.f32(-kInfinity));
  state.sum.assign(2, f.f32(0));
  if (plan.rounds == 1)
    return state;
  Value isLater = f.lessOrEqual(f.index(1), round);
  Value isOne = f.compare(arith::CmpIPredicate::eq, kernel.at.quad, f.index(0));
  Value column = f.mul(kernel.at.quad, 2);
  auto pair = VectorType::get({2}, f.b.getF32Type());
  return state.with(f.ifElse(isLater, state.flatten(), [&] {
    SoftmaxState before = state;
    for (int64_t half = 0; half < 2; ++half) {
      Value position = rows[half].position;
      for (auto [n, part] : llvm::enumerate(before.acc)) {
        Value both =
            vector::LoadOp::create(f.b, f.loc, pair, output,
                                   ValueRange{position, f.add(column, 8 * n)},
                                   /*nontemporal=*/false, llvm::Align(8));
        for (int64_t i : {0, 1})
          part[2 * half + i] = vector::ExtractOp::create(f.b, f.loc, both, i);
      }
      auto load = [&](int64_t part) -> Value {
        return memref::LoadOp::create(
            f.b, f.loc, op.getState(),
            ValueRange{f.index(part), batch, head, position});
      };
      before.max[half] = load(0);
      // One lane of a row keeps its sum, the others begin with 0.
      before.sum[half] = f.select(isOne, load(1), f.f32(0));
    }
    return before.flatten();
  }));
}

/// The row's columns of the lane. The last round divides by the sum; a query
/// that saw nothing in any round gives its own value, or 0 if keys are not
/// queries. Invalid tokens give 0.
SmallVector<Value> ChunkEmitter::finishColumns(const SoftmaxState &state,
                                               int64_t half, Value sum,
                                               Value isEmpty) {
  const ChunkRow &row = rows[half];
  Value zero = f.f32(0), one = f.f32(1);
  Value inverse = arith::DivFOp::create(f.b, f.loc, one, sum);
  inverse = f.select(isEmpty, zero, inverse);
  Value factor = f.select(isLast, inverse, one);
  SmallVector<Value> columns;
  for (const Accumulator &part : state.acc)
    for (int64_t i : {0, 1})
      columns.push_back(
          f.select(row.isThere, f.mulf(part[2 * half + i], factor), zero));
  if (hasOwnKeys())
    return columns;
  Value isOwn = f.both(f.both(isEmpty, isLast), row.isThere);
  Value column = f.mul(kernel.at.quad, 2);
  return f.ifElse(isOwn, columns, [&] {
    SmallVector<Value> own;
    for (size_t i = 0; i < columns.size(); ++i)
      own.push_back(f.extend(memref::LoadOp::create(
          f.b, f.loc, values,
          ValueRange{row.position, f.add(column, 8 * (i / 2) + i % 2)})));
    return own;
  });
}

void ChunkEmitter::storeLse(const ChunkRow &row, Value max, Value sum,
                            Value isEmpty) {
  Value lse = f.mulf(f.addf(max, f.log2(sum)), f.f32(kLn2));
  Value lowest = f.f32(-kInfinity);
  lse = f.select(row.isThere, f.select(isEmpty, lowest, lse), lowest);
  AffineMap map = op.getMap(3);
  SmallVector<Value> at;
  for (unsigned i = 0; i < map.getNumResults(); ++i) {
    unsigned dim = map.getDimPosition(i);
    at.push_back(dim == LshAttentionOp::kBatch  ? batch
                 : dim == LshAttentionOp::kHead ? head
                                                : row.position);
  }
  Type element = getElementTypeOrSelf(op.getLse().getType());
  memref::StoreOp::create(f.b, f.loc, f.truncate(lse, element), op.getLse(),
                          at);
}

void ChunkEmitter::finishRow(const SoftmaxState &state, int64_t half) {
  const ChunkRow &row = rows[half];
  Value sum = f.rowSum(state.sum[half]), max = state.max[half];
  // A NaN sum stays NaN: only a sum that is exactly 0 means an empty row.
  Value isEmpty = arith::CmpFOp::create(f.b, f.loc, arith::CmpFPredicate::OEQ,
                                        sum, f.f32(0));
  SmallVector<Value> columns = finishColumns(state, half, sum, isEmpty);
  Value column = f.mul(kernel.at.quad, 2);
  Value isOne = f.compare(arith::CmpIPredicate::eq, kernel.at.quad, f.index(0));
  f.ifThen(f.select(isLast, row.isWritten, row.isThere), [&] {
    auto pair = VectorType::get({2}, f.b.getF32Type());
    for (size_t i = 0; i < columns.size(); i += 2) {
      Value both = vector::FromElementsOp::create(
          f.b, f.loc, pair, ValueRange{columns[i], columns[i + 1]});
      vector::StoreOp::create(f.b, f.loc, both, output,
                              ValueRange{row.position, f.add(column, 4 * i)},
                              /*nontemporal=*/false, llvm::Align(8));
    }
    f.ifThen(isOne, [&] {
      Value parts[] = {max, sum};
      for (auto [part, value] : llvm::enumerate(parts))
        memref::StoreOp::create(
            f.b, f.loc, value, op.getState(),
            ValueRange{f.index(part), batch, head, row.position});
      if (op.getLse())
        f.ifThen(isLast, [&] { storeLse(row, max, sum, isEmpty); });
    });
  });
}

void ChunkEmitter::finish(const SoftmaxState &state) {
  for (int64_t half = 0; half < 2; ++half)
    finishRow(state, half);
}
