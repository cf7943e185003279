//===- WarpGroupSoftmax.cpp - the streaming softmax on wgmma --------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits attn.online_attention for warp groups of sm_90a. The producer fills a
// ring of stages with keys and values; every consumer has 64 rows of queries
// and forms the scores of a tile while the values of the tile before are being
// multiplied.
//
//===----------------------------------------------------------------------===//

#include "SoftmaxUpdate.h"
#include "WarpGroups.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

namespace {
/// The ring in shared memory, with a pair of barriers a stage for keys, and
/// one for values: `full` when the producer's copies are done, `empty` when
/// all consumers have multiplied.
class Ring {
public:
  Ring(FragmentBuilder &f, const WarpGroupPlan &plan) : f(f), plan(plan) {}

  Value queryFull() { return at(plan.barriersAt()); }
  Value keysFull(Value stage) { return barrier(0, stage); }
  Value keysEmpty(Value stage) { return barrier(1, stage); }
  Value valuesFull(Value stage) { return barrier(2, stage); }
  Value valuesEmpty(Value stage) { return barrier(3, stage); }

  SwizzledTile queries() { return plan.queryTile(at(0)); }
  /// Of the first stage.
  SwizzledTile keys() { return plan.keys(at(plan.keysAt())); }
  SwizzledTile values() { return plan.values(at(plan.valuesAt())); }
  Value keyOffset(Value stage) { return f.mul(stage, plan.keys({}).bytes()); }
  Value valueOffset(Value stage) {
    return f.mul(stage, plan.values({}).bytes());
  }

  /// The stage after one, and the parity of its phase.
  std::pair<Value, Value> next(Value stage, Value parity) {
    Value after = f.add(stage, 1);
    Value isOver =
        f.compare(arith::CmpIPredicate::eq, after, f.index(plan.stages));
    Value turned =
        arith::XOrIOp::create(f.b, f.loc, parity, f.i32(1)).getResult();
    return {f.select(isOver, f.index(0), after),
            f.select(isOver, turned, parity)};
  }

private:
  Value at(int64_t bytes) { return f.offset(f.at.shared, bytes); }
  Value barrier(int64_t kind, Value stage) {
    return f.offset(at(plan.barriersAt() + 8 * (1 + kind * plan.stages)),
                    f.mul(stage, 8));
  }

  FragmentBuilder &f;
  const WarpGroupPlan &plan;
};

class Producer : SoftmaxUpdate {
public:
  Producer(OpBuilder &b, OnlineAttentionOp op, Kernel &kernel,
           const WarpGroupPlan &plan, RingPosition &at)
      : SoftmaxUpdate(b, op, kernel), plan(plan), at(at), groups(f),
        ring(f, plan), queries(*this, plan.queryCopies, op.getQuery()),
        keys(*this, plan.keyCopies, op.getKey()),
        values(*this, plan.valueCopies, op.getValue()) {}

  void emit() {
    // One thread of the first warp makes the copies that one thread can.
    if (!at.isLeader)
      at.isLeader =
          f.both(f.less(kernel.at.thread, f.index(FragmentBuilder::lanes)),
                 groups.elect());
    Value isAny = f.less(f.index(0), numKeys);
    if (plan.ranges == 1)
      f.ifThen(isAny, [&] { begin(); });
    else if (at.range == 0)
      begin();
    bool byLeader = keys.copier && values.copier;
    Value isActive = byLeader ? f.both(at.isLeader, isAny) : isAny;
    SmallVector<Value> next = f.ifElse(isActive, {at.stage, at.parity}, [&] {
      isAlone = byLeader;
      return emitTiles();
    });
    at = {at.range + 1, next[0], next[1], at.isLeader};
  }

private:
  /// How an operand is copied: by one thread, or by all.
  struct Source {
    Source(Producer &producer, const OperandCopies &copies, Value operand) {
      if (copies.useMap())
        copier.emplace(producer.f, copies.maps[producer.at.range], operand,
                       copies.shape);
      else
        rows.emplace(producer.f, operand, copies.shape.columnPosition);
    }
    std::optional<TensorCopier> copier;
    std::optional<GlobalRows> rows;
  };

