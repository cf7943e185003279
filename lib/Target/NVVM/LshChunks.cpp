//===- LshChunks.cpp - sorted chunks on tensor cores ----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A block has consecutive ranks of one head, whatever the chunk's length: what
// a rank sees is a range of ranks that rises with it, so that the keys of the
// block are a range too. They are gathered through the order by asynchronous
// copies, a tile ahead. Rounds are launches that follow each other and go on
// with the state that the one before left in memory.
//
//===----------------------------------------------------------------------===//

#include "LshChunks.h"

#include "Launch.h"
#include "Lsh.h"
#include "Staging.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

namespace {
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLn2 = 0.6931471805599453;
/// Registers of a lane that may hold queries; more stay in shared memory.
constexpr int64_t kQueryRegisters = 32;
/// Bytes of a row up to which 64 keys make a tile, and not 32.
constexpr int64_t kShortRow = 128;
/// Rounds whose codes a lane keeps of its rows.
constexpr int64_t kCodeRegisters = 8;
} // namespace

ChunkPlan::ChunkPlan(LshChunksOp op) {
  auto x = cast<MemRefType>(op.getX().getType()),
       value = cast<MemRefType>(op.getValue().getType());
  element = x.getElementType();
  valueElement = value.getElementType();
  headSize = x.getShape().back();
  valueSize = value.getShape().back();
  rounds = cast<MemRefType>(op.getOrder().getType()).getDimSize(2);
  hasUnits = !op.getKey();
  hasPositions =
      !op.getScoreMod().empty() || (op.getCausal() && !op.getFirst());
  hasCodes = op.getCode() != nullptr;
  int64_t steps = headSize / FragmentBuilder::depthOf(element);
  queryInRegisters = !element.isF32() && 4 * steps <= kQueryRegisters;
  int64_t longest = std::max(keys({}).pitch(), values({}).pitch());
  keyTile = longest <= kShortRow + 16 ? 64 : 32;
  while (bytes() > kSharedLimit && warps > 1)
    warps /= 2;
  if (bytes() > kSharedLimit)
    keyTile = 16, warps = 4;
  while (bytes() > kSharedLimit && warps > 1)
    warps /= 2;
  keyStep = std::min<int64_t>(keyTile, valueSize <= 128 ? 32 : 16);
}

ChunkEmitter::ChunkEmitter(OpBuilder &b, LshChunksOp op, Kernel &kernel,
                           const ChunkPlan &plan, Value round,
                           ValueRange block)
    : op(op), kernel(kernel), f(b, op.getLoc(), kernel.at, kernel.products),
      plan(plan), round(round), batch(block[0]), head(block[1]),
      firstRank(f.mul(block[2], plan.rows())) {
  kernel.requireShared(plan.bytes());
}

Value ChunkEmitter::viewOf(Value memref, AffineMap map) {
  return viewTokens(f, memref, map, batch, head);
}

void ChunkEmitter::locate() {
  tokens = dim(op.getOrder(), 3);
  auto countOf = [&](Value memref, Value all) {
    return memref ? loadIndex(f, memref, {batch}) : all;
  };
  count = countOf(op.getCount(), tokens);
  keyCount = hasOwnKeys()
                 ? countOf(op.getKeyCount(), dim(op.getKeyOrder(), 3))
                 : count;
  isFirst = f.less(round, f.index(1));
  isLast = f.less(f.index(plan.rounds - 2), round);
  queries = tokenView(op.getX(), 0);
  values = tokenView(op.getValue(), 1);
  output = tokenView(op.getOutput(), 2);
  keys = hasOwnKeys() ? viewOf(op.getKey(), op.getKeyMap()) : queries;
}

/// The ranks of keys that a rank sees, but for its own.
ChunkEmitter::Range ChunkEmitter::rangeOf(Value rank) {
  int64_t chunk = op.getChunk(), keyChunk = op.getKeyChunk().value_or(chunk);
  int64_t back = op.getLookBack(), ahead = op.getLookAhead();
  Value number = f.b.createOrFold<arith::DivUIOp>(f.loc, rank, f.index(chunk));
  Value begin = f.mul(f.sub(number, f.index(back)), keyChunk);
  begin = f.max(begin, f.index(0));
  Value end = f.min(f.mul(f.add(number, 1 + ahead), keyChunk), keyCount);
  SmallVector<Value> at{batch, head, round, rank};
  if (op.getFirst())
    begin = f.max(begin, loadIndex(f, op.getFirst(), at));
  if (op.getFirst() && op.getCausal())
    end = f.min(end, rank);
  else if (op.getEnd())
    end = f.min(end, loadIndex(f, op.getEnd(), at));
  return {begin, f.max(begin, end)};
}

