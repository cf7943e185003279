//===- LinearStream.cpp - linear attention in one pass --------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A chunk of 64 rows at a time: features of keys go to shared memory once,
// those of queries stay in registers. Operands of 16 bits are exact in tf32,
// features and sums are rounded to it, and sums are in f32.
//
// Of a word with two elements of 16 bits, the first stands at depth quad of a
// product and the second at depth quad + 4. Features of keys, and with them the
// rows of the state, are therefore stored with even columns of every 8 before
// odd ones.
//
//===----------------------------------------------------------------------===//

#include "LinearStream.h"
#include "Staging.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

namespace {
/// Shared memory of a block that every architecture has.
constexpr int64_t kSharedBytes = 99 * 1024;
constexpr int64_t kRows = FragmentBuilder::fragmentRows;

/// The same bytes as elements of 16 bits, which are loaded as they are.
SharedTile asWords(const SharedTile &tile) {
  SharedTile words = tile;
  words.columns = tile.columns * tile.elementBytes() / 2;
  words.element = Float16Type::get(tile.element.getContext());
  return words;
}
} // namespace

StreamPlan::StreamPlan(MemRefType sum, Type element)
    : features(sum.getDimSize(0)), padded(llvm::alignTo(features, 16)),
      columns(sum.getDimSize(1)), element(element) {}

int64_t StreamPlan::valueStages() const {
  return valuesAt() + 2 * rawBytes(columns) <= kSharedBytes ? 2 : 1;
}

bool attn::nvvm::canStream(Operation *op) {
  auto fits = [](auto one, Value rows) {
    StreamPlan plan(cast<MemRefType>(one.getSum().getType()),
                    getElementTypeOrSelf(rows.getType()));
    return !one.getProjection() && plan.columns % 16 == 0 &&
           plan.bytes() <= kSharedBytes;
  };
  return TypeSwitch<Operation *, bool>(op)
      .Case<LinearStateOp, LinearChunkOp>(
          [&](auto one) { return fits(one, one.getKey()); })
      .Case([&](LinearOutputOp one) { return fits(one, one.getQuery()); })
      .Default([](Operation *) { return false; });
}

void LinearStream::place(Kernel &kernel) {
  Type f32 = f.b.getF32Type();
  kernel.requireShared(plan.bytes());
  keyFeatures = plan.featureTile(kernel.at.shared, f32);
  state = plan.stateTile(f.offset(kernel.at.shared, keyFeatures.bytes()), f32);
  normBase = f.offset(state.base, state.bytes());
  auto place = [&](int64_t at, int64_t width) {
    return plan.rawTile(f.offset(kernel.at.shared, at), width);
  };
  rawQueries = place(plan.queriesAt(), plan.padded);
  rawKeys = place(plan.keysAt(), plan.padded);
  rawValues = place(plan.valuesAt(), plan.columns);
}

Operand LinearStream::exact(ArrayRef<Value> words) {
  Operand operand;
  operand.high.assign(words.begin(), words.end());
  return operand;
}

Value LinearStream::toFloat(Value word) {
  return LLVM::BitcastOp::create(f.b, f.loc, f.b.getF32Type(), word);
}

Value LinearStream::toWord(Value x) {
  return LLVM::BitcastOp::create(f.b, f.loc, f.b.getI32Type(), x);
}

/// The elements of a word as f32.
SmallVector<Value> LinearStream::unpack(Value word) {
  if (!plan.isNarrow())
    return {toFloat(word)};
  Value pair = LLVM::BitcastOp::create(
      f.b, f.loc, VectorType::get({2}, plan.element), word);
  SmallVector<Value> result;
  for (int64_t i = 0; i < 2; ++i)
    result.push_back(f.extend(vector::ExtractOp::create(f.b, f.loc, pair, i)));
  return result;
}

Value LinearStream::makeFeature(Value x, Value column, bool isMasked) {
  if (scale != 1)
    x = f.mulf(x, f.f32(std::sqrt(scale)));
  Value made = applyFeatureMap(f, map, region, featureEps, x);
  if (!isMasked)
    return made;
  return f.select(f.less(column, f.index(plan.features)), made, f.f32(0));
}