  void asLeader(function_ref<void()> body) {
    if (isAlone)
      return body();
    isAlone = true;
    f.ifThen(at.isLeader, body);
    isAlone = false;
  }

  /// Queries are there for all ranges.
  void begin() {
    asLeader([&] {
      for (Source *source : {&queries, &keys, &values})
        if (source->copier)
          source->copier->prefetchMap();
    });
    copy(queries, ring.queries(), f.index(0), ring.queryFull(),
         [&](Value row) { return queryOrigin(row); });
  }

  /// Copies a tile, and arrives at `full` when that is done.
  void copy(Source &source, const SwizzledTile &tile, Value firstRow,
            Value full, function_ref<RowOrigin(Value row)> origin) {
    if (source.copier)
      return asLeader([&] { source.copier->copy(tile, firstRow, full); });
    stageSwizzled(f, tile, tile.columns, *source.rows, origin);
    groups.arriveAfterCopies(full);
  }

  SmallVector<Value> emitTiles() {
    return f.forLoop(f.index(0), numKeys, plan.keyTile, {at.stage, at.parity},
                     [&](Value firstKey, ValueRange carried) {
                       fill(firstKey, carried[0], carried[1]);
                       auto [stage, parity] = ring.next(carried[0], carried[1]);
                       return SmallVector<Value>{stage, parity};
                     });
  }

  /// As keyOrigin, but a row after another is a key after another.
  RowOrigin originOf(Value firstKey, Value row, bool isValue) {
    return {keyOrigin(firstKey, row, isValue).isThere, {f.add(firstKey, row)}};
  }

  void fill(Value firstKey, Value stage, Value parity) {
    // The phase before the first is over from the start.
    Value before = arith::XOrIOp::create(f.b, f.loc, parity, f.i32(1));
    SwizzledTile keyTile = ring.keys(), valueTile = ring.values();
    keyTile.base = f.offset(keyTile.base, ring.keyOffset(stage));
    valueTile.base = f.offset(valueTile.base, ring.valueOffset(stage));
    groups.await(ring.keysEmpty(stage), before);
    copy(keys, keyTile, firstKey, ring.keysFull(stage),
         [&](Value row) { return originOf(firstKey, row, /*isValue=*/false); });
    groups.await(ring.valuesEmpty(stage), before);
    copy(values, valueTile, firstKey, ring.valuesFull(stage),
         [&](Value row) { return originOf(firstKey, row, /*isValue=*/true); });
  }

  const WarpGroupPlan &plan;
  RingPosition &at;
  WarpGroupBuilder groups;
  Ring ring;
  Source queries, keys, values;
  bool isAlone = false; ///< whether only the leader runs what is emitted
};

class Consumer : SoftmaxUpdate {
public:
  Consumer(OpBuilder &b, OnlineAttentionOp op, Kernel &kernel,
           const WarpGroupPlan &plan, RingPosition &at)
      : SoftmaxUpdate(b, op, kernel), plan(plan), at(at), groups(f),
        ring(f, plan) {
    keyTile = plan.keyTile;
  }

  void emit() {
    describeRows();
    SoftmaxState state = access.load(op.getAcc(), op.getMax(), op.getSum());
    describeOperands();
    if (plan.ranges > 1 && at.range == 0)
      begin();
    Value isAny = f.less(f.index(0), numKeys);
    SmallVector<Value> all = state.flatten();
    all.append({at.stage, at.parity});
    all = f.ifElse(isAny, all, [&] { return emitTiles(state); });
    state = state.with(ArrayRef(all).drop_back(2));
    at = {at.range + 1, all[all.size() - 2], all.back(), Value()};
    access.store(state, op.getAcc(), op.getMax(), op.getSum());
  }

private:
  using Registers = SmallVector<Value>;

