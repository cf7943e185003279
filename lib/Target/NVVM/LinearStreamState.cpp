//===- LinearStreamState.cpp - the state of linear attention --------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How the state comes to shared memory and back, and how a chunk of keys is
// added to it: every warp has rows of its own.
//
//===----------------------------------------------------------------------===//

#include "LinearStream.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

/// The feature that stands in a row of the state.
Value LinearStream::actualRow(Value stored) {
  if (!plan.isNarrow())
    return stored;
  Value within = f.b.createOrFold<arith::RemUIOp>(f.loc, stored, f.index(8)),
        doubled = f.b.createOrFold<arith::RemUIOp>(f.loc, f.mul(within, 2),
                                                   f.index(8)),
        odd = f.b.createOrFold<arith::DivUIOp>(f.loc, within, f.index(4));
  return f.add(f.add(f.sub(stored, within), doubled), odd);
}

/// The state from memory, zeros for features that it lacks, perhaps as products
/// take it, or back.
void LinearStream::moveState(bool isLoad, bool isRounded) {
  Value last = f.index(plan.features - 1);
  auto move = [&](Value memref, ValueRange at, Value isThere, Value pointer) {
    Type f32 = f.b.getF32Type();
    if (!isLoad)
      return f.ifThen(isThere, [&] {
        memref::StoreOp::create(f.b, f.loc, f.loadShared(pointer, f32), memref,
                                at);
      });
    Value x = memref::LoadOp::create(f.b, f.loc, memref, at);
    if (isRounded && memref == sum)
      x = f.roundToTf32(x);
    LLVM::StoreOp::create(f.b, f.loc, f.select(isThere, x, f.f32(0)), pointer);
  };
  auto deal = [&](int64_t count, function_ref<void(Value)> body) {
    auto loop = scf::ForOp::create(f.b, f.loc, f.at.thread, f.index(count),
                                   f.index(f.at.threads()));
    OpBuilder::InsertionGuard guard(f.b);
    f.b.setInsertionPointToStart(loop.getBody());
    body(loop.getInductionVar());
  };
  f.barrier();
  deal(plan.padded * plan.columns, [&](Value piece) {
    Value columns = f.index(plan.columns);
    Value row = f.b.createOrFold<arith::DivUIOp>(f.loc, piece, columns),
          column = f.b.createOrFold<arith::RemUIOp>(f.loc, piece, columns);
    Value feature = actualRow(row), isThere = f.lessOrEqual(feature, last);
    Value pointer = f.offset(
        state.base, f.add(f.mul(row, state.pitch()), f.mul(column, 4)));
    move(sum, {f.min(feature, last), column}, isThere, pointer);
  });
  deal(plan.padded, [&](Value row) {
    Value feature = actualRow(row), isThere = f.lessOrEqual(feature, last);
    move(norm, {f.min(feature, last)}, isThere,
         f.offset(normBase, f.mul(row, 4)));
  });
  f.barrier();
}

/// f32 as two numbers of tf32, whatever products are made of others: states are
/// in f32 for every type of operand.
Operand LinearStream::splitExact(ArrayRef<Value> values) {
  Operand operand = f.makeOperand(values);
  for (auto [x, high] : llvm::zip_equal(values, operand.high))
    operand.low.push_back(toWord(f.subf(x, toFloat(high))));
  return operand;
}

/// Features of 16 keys as left operands whose rows are 16 features, `from`
/// being the lane's place; their sums are added to the norms.
SmallVector<Operand>
LinearStream::loadTransposed(Value from, SmallVectorImpl<Value> &norms) {
  Type f32 = f.b.getF32Type();
  SmallVector<Operand> left;
  for (int64_t first : {0, 8}) {
    SmallVector<Value> loaded;
    for (int64_t i = 0; i < 4; ++i) {
      loaded.push_back(f.loadShared(
          f.offset(from, (first + i / 2) * keyFeatures.pitch() + 32 * (i % 2)),
          f32));
      norms[i % 2] = f.addf(norms[i % 2], loaded.back());
    }
    left.push_back(plan.isNarrow() ? splitExact(loaded)
                                   : f.makeOperand(loaded));
  }
  return left;
}

/// The lane's part of rows [feature, feature + 16) of the state.
SmallVector<Accumulator> LinearStream::loadRows(Value feature) {
  auto pair = VectorType::get({2}, f.b.getF32Type());
  SmallVector<Accumulator> sums(plan.columns / 8);
  for (auto [e, part] : llvm::enumerate(sums))
    for (int64_t half = 0; half < 2; ++half) {
      Value old = f.loadShared(rowPlace(feature, half, e), f.b.getI64Type());
      old = LLVM::BitcastOp::create(f.b, f.loc, pair, old);
      for (int64_t i = 0; i < 2; ++i)
        part.push_back(vector::ExtractOp::create(f.b, f.loc, old, i));
    }
  return sums;
}

/// Puts them back, as they are or as products take them.
void LinearStream::storeRows(Value feature, ArrayRef<Accumulator> sums,
                             bool isRounded) {
  auto pair = VectorType::get({2}, f.b.getF32Type());
  for (auto [e, part] : llvm::enumerate(sums))
    for (int64_t half = 0; half < 2; ++half) {
      SmallVector<Value> both(ArrayRef(part).slice(2 * half, 2));
      if (isRounded)
        for (Value &x : both)
          x = f.roundToTf32(x);
      Value made = vector::FromElementsOp::create(f.b, f.loc, pair, both);
      LLVM::StoreOp::create(f.b, f.loc, made, rowPlace(feature, half, e));
    }
}

