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
           const WarpGroupPlan &plan)
      : SoftmaxUpdate(b, op, kernel), plan(plan), groups(f), ring(f, plan) {}

  void emit() {
    GlobalRows queries = queryRows(), keys = keyRows(), values = valueRows();
    Value isAny = f.less(f.index(0), numKeys);
    f.ifThen(isAny, [&] {
      stageSwizzled(f, ring.queries(), plan.headSize, queries,
                    [&](Value row) { return queryOrigin(row); });
      groups.arriveAfterCopies(ring.queryFull());
      f.forLoop(f.index(0), numKeys, plan.keyTile, {f.index(0), f.i32(0)},
                [&](Value firstKey, ValueRange carried) {
                  fill(firstKey, carried[0], carried[1], keys, values);
                  auto [stage, parity] = ring.next(carried[0], carried[1]);
                  return SmallVector<Value>{stage, parity};
                });
    });
  }

private:
  /// As keyOrigin, but a row after another is a key after another.
  RowOrigin originOf(Value firstKey, Value row, bool isValue) {
    return {keyOrigin(firstKey, row, isValue).isThere, {f.add(firstKey, row)}};
  }

  void fill(Value firstKey, Value stage, Value parity, const GlobalRows &keys,
            const GlobalRows &values) {
    // The phase before the first is over from the start.
    Value before = arith::XOrIOp::create(f.b, f.loc, parity, f.i32(1));
    SwizzledTile keyTile = ring.keys(), valueTile = ring.values();
    keyTile.base = f.offset(keyTile.base, ring.keyOffset(stage));
    valueTile.base = f.offset(valueTile.base, ring.valueOffset(stage));
    groups.await(ring.keysEmpty(stage), before);
    stageSwizzled(f, keyTile, plan.headSize, keys, [&](Value row) {
      return originOf(firstKey, row, /*isValue=*/false);
    });
    groups.arriveAfterCopies(ring.keysFull(stage));
    groups.await(ring.valuesEmpty(stage), before);
    stageSwizzled(f, valueTile, plan.valueSize, values, [&](Value row) {
      return originOf(firstKey, row, /*isValue=*/true);
    });
    groups.arriveAfterCopies(ring.valuesFull(stage));
  }

  const WarpGroupPlan &plan;
  WarpGroupBuilder groups;
  Ring ring;
};

class Consumer : SoftmaxUpdate {
public:
  Consumer(OpBuilder &b, OnlineAttentionOp op, Kernel &kernel,
           const WarpGroupPlan &plan)
      : SoftmaxUpdate(b, op, kernel), plan(plan), groups(f), ring(f, plan) {
    keyTile = plan.keyTile;
  }

  void emit() {
    describeRows();
    SoftmaxState state = access.load(op.getAcc(), op.getMax(), op.getSum());
    Value isAny = f.less(f.index(0), numKeys);
    state = state.with(f.ifElse(isAny, state.flatten(),
                                [&] { return emitTiles(state).flatten(); }));
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

  SoftmaxState emitTiles(const SoftmaxState &state);
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
  void release(Value barrier) {
    f.ifThen(f.compare(arith::CmpIPredicate::eq, kernel.at.lane, f.index(0)),
             [&] { groups.arrive(barrier); });
  }

  const WarpGroupPlan &plan;
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

/// The first tile has no product of values beside its scores.
Consumer::Step Consumer::emitFirst(const SoftmaxState &state) {
  Step step{state, {}, f.index(0), f.i32(0)};
  groups.await(ring.queryFull(), step.parity);
  groups.await(ring.keysFull(step.stage), step.parity);
  groups.fenceProxy();
  if (takesTurns()) // the first turn is the first one's
    f.ifThen(f.compare(arith::CmpIPredicate::eq, group, f.i32(1)),
             [&] { passTurn(); });
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
  groups.fenceProxy();
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
  groups.fenceProxy();
  Registers acc = flatten(step.state.acc);
  fence(acc, step.weights);
  startValues(step.stage, step.weights, acc);
  groups.wait(0, acc);
  step.state.acc = unflatten(acc);
  return step.state;
}

SoftmaxState Consumer::emitTiles(const SoftmaxState &state) {
  describeOperands();
  Step first = emitFirst(state);
  SmallVector<Value> last =
      f.forLoop(f.index(plan.keyTile), numKeys, plan.keyTile, first.pack(),
                [&](Value firstKey, ValueRange carried) {
                  return emitNext(unpack(first, carried), firstKey).pack();
                });
  return emitLast(unpack(first, last));
}

void attn::nvvm::initBarriers(FragmentBuilder &f, const WarpGroupPlan &plan) {
  Ring ring(f, plan);
  WarpGroupBuilder groups(f);
  Value isFirst = f.compare(arith::CmpIPredicate::eq, f.at.thread, f.index(0));
  constexpr int64_t producers = WarpGroupBuilder::threads;
  int64_t consumers = plan.consumers * WarpGroupBuilder::warps;
  f.ifThen(isFirst, [&] {
    groups.initBarrier(ring.queryFull(), producers);
    for (int64_t stage = 0; stage < plan.stages; ++stage) {
      Value at = f.index(stage);
      groups.initBarrier(ring.keysFull(at), producers);
      groups.initBarrier(ring.keysEmpty(at), consumers);
      groups.initBarrier(ring.valuesFull(at), producers);
      groups.initBarrier(ring.valuesEmpty(at), consumers);
    }
  });
  f.barrier();
}

void attn::nvvm::emitProducer(OpBuilder &b, OnlineAttentionOp op,
                              Kernel &kernel, const WarpGroupPlan &plan) {
  Producer(b, op, kernel, plan).emit();
}

void attn::nvvm::emitConsumer(OpBuilder &b, OnlineAttentionOp op,
                              Kernel &kernel, const WarpGroupPlan &plan) {
  Consumer(b, op, kernel, plan).emit();
}