  /// A tile between its two products.
  struct Step {
    SoftmaxState state;
    Registers weights;   ///< its probabilities, as left operands
    Value stage, parity; ///< of its values

    SmallVector<Value> pack() const {
      SmallVector<Value> all = state.flatten();
      llvm::append_range(all, weights);
      all.append({stage, parity});
      return all;
    }
  };
  static Step unpack(const Step &like, ValueRange values);

  /// The state after all tiles of the range, and where the next one begins.
  SmallVector<Value> emitTiles(const SoftmaxState &state);
  /// Waits for the queries, and makes the first turn the first consumer's.
  void begin();
  Step emitFirst(const SoftmaxState &state);
  Step emitNext(Step step, Value firstKey);
  SoftmaxState emitLast(Step step);
  void describeOperands();
  /// Hands registers over to the products that follow.
  void fence(Registers &acc, Registers &weights);
  /// Starts the scores of the stage's keys, or what its values add to `acc`.
  Registers startScores(Value stage);
  void startValues(Value stage, Registers probabilities, Registers &acc);
  /// Probabilities as left operands, in place of scores.
  Registers pack(const Scores &scores);
  Registers updateRows(Registers scores, Value firstKey, SoftmaxState &state,
                       SmallVector<Value> &factors);
  /// Two consumers start their products by turns: the exponentials of one are
  /// then beside the products of the other.
  bool takesTurns() const { return plan.consumers == 2; }
  void takeTurn() {
    if (takesTurns())
      groups.sync(arith::AddIOp::create(f.b, f.loc, group, f.i32(1)),
                  2 * WarpGroupBuilder::threads);
  }
  void passTurn() {
    if (takesTurns())
      groups.arriveAt(arith::SubIOp::create(f.b, f.loc, f.i32(2), group),
                      2 * WarpGroupBuilder::threads);
  }
  /// Products see copies through tensor maps as they are, others after a fence.
  void fenceCopies(ArrayRef<const OperandCopies *> copies) {
    if (!llvm::all_of(copies, [](auto *one) { return one->useMap(); }))
      groups.fenceProxy();
  }
  /// Through tensor maps, values beyond the last key are what the tensor has
  /// there, but 0 * NaN must not escape. Scores of such keys are masked.
  void clearTail(Value stage);
  void release(Value barrier) {
    f.ifThen(f.compare(arith::CmpIPredicate::eq, kernel.at.lane, f.index(0)),
             [&] { groups.arrive(barrier); });
  }

  const WarpGroupPlan &plan;
  RingPosition &at;
  WarpGroupBuilder groups;
  Ring ring;
  Value group;                 ///< the consumer's number, i32
  Value queries, keys, values; ///< descriptors
};
} // namespace

void Consumer::describeOperands() {
  SwizzledTile tile = ring.queries();
  constexpr int64_t rowsBytes = WarpGroupBuilder::rows * SwizzledTile::rowBytes;
  Value number = f.b.createOrFold<arith::DivUIOp>(
      f.loc, kernel.at.warp, f.index(WarpGroupBuilder::warps));
  queries = groups.advance(groups.describeRows(tile), f.mul(number, rowsBytes));
  group = f.toI32(number);
  keys = groups.describeRows(ring.keys());
  values = groups.describeColumns(ring.values());
}