/// Where the lane's pair of columns of the `e`th 8 is in its row of a half.
Value LinearStream::rowPlace(Value feature, int64_t half, int64_t e) {
  Value row = f.add(feature, f.at.group);
  Value place = f.offset(state.base,
                         f.add(f.mul(row, state.pitch()), f.mul(f.at.quad, 8)));
  return f.offset(place, 8 * half * state.pitch() + 32 * e);
}

/// What the chunk adds to rows [feature, feature + 16) of the state and the
/// norm.
void LinearStream::addChunk(Value feature, const SharedTile &values,
                            SmallVectorImpl<Accumulator> &sums) {
  Type f32 = f.b.getF32Type();
  Value from = f.offset(keyFeatures.base,
                        f.add(f.mul(f.at.quad, 2 * keyFeatures.pitch()),
                              f.mul(f.add(feature, f.at.group), 4)));
  SmallVector<Value> carried(2, f.f32(0));
  for (const Accumulator &part : sums)
    llvm::append_range(carried, part);
  auto addKeys = [&](Value key, ValueRange old) {
    SmallVector<Value> norms(old.take_front(2));
    for (size_t e = 0; e < sums.size(); ++e)
      sums[e] = Accumulator(old.slice(2 + 4 * e, 4));
    Value keysFrom = f.offset(from, f.mul(key, keyFeatures.pitch()));
    SharedTile own = values;
    own.base = f.offset(values.base, f.mul(key, values.pitch()));
    SmallVector<Operand> left = loadTransposed(keysFrom, norms);
    for (size_t e = 0; e < sums.size(); e += 2) {
      SmallVector<Operand> right = loadValues(own, 0, 8 * e);
      for (int64_t part = 0; part < 2; ++part)
        for (int64_t n = 0; n < 2; ++n)
          sums[e + n] =
              f.multiply(left[part], right[2 * part + n], sums[e + n], f32);
      holdBack();
    }
    for (const Accumulator &part : sums)
      llvm::append_range(norms, part);
    return norms;
  };
  // A loop, so that loads of other keys do not fill the registers.
  carried =
      f.forLoop(f.index(0), f.index(StreamPlan::chunk), 16, carried, addKeys);
  for (size_t e = 0; e < sums.size(); ++e)
    sums[e] = Accumulator(ValueRange(carried).slice(2 + 4 * e, 4));
  addToNorm(feature, ArrayRef(carried).take_front(2));
}

/// Shares of the sums of rows [feature, feature + 16), of both halves.
void LinearStream::addToNorm(Value feature, ArrayRef<Value> norms) {
  Type f32 = f.b.getF32Type();
  for (int64_t half = 0; half < 2; ++half) {
    Value total = f.rowSum(norms[half]);
    Value place = f.offset(
        normBase, f.mul(f.add(feature, f.add(f.at.group, 8 * half)), 4));
    f.ifThen(f.compare(arith::CmpIPredicate::eq, f.at.quad, f.index(0)), [&] {
      Value old = f.loadShared(place, f32);
      LLVM::StoreOp::create(f.b, f.loc, f.addf(old, total), place);
    });
  }
}

/// Calls with the first feature of every 16 rows of the state that are the
/// warp's.
void LinearStream::forOwnRows(function_ref<void(Value feature)> body) {
  int64_t fragments = plan.padded / FragmentBuilder::fragmentRows;
  for (int64_t done = 0; done < fragments; done += StreamPlan::warps) {
    Value own = f.add(f.at.warp, done);
    auto call = [&] { body(f.mul(own, FragmentBuilder::fragmentRows)); };
    if (done + StreamPlan::warps <= fragments)
      call();
    else
      f.ifThen(f.less(own, f.index(fragments)), call);
  }
}

/// The warp's rows of the state, where a lane keeps them; what is in shared
/// memory is then what queries read.
SmallVector<Value> LinearStream::takeState() {
  SmallVector<Value> none(plan.columns / 2, f.f32(0));
  Value own = f.mul(f.at.warp, FragmentBuilder::fragmentRows);
  return f.ifElse(f.less(own, f.index(plan.padded)), none, [&] {
    SmallVector<Accumulator> sums = loadRows(own);
    if (query.memref)
      storeRows(own, sums, /*isRounded=*/true);
    return flatten(sums);
  });
}

void LinearStream::giveState(ValueRange held) {
  Value own = f.mul(f.at.warp, FragmentBuilder::fragmentRows);
  f.ifThen(f.less(own, f.index(plan.padded)),
           [&] { storeRows(own, unflatten(held), /*isRounded=*/false); });
}

/// The state with the chunk's keys; `held` is what lanes keep of it.
SmallVector<Value> LinearStream::emitUpdate(const SharedTile &values,
                                            ValueRange held) {
  if (!plan.holdsState()) {
    forOwnRows([&](Value feature) {
      SmallVector<Accumulator> sums = loadRows(feature);
      addChunk(feature, values, sums);
      storeRows(feature, sums, /*isRounded=*/false);
    });
    return {};
  }
  Value own = f.mul(f.at.warp, FragmentBuilder::fragmentRows);
  return f.ifElse(f.less(own, f.index(plan.padded)), held, [&] {
    SmallVector<Accumulator> sums = unflatten(held);
    addChunk(own, values, sums);
    if (query.memref)
      storeRows(own, sums, /*isRounded=*/true);
    return flatten(sums);
  });
}