/// The extreme of i32 values over all rows of the warp.
static Value reduceWarp(FragmentBuilder &f, Value x, Value y, bool isMax) {
  auto extreme = [&](Value x, Value y) {
    return isMax ? f.max(x, y) : f.min(x, y);
  };
  Value result = extreme(x, y);
  for (int64_t mask : {4, 8, 16})
    result = extreme(result, f.shuffleXor(result, mask));
  return result;
}

void ChunkEmitter::describeRows() {
  Value lastToken = f.sub(tokens, f.index(1));
  Value own = f.add(firstRank, f.add(f.mul(kernel.at.warp,
                                           FragmentBuilder::fragmentRows),
                                     kernel.at.group));
  SmallVector<Value> begins, ends;
  for (int64_t half = 0; half < 2; ++half) {
    ChunkRow row;
    Value rank = f.add(own, 8 * half);
    row.isWritten = f.less(rank, tokens);
    row.isThere = f.less(rank, count);
    rank = f.min(rank, lastToken);
    row.rank = f.toI32(rank);
    row.position = loadIndex(f, op.getOrder(), {batch, head, round, rank});
    Range seen = rangeOf(rank);
    row.begin = f.toI32(seen.begin);
    Value end = f.toI32(seen.end);
    row.length =
        f.select(row.isThere, f.sub(end, row.begin), f.i32(0));
    begins.push_back(f.select(row.isThere, row.begin,
                              f.i32(std::numeric_limits<int32_t>::max())));
    ends.push_back(f.select(row.isThere, end, f.i32(0)));
    if (plan.hasCodes && plan.rounds <= kCodeRegisters)
      for (int64_t r = 0; r < plan.rounds; ++r) {
        Value code = memref::LoadOp::create(
            f.b, f.loc, op.getCode(),
            ValueRange{batch, head, row.position, f.index(r)});
        row.codes.push_back(f.add(code, f.i32(op.getLookAhead())));
      }
    rows.push_back(std::move(row));
  }
  hullBegin = reduceWarp(f, begins[0], begins[1], /*isMax=*/false);
  hullEnd = reduceWarp(f, ends[0], ends[1], /*isMax=*/true);
  // Ranges rise with the rank: the first begins the block's, the last ends it.
  Value last = f.min(f.add(firstRank, plan.rows()), count);
  last = f.max(f.sub(last, f.index(1)), f.index(0));
  firstKey = rangeOf(f.min(firstRank, lastToken)).begin;
  endKey = f.select(f.less(firstRank, count), rangeOf(last).end, firstKey);
}

/// Rows of the order, in the tile in the order of their ranks.
void ChunkEmitter::stageQueries() {
  GlobalRows source(f, queries, 1);
  Value last = f.sub(tokens, f.index(1));
  SharedTile tile = plan.queries(f.offset(kernel.at.shared, plan.queriesAt()));
  stage(f, tile, source, [&](Value row) {
    Value rank = f.add(firstRank, row), isThere = f.less(rank, count);
    Value position = loadIndex(f, op.getOrder(),
                               {batch, head, round, f.min(rank, last)});
    return RowOrigin{isThere, {position}};
  });
}