void Consumer::clearTail(Value stage) {
  constexpr int64_t chunkBytes = 16,
                    perRow = SwizzledTile::rowBytes / chunkBytes;
  if (!plan.valueCopies.useMap())
    return;
  Value rest =
      f.b.createOrFold<arith::RemUIOp>(f.loc, numKeys, f.index(plan.keyTile));
  if (isConstantIntValue(rest, 0))
    return;
  int64_t threads = plan.consumers * WarpGroupBuilder::threads;
  Value isPartial = f.compare(arith::CmpIPredicate::ne, rest, f.index(0));
  f.ifThen(isPartial, [&] {
    SwizzledTile tile = ring.values();
    Value base = f.offset(tile.base, ring.valueOffset(stage));
    Value zero = arith::ConstantOp::create(
        f.b, f.loc,
        f.b.getZeroAttr(VectorType::get({chunkBytes / 4}, f.b.getI32Type())));
    // Whole rows, so that it does not matter how their chunks are permuted.
    Value from = f.add(f.mul(rest, perRow), kernel.at.thread);
    f.forLoop(from, f.index(tile.rows * perRow), threads, {},
              [&](Value chunk, ValueRange) {
                Value to = f.offset(base, f.mul(chunk, chunkBytes));
                for (int64_t at = 0; at < tile.bytes(); at += tile.blockBytes())
                  LLVM::StoreOp::create(f.b, f.loc, zero, f.offset(to, at));
                return SmallVector<Value>();
              });
    groups.fenceProxy();
    // Those before are for turns.
    groups.sync(f.i32(plan.consumers + 1), threads);
  });
}

Consumer::Registers Consumer::startScores(Value stage) {
  Registers scores(plan.keyTile / 2);
  SwizzledTile queryTile = ring.queries(), keyTile = ring.keys();
  Value right = groups.advance(keys, ring.keyOffset(stage));
  for (int64_t step = 0; step < plan.headSize / WarpGroupBuilder::depth; ++step)
    groups.multiply(
        scores,
        groups.advance(queries,
                       WarpGroupBuilder::stepAlongRows(queryTile, step)),
        groups.advance(right, WarpGroupBuilder::stepAlongRows(keyTile, step)),
        element, /*overRows=*/false, /*accumulate=*/step > 0);
  groups.commit();
  return scores;
}

void Consumer::startValues(Value stage, Registers probabilities,
                           Registers &acc) {
  Value right = groups.advance(values, ring.valueOffset(stage));
  for (int64_t step = 0; step < plan.keyTile / WarpGroupBuilder::depth; ++step)
    groups.multiply(acc, ValueRange(probabilities).slice(4 * step, 4),
                    groups.advance(right, WarpGroupBuilder::stepOverRows(step)),
                    element,
                    /*overRows=*/true, /*accumulate=*/true);
  groups.commit();
}

Consumer::Registers Consumer::pack(const Scores &scores) {
  Registers packed;
  for (size_t n = 0; n < scores.size(); n += 2)
    llvm::append_range(packed,
                       f.toLeft(ArrayRef(scores).slice(n, 2), element).high);
  return packed;
}

Consumer::Registers Consumer::updateRows(Registers scores, Value firstKey,
                                         SoftmaxState &state,
                                         SmallVector<Value> &factors) {
  Scores parts = restrict(unflatten(scores), firstKey);
  for (int64_t half = 0; half < 2; ++half)
    factors.push_back(updateRow(parts, state, half));
  return pack(parts);
}

Consumer::Step Consumer::unpack(const Step &like, ValueRange values) {
  size_t size = like.state.flatten().size();
  return {like.state.with(values.take_front(size)),
          Registers(values.drop_front(size).drop_back(2)),
          values[values.size() - 2], values.back()};
}

void Consumer::fence(Registers &acc, Registers &weights) {
  Registers all = acc;
  llvm::append_range(all, weights);
  groups.fence(all);
  acc.assign(all.begin(), all.begin() + acc.size());
  weights.assign(all.begin() + acc.size(), all.end());
}

void Consumer::begin() {
  groups.await(ring.queryFull(), f.i32(0));
  if (takesTurns())
    f.ifThen(f.compare(arith::CmpIPredicate::eq, group, f.i32(1)),
             [&] { passTurn(); });
}

/// The first tile has no product of values beside its scores.
Consumer::Step Consumer::emitFirst(const SoftmaxState &state) {
  Step step{state, {}, at.stage, at.parity};
  if (plan.ranges == 1)
    begin();
  groups.await(ring.keysFull(step.stage), step.parity);
  fenceCopies({&plan.queryCopies, &plan.keyCopies});
  takeTurn();
  groups.fence({});
  Registers scores = startScores(step.stage);
  passTurn();
  groups.wait(0, scores);
  release(ring.keysEmpty(step.stage));
  SmallVector<Value> factors;
  step.weights = updateRows(scores, f.index(0), step.state, factors);
  for (int64_t half = 0; half < 2; ++half)
    lowerRow(step.state, half, factors[half]);
  return step;
}