/// phi of a chunk of keys, 16 bytes of a row at a time; lanes are rows, which
/// begin in different banks. Rows that are not there have features of 0.
void LinearStream::emitKeyFeatures(Value first, const SharedTile &raw) {
  int64_t width = 16 / plan.elementBytes(),
          step = f.at.threads() / StreamPlan::chunk * width;
  Value rows = f.index(StreamPlan::chunk);
  Value row = f.b.createOrFold<arith::RemUIOp>(f.loc, f.at.thread, rows),
        column = f.mul(
            f.b.createOrFold<arith::DivUIOp>(f.loc, f.at.thread, rows), width);
  Value from = f.offset(raw.base, f.add(f.mul(row, raw.pitch()),
                                        f.mul(column, plan.elementBytes())));
  Value to = f.offset(keyFeatures.base,
                      f.add(f.mul(row, keyFeatures.pitch()), f.mul(column, 4)));
  auto words = VectorType::get({4}, f.b.getI32Type());
  auto store = [&](int64_t at, ArrayRef<Value> made) {
    for (int64_t half = 0; half < width / 4; ++half) {
      SmallVector<Value> part;
      for (int64_t i = 0; i < 4; ++i)
        part.push_back(made[plan.isNarrow() ? 2 * i + half : i]);
      Value whole = vector::FromElementsOp::create(f.b, f.loc, words, part);
      LLVM::StoreOp::create(f.b, f.loc, whole,
                            f.offset(to, 4 * at + 16 * half));
    }
  };
  bool isMasked = plan.padded != plan.features;
  auto branch =
      scf::IfOp::create(f.b, f.loc, isThere(key, f.add(first, row), true),
                        /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(f.b);
  f.b.setInsertionPointToStart(branch.thenBlock());
  for (int64_t at = 0; at < plan.padded; at += step) {
    Value all = f.loadShared(f.offset(from, at * plan.elementBytes()), words);
    SmallVector<Value> made;
    for (int64_t i = 0; i < 4; ++i)
      for (Value x : unpack(vector::ExtractOp::create(f.b, f.loc, all, i)))
        made.push_back(toWord(makeFeature(
            x, f.add(column, at + int64_t(made.size())), isMasked)));
    store(at, made);
  }
  f.b.setInsertionPointToStart(branch.elseBlock());
  for (int64_t at = 0; at < plan.padded; at += step)
    store(at, SmallVector<Value>(width, f.i32(0)));
}

/// phi of 16 queries as left operands, one for every 8 features, each of which
/// is also given to `use`; what the norm gives is added to the lane's share of
/// the two denominators. In f32, where they take twice the registers, they
/// are not returned but put in place of the queries.
SmallVector<Operand> LinearStream::emitQueryFeatures(
    const SharedTile &raw, Value row, SmallVectorImpl<Value> &denominators,
    function_ref<void(int64_t, const Operand &)> use) {
  SmallVector<Operand> result;
  Value own =
      f.offset(raw.base, f.add(f.mul(f.add(row, f.at.group), raw.pitch()),
                               f.mul(f.at.quad, 4)));
  int64_t perLoad = plan.isNarrow() ? 2 : 1;
  for (int64_t step = 0; 8 * step < plan.padded; step += perLoad) {
    Operand words = f.loadLeft(asWords(raw), row, step / perLoad);
    for (int64_t part = 0; part < perLoad; ++part) {
      int64_t firstColumn = 8 * (step + part);
      bool isMasked = firstColumn + 8 > plan.features;
      SmallVector<Value> values;
      if (plan.isNarrow()) {
        SmallVector<Value> upper = unpack(words.high[2 * part]),
                           lower = unpack(words.high[2 * part + 1]);
        values = {upper[0], lower[0], upper[1], lower[1]};
      } else {
        for (Value word : words.high)
          values.push_back(toFloat(word));
      }
      for (auto [i, x] : llvm::enumerate(values)) {
        Value column =
            plan.isNarrow()
                ? f.add(f.mul(f.at.quad, 2), firstColumn + int64_t(i) / 2)
                : f.add(f.at.quad, firstColumn + 4 * (int64_t(i) / 2));
        x = makeFeature(x, column, isMasked);
      }
      Operand operand = f.makeOperand(values);
      use(step + part, operand);
      Value place = f.offset(normBase, f.mul(f.at.quad, 4));
      for (int64_t i = 0; i < 4; ++i) {
        Value x = plan.isNarrow() ? toFloat(operand.high[i]) : values[i];
        Value norm = f.loadShared(
            f.offset(place, 4 * (firstColumn + 4 * (i / 2))), f.b.getF32Type());
        denominators[i % 2] = f.fma(x, norm, denominators[i % 2]);
        if (!plan.isNarrow())
          LLVM::StoreOp::create(
              f.b, f.loc, values[i],
              f.offset(own, 8 * (i % 2) * raw.pitch() +
                                4 * (firstColumn + 4 * (i / 2))));
      }
      if (plan.isNarrow())
        result.push_back(std::move(operand));
    }
  }
  return result;
}

Operand LinearStream::loadState(int64_t step, int64_t column) {
  Value pointer = f.offset(
      state.base, f.add(f.mul(f.at.quad, state.pitch()), f.mul(f.at.group, 4)));
  SmallVector<Value> values;
  for (int64_t row : {8 * step, 8 * step + 4})
    values.push_back(f.loadShared(
        f.offset(pointer, row * state.pitch() + 4 * column), f.b.getF32Type()));
  if (!stateIsRounded)
    return f.makeOperand(values);
  return exact({toWord(values[0]), toWord(values[1])});
}

/// Right operands of 16 keys and 16 columns: [keys, 8 of them][columns].
SmallVector<Operand> LinearStream::loadValues(const SharedTile &raw,
                                              int64_t key, int64_t column) {
  if (!plan.isNarrow()) {
    SmallVector<Operand> result = f.loadRightByRows(raw, key, column);
    llvm::append_range(result, f.loadRightByRows(raw, key + 8, column));
    return result;
  }
  SmallVector<Operand> packed = f.loadRightByRows(raw, key, column), result;
  for (int64_t part = 0; part < 2; ++part)
    for (const Operand &columns : packed) {
      SmallVector<Value> words;
      for (Value x : unpack(columns.high[part]))
        words.push_back(toWord(x));
      result.push_back(exact(words));
    }
  return result;
}

/// What 16 queries from `row` on, their features given, read of 16 keys of the
/// chunk up to their own.
void LinearStream::addKeys(function_ref<Operand(int64_t step)> query, Value key,
                           Value row, const SharedTile &values,
                           SmallVectorImpl<Accumulator> &sums,
                           SmallVectorImpl<Value> &denominators) {
  Type f32 = f.b.getF32Type();
  SmallVector<Accumulator> scores(2, f.zero());
  SharedTile keys = keyFeatures, own = values;
  keys.base = f.offset(keys.base, f.mul(key, keys.pitch()));
  own.base = f.offset(own.base, f.mul(key, own.pitch()));
  for (int64_t step = 0; 8 * step < plan.padded; ++step) {
    Operand left = query(step);
    SmallVector<Operand> right = f.loadRight(keys, 0, step);
    for (int64_t part = 0; part < 2; ++part)
      scores[part] = f.multiply(left, right[part], scores[part], f32);
    holdBack();
  }
  // Only keys beside their own queries are partly later.
  Value isOwn = f.compare(arith::CmpIPredicate::eq, key, row);
  SmallVector<Value> flat(scores[0].begin(), scores[0].end());
  llvm::append_range(flat, scores[1]);
  flat = f.ifElse(isOwn, flat, [&] {
    SmallVector<Value> seen;
    Value ahead = f.sub(f.toI32(f.at.group), f.toI32(f.mul(f.at.quad, 2)));
    for (int64_t part = 0; part < 2; ++part)
      for (int64_t i = 0; i < 4; ++i) {
        Value place = f.i32(8 * part + i % 2 - 8 * (i / 2));
        seen.push_back(
            f.select(f.lessOrEqual(place, ahead), scores[part][i], f.f32(0)));
      }
    return seen;
  });
  for (int64_t part = 0; part < 2; ++part)
    for (int64_t i = 0; i < 4; ++i) {
      scores[part][i] = flat[4 * part + i];
      denominators[i / 2] = f.addf(denominators[i / 2], scores[part][i]);
    }
  SmallVector<Operand> left{f.toLeft({scores[0]}, f32),
                            f.toLeft({scores[1]}, f32)};
  for (int64_t e = 0; e < plan.columns / 8; e += 2) {
    SmallVector<Operand> right = loadValues(own, 0, 8 * e);
    for (int64_t part = 0; part < 2; ++part)
      for (int64_t n = 0; n < 2; ++n)
        sums[e + n] =
            f.multiply(left[part], right[2 * part + n], sums[e + n], f32);
    holdBack();
  }
}

/// Every warp has 16 queries of the chunk.
void LinearStream::emitOutput(Value first, const SharedTile &queries,
                              const SharedTile &values) {
  Value row = f.mul(f.at.warp, kRows);
  SmallVector<Value> denominators(2, f.f32(0));
  SmallVector<Accumulator> sums(plan.columns / 8, f.zero());
  SmallVector<Operand> left = emitQueryFeatures(
      queries, row, denominators, [&](int64_t step, const Operand &operand) {
        for (size_t e = 0; e < sums.size(); ++e)
          sums[e] = f.multiply(operand, loadState(step, 8 * e), sums[e],
                               f.b.getF32Type());
        holdBack();
      });
  auto query = [&](int64_t step) {
    return left.empty() ? f.loadLeft(queries, row, step) : left[step];
  };
  if (key.memref) {
    SmallVector<Value> carried(denominators);
    for (const Accumulator &part : sums)
      llvm::append_range(carried, part);
    // Later keys are seen by later warps alone.
    Value end = f.add(row, kRows);
    carried = f.forLoop(
        f.index(0), end, kRows, carried, [&](Value from, ValueRange old) {
          SmallVector<Value> all(old.take_front(2));
          SmallVector<Accumulator> next;
          for (size_t e = 0; e < sums.size(); ++e)
            next.push_back(Accumulator(old.slice(2 + 4 * e, 4)));
          addKeys(query, from, row, values, next, all);
          for (const Accumulator &part : next)
            llvm::append_range(all, part);
          return all;
        });
    denominators.assign(carried.begin(), carried.begin() + 2);
    for (size_t e = 0; e < sums.size(); ++e)
      sums[e] = Accumulator(ValueRange(carried).slice(2 + 4 * e, 4));
  }
  storeOutput(first, row, queries, sums, denominators);
}

/// Rows whose sums are divided by their denominators. Where 16 bytes can be
/// written at once they pass through the warp's rows of the chunk of queries,
/// which nobody needs any more.
void LinearStream::storeOutput(Value first, Value row,
                               const SharedTile &queries,
                               ArrayRef<Accumulator> sums,
                               ArrayRef<Value> denominators) {
  SmallVector<Value> inverses;
  for (Value share : denominators) {
    Value total = f.addf(f.rowSum(share), f.f32(denominatorEps));
    Value isZero = arith::CmpFOp::create(f.b, f.loc, arith::CmpFPredicate::OEQ,
                                         total, f.f32(0));
    inverses.push_back(f.select(
        isZero, f.f32(0), arith::DivFOp::create(f.b, f.loc, f.f32(1), total)));
  }
  GlobalRows rows(f, output.memref, output.column);
  bool isWide = rows.isAsync() && output.width <= plan.padded &&
                getElementTypeOrSelf(output.memref.getType()) == plan.element;
  if (!isWide)
    return storeElements(first, row, sums, inverses);
  auto pair = VectorType::get({2}, f.b.getF32Type()),
       narrow = VectorType::get({2}, plan.element);
  NVVM::SyncWarpOp::create(f.b, f.loc, f.i32(-1));
  for (auto [e, part] : llvm::enumerate(sums))
    for (int64_t half = 0; half < 2; ++half) {
      if (int64_t(8 * e) >= output.width)
        continue;
      Value both = vector::FromElementsOp::create(
          f.b, f.loc, pair,
          ValueRange{f.mulf(part[2 * half], inverses[half]),
                     f.mulf(part[2 * half + 1], inverses[half])});
      if (plan.isNarrow())
        both = arith::TruncFOp::create(f.b, f.loc, narrow, both);
      Value own = f.add(row, f.add(f.at.group, 8 * half));
      Value at = f.add(f.mul(own, queries.pitch()),
                       f.mul(f.at.quad, 2 * plan.elementBytes()));
      LLVM::StoreOp::create(f.b, f.loc, both,
                            f.offset(f.offset(queries.base, at),
                                     int64_t(8 * e) * plan.elementBytes()));
    }
  NVVM::SyncWarpOp::create(f.b, f.loc, f.i32(-1));
  unstage(f, queries, row, kRows, rows, [&](Value own) {
    Value place = f.add(first, own);
    return RowOrigin{f.less(place, output.count), {place}};
  });
}

void LinearStream::storeElements(Value first, Value row,
                                 ArrayRef<Accumulator> sums,
                                 ArrayRef<Value> inverses) {
  Type type = getElementTypeOrSelf(output.memref.getType());
  for (int64_t half = 0; half < 2; ++half) {
    Value own = f.add(f.add(first, row), f.add(f.at.group, 8 * half));
    f.ifThen(f.less(own, output.count), [&] {
      for (auto [e, part] : llvm::enumerate(sums))
        for (int64_t i = 0; i < 2; ++i) {
          Value column = f.add(f.mul(f.at.quad, 2), int64_t(8 * e) + i);
          auto store = [&, &part = part] {
            SmallVector<Value> at{own, column};
            if (output.row != 0)
              std::swap(at[0], at[1]);
            Value x = f.mulf(part[2 * half + i], inverses[half]);
            memref::StoreOp::create(f.b, f.loc, f.truncate(x, type),
                                    output.memref, at);
          };
          if (int64_t(8 * e) + 8 <= output.width)
            store();
          else
            f.ifThen(f.less(column, f.index(output.width)), store);
        }
    });
  }
}