/// What goes with keys besides their vectors: 4 bytes at a time.
void ChunkEmitter::stageWordsOfKeys(Value first, Value to) {
  Value last = f.sub(endKey, f.index(1));
  auto rankOf = [&](Value row) { return f.add(first, row); };
  auto isThere = [&](Value row) { return f.less(rankOf(row), endKey); };
  auto positionOf = [&](Value row) {
    return loadIndex(f, keyOrder(),
                     {batch, head, round, f.min(rankOf(row), last)});
  };
  auto wordOf = [&](const GlobalRows &rows, ValueRange at, Value column) {
    return f.add(rows.rowAddress(at), f.mul(column, 4));
  };
  if (plan.hasUnits) {
    GlobalRows units(f, viewInner(f, op.getUnit(), {batch, head}), 0);
    stageWords(f, f.offset(to, plan.unitsAt()), plan.keyTile, [&](Value row) {
      return WordOrigin{isThere(row), wordOf(units, {}, positionOf(row))};
    });
  }
  if (plan.hasPositions) {
    GlobalRows order(f, viewInner(f, keyOrder(), {batch, head, round}), 0);
    stageWords(f, f.offset(to, plan.positionsAt()), plan.keyTile,
               [&](Value row) {
                 return WordOrigin{isThere(row),
                                   wordOf(order, {}, f.min(rankOf(row), last))};
               });
  }
  if (!plan.hasCodes)
    return;
  Value code = hasOwnKeys() ? op.getKeyCode() : op.getCode();
  GlobalRows codes(f, viewInner(f, code, {batch, head}), 1);
  Value rounds = f.index(plan.rounds);
  stageWords(f, f.offset(to, plan.codesAt()), plan.keyTile * plan.rounds,
             [&](Value piece) {
               Value row = f.b.createOrFold<arith::DivUIOp>(f.loc, piece,
                                                            rounds),
                     r = f.b.createOrFold<arith::RemUIOp>(f.loc, piece,
                                                          rounds);
               return WordOrigin{isThere(row),
                                 wordOf(codes, {positionOf(row)}, r)};
             });
}

void ChunkEmitter::stageKeys(Value first, Value to) {
  GlobalRows keyRows(f, keys, 1), valueRows(f, values, 1);
  Value last = f.sub(endKey, f.index(1));
  auto origin = [&](Value row) {
    Value rank = f.add(first, row);
    Value position = loadIndex(f, keyOrder(),
                               {batch, head, round, f.min(rank, last)});
    return RowOrigin{f.less(rank, endKey), {position}};
  };
  stage(f, plan.keys(to), keyRows, origin);
  stage(f, plan.values(f.offset(to, plan.valuesAt())), valueRows, origin);
  stageWordsOfKeys(first, to);
  commitStaging(f);
}

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
        Value both = vector::LoadOp::create(
            f.b, f.loc, pair, output,
            ValueRange{position, f.add(column, 8 * n)},
            /*nontemporal=*/false, llvm::Align(8));
        for (int64_t i : {0, 1})
          part[2 * half + i] =
              vector::ExtractOp::create(f.b, f.loc, both, i);
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

/// All tiles of keys; the next is on its way while one is worked on.
SoftmaxState ChunkEmitter::emitTiles(const SoftmaxState &state) {
  Value zero = f.index(0);
  stageQueries();
  stageKeys(firstKey, kernel.at.shared);
  if (plan.queryInRegisters) {
    finishStaging(f);
    f.barrier();
    int64_t steps = plan.headSize / FragmentBuilder::depthOf(plan.element);
    SmallVector<Operand> loaded;
    for (int64_t step = 0; step < steps; ++step)
      loaded.push_back(leftOperand(step));
    query = std::move(loaded);
    // The second stage is written next.
    f.barrier();
  }
  SmallVector<Value> carried = state.flatten();
  carried.push_back(zero); // where the stage to read begins
  carried = f.forLoop(
      firstKey, endKey, plan.keyTile, carried,
      [&](Value first, ValueRange values) {
        Value at = values.back();
        Value other = f.sub(f.index(plan.stageBytes()), at);
        finishStaging(f);
        f.barrier();
        Value next = f.add(first, plan.keyTile);
        f.ifThen(f.less(next, endKey),
                 [&] { stageKeys(next, f.offset(kernel.at.shared, other)); });
        SmallVector<Value> after =
            emitTile(first, f.offset(kernel.at.shared, at),
                     state.with(values.drop_back()))
                .flatten();
        after.push_back(other);
        return after;
      });
  carried.pop_back();
  return state.with(carried);
}

SmallVector<Value> ChunkEmitter::lseAt(const ChunkRow &row) {
  AffineMap map = op.getMap(3);
  SmallVector<Value> at;
  for (unsigned i = 0; i < map.getNumResults(); ++i) {
    unsigned dim = map.getDimPosition(i);
    at.push_back(dim == LshAttentionOp::kBatch  ? batch
                 : dim == LshAttentionOp::kHead ? head
                                                : row.position);
  }
  return at;
}