/// Scores of the tile at `firstKey`, and the values of the tile before.
Consumer::Step Consumer::emitNext(Step step, Value firstKey) {
  auto [stage, parity] = ring.next(step.stage, step.parity);
  groups.await(ring.keysFull(stage), parity);
  groups.await(ring.valuesFull(step.stage), step.parity);
  fenceCopies({&plan.keyCopies, &plan.valueCopies});
  takeTurn();
  Registers acc = flatten(step.state.acc);
  fence(acc, step.weights);
  Registers scores = startScores(stage);
  startValues(step.stage, step.weights, acc);
  passTurn();
  groups.wait(1, scores);
  release(ring.keysEmpty(stage));
  SmallVector<Value> factors;
  Registers weights = updateRows(scores, firstKey, step.state, factors);
  groups.wait(0, acc);
  release(ring.valuesEmpty(step.stage));
  step.state.acc = unflatten(acc);
  for (int64_t half = 0; half < 2; ++half)
    lowerRow(step.state, half, factors[half]);
  return {step.state, weights, stage, parity};
}

SoftmaxState Consumer::emitLast(Step step) {
  groups.await(ring.valuesFull(step.stage), step.parity);
  fenceCopies({&plan.valueCopies});
  clearTail(step.stage);
  Registers acc = flatten(step.state.acc);
  fence(acc, step.weights);
  startValues(step.stage, step.weights, acc);
  groups.wait(0, acc);
  if (at.range + 1 < plan.ranges)
    release(ring.valuesEmpty(step.stage));
  step.state.acc = unflatten(acc);
  return step.state;
}

SmallVector<Value> Consumer::emitTiles(const SoftmaxState &state) {
  Step first = emitFirst(state);
  SmallVector<Value> last =
      f.forLoop(f.index(plan.keyTile), numKeys, plan.keyTile, first.pack(),
                [&](Value firstKey, ValueRange carried) {
                  return emitNext(unpack(first, carried), firstKey).pack();
                });
  Step step = unpack(first, last);
  auto [stage, parity] = ring.next(step.stage, step.parity);
  SmallVector<Value> all = emitLast(step).flatten();
  all.append({stage, parity});
  return all;
}

void attn::nvvm::initBarriers(FragmentBuilder &f, const WarpGroupPlan &plan) {
  Ring ring(f, plan);
  WarpGroupBuilder groups(f);
  Value isFirst = f.compare(arith::CmpIPredicate::eq, f.at.thread, f.index(0));
  int64_t consumers = plan.consumers * WarpGroupBuilder::warps;
  f.ifThen(isFirst, [&] {
    groups.initBarrier(ring.queryFull(), plan.queryCopies.arrivals());
    for (int64_t stage = 0; stage < plan.stages; ++stage) {
      Value at = f.index(stage);
      groups.initBarrier(ring.keysFull(at), plan.keyCopies.arrivals());
      groups.initBarrier(ring.keysEmpty(at), consumers);
      groups.initBarrier(ring.valuesFull(at), plan.valueCopies.arrivals());
      groups.initBarrier(ring.valuesEmpty(at), consumers);
    }
    // Copies through tensor maps arrive by another way.
    groups.fenceProxy();
  });
  f.barrier();
}

void attn::nvvm::emitProducer(OpBuilder &b, OnlineAttentionOp op,
                              Kernel &kernel, const WarpGroupPlan &plan,
                              RingPosition &at) {
  Producer(b, op, kernel, plan, at).emit();
}

void attn::nvvm::emitConsumer(OpBuilder &b, OnlineAttentionOp op,
                              Kernel &kernel, const WarpGroupPlan &plan,
                              RingPosition &at) {
  Consumer(b, op, kernel, plan, at).emit();
}