/// The last round divides by the sum; a query that saw nothing in any round
/// gives its own value, or 0 if keys are not queries. Invalid tokens give 0.
void ChunkEmitter::finishRow(const SoftmaxState &state, int64_t half) {
  const ChunkRow &row = rows[half];
  Value sum = f.rowSum(state.sum[half]), zero = f.f32(0), one = f.f32(1);
  // A NaN sum stays NaN: only a sum that is exactly 0 means an empty row.
  Value isEmpty = arith::CmpFOp::create(f.b, f.loc, arith::CmpFPredicate::OEQ,
                                        sum, zero);
  Value inverse = arith::DivFOp::create(f.b, f.loc, one, sum);
  inverse = f.select(isEmpty, zero, inverse);
  Value factor = f.select(isLast, inverse, one);
  Value column = f.mul(kernel.at.quad, 2);
  SmallVector<Value> results;
  for (const Accumulator &part : state.acc)
    for (int64_t i : {0, 1})
      results.push_back(f.select(
          row.isThere, f.mulf(part[2 * half + i], factor), zero));
  if (!hasOwnKeys()) {
    Value isOwn = f.both(f.both(isEmpty, isLast), row.isThere);
    results = f.ifElse(isOwn, results, [&] {
      SmallVector<Value> own;
      for (size_t i = 0; i < results.size(); ++i)
        own.push_back(f.extend(memref::LoadOp::create(
            f.b, f.loc, values,
            ValueRange{row.position, f.add(column, 8 * (i / 2) + i % 2)})));
      return own;
    });
  }
  Value isStored = f.select(isLast, row.isWritten, row.isThere);
  f.ifThen(isStored, [&] {
    auto pair = VectorType::get({2}, f.b.getF32Type());
    for (size_t i = 0; i < results.size(); i += 2) {
      Value both = vector::FromElementsOp::create(
          f.b, f.loc, pair, ValueRange{results[i], results[i + 1]});
      vector::StoreOp::create(f.b, f.loc, both, output,
                              ValueRange{row.position, f.add(column, 4 * i)},
                              /*nontemporal=*/false, llvm::Align(8));
    }
    Value isOne =
        f.compare(arith::CmpIPredicate::eq, kernel.at.quad, f.index(0));
    f.ifThen(isOne, [&] {
      auto store = [&](Value value, int64_t part) {
        memref::StoreOp::create(
            f.b, f.loc, value, op.getState(),
            ValueRange{f.index(part), batch, head, row.position});
      };
      store(state.max[half], 0);
      store(sum, 1);
      if (!op.getLse())
        return;
      f.ifThen(isLast, [&] {
        Value lse =
            f.mulf(f.addf(state.max[half], f.log2(sum)), f.f32(kLn2));
        Value lowest = f.f32(-kInfinity);
        lse = f.select(row.isThere, f.select(isEmpty, lowest, lse), lowest);
        Type element = getElementTypeOrSelf(op.getLse().getType());
        memref::StoreOp::create(f.b, f.loc, f.truncate(lse, element),
                                op.getLse(), lseAt(row));
      });
    });
  });
}

void ChunkEmitter::finish(const SoftmaxState &state) {
  for (int64_t half = 0; half < 2; ++half)
    finishRow(state, half);
}

void ChunkEmitter::emit() {
  locate();
  describeRows();
  SoftmaxState state = loadState();
  Value isAny = f.less(firstKey, endKey);
  state = state.with(f.ifElse(isAny, state.flatten(),
                              [&] { return emitTiles(state).flatten(); }));
  finish(state);
}

void attn::nvvm::emitLshChunks(OpBuilder &b, LshChunksOp op,
                               F32Products products) {
  ChunkPlan plan(op);
  Location loc = op.getLoc();
  IndexMath math(b, loc);
  auto dim = [&](int64_t position) {
    return b.createOrFold<memref::DimOp>(loc, op.getOrder(), position);
  };
  SmallVector<Value> extents{dim(0), dim(1),
                             math.ceilDiv(dim(3), plan.rows())};
  Value blocks = math.mul(math.mul(extents[0], extents[1]), extents[2]);
  auto launch = [&](Value round) {
    launchBlocks(b, loc, "lsh_chunks", blocks, plan.warps, products,
                 [&](Kernel &kernel, Value number) {
                   SmallVector<Value> block =
                       delinearise(math, number, extents);
                   ChunkEmitter(b, op, kernel, plan, round, block).emit();
                 });
  };
  if (plan.rounds == 1)
    return launch(math.index(0));
  auto loop = scf::ForOp::create(b, loc, math.index(0),
                                 math.index(plan.rounds), math.index(1));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  launch(loop.getInductionVar());
}
