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
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

namespace {
/// Registers of a lane that may hold queries; more stay in shared memory.
constexpr int64_t kQueryRegisters = 32;
/// Bytes of a row up to which 64 keys make a tile, and not 32.
constexpr int64_t kShortRow = 128;
/// Bytes of tokens and of their results that the last cache keeps.
constexpr int64_t kCacheBytes = 32 << 20;
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
  // Fewer keys at once rather than fewer than four warps to bring them.
  constexpr int64_t enoughWarps = 4;
  while (bytes() > kSharedLimit && warps > enoughWarps)
    warps /= 2;
  if (bytes() > kSharedLimit)
    keyTile = 16;
  while (bytes() > kSharedLimit && warps > 1)
    warps /= 2;
  keyStep = std::min<int64_t>(keyTile, valueSize <= 128 ? 32 : 16);
}

ChunkEmitter::ChunkEmitter(OpBuilder &b, LshChunksOp op, Kernel &kernel,
                           const ChunkPlan &plan, Value round, ValueRange block)
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
  keyCount = hasOwnKeys() ? countOf(op.getKeyCount(), dim(op.getKeyOrder(), 3))
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
  begin = f.min(f.max(begin, f.index(0)), keyCount);
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

void ChunkEmitter::describeRows() {
  Value lastToken = f.sub(tokens, f.index(1));
  Value own = f.add(firstRank,
                    f.add(f.mul(kernel.at.warp, FragmentBuilder::fragmentRows),
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
    row.length = f.select(row.isThere, f.sub(end, row.begin), f.i32(0));
    begins.push_back(f.select(row.isThere, row.begin,
                              f.i32(std::numeric_limits<int32_t>::max())));
    ends.push_back(f.select(row.isThere, end, f.i32(0)));
    if (plan.hasCodes && plan.rounds <= kCodeRegisters &&
        !plan.leavesFewRegisters())
      for (int64_t r = 0; r < plan.rounds; ++r) {
        Value code = memref::LoadOp::create(
            f.b, f.loc, op.getCode(),
            ValueRange{batch, head, row.position, f.index(r)});
        row.codes.push_back(f.add(code, f.i32(op.getLookAhead())));
      }
    rows.push_back(std::move(row));
  }
  hullBegin = reduceWarp(f, begins, /*isMax=*/false);
  hullEnd = reduceWarp(f, ends, /*isMax=*/true);
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
    Value position =
        loadIndex(f, op.getOrder(), {batch, head, round, f.min(rank, last)});
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
  stageWords(
      f, f.offset(to, plan.codesAt()), plan.keyTile * plan.rounds,
      [&](Value piece) {
        Value row = f.b.createOrFold<arith::DivUIOp>(f.loc, piece, rounds),
              r = f.b.createOrFold<arith::RemUIOp>(f.loc, piece, rounds);
        return WordOrigin{isThere(row), wordOf(codes, {positionOf(row)}, r)};
      });
}

void ChunkEmitter::stageKeys(Value first, Value to) {
  GlobalRows keyRows(f, keys, 1), valueRows(f, values, 1);
  Value last = f.sub(endKey, f.index(1));
  auto origin = [&](Value row) {
    Value rank = f.add(first, row);
    Value position =
        loadIndex(f, keyOrder(), {batch, head, round, f.min(rank, last)});
    return RowOrigin{f.less(rank, endKey), {position}};
  };
  bool isLoop = plan.leavesFewRegisters();
  stage(f, plan.keys(to), keyRows, origin, isLoop);
  stage(f, plan.values(f.offset(to, plan.valuesAt())), valueRows, origin,
        isLoop);
  stageWordsOfKeys(first, to);
  commitStaging(f);
}

/// All tiles of keys; the next is on its way while one is worked on.
SoftmaxState ChunkEmitter::emitTiles(const SoftmaxState &state) {
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
  return state.with(walkTiles(
      f, firstKey, endKey, plan.keyTile, plan.stageBytes(), state.flatten(),
      [&](Value next, Value base) { stageKeys(next, base); },
      [&](Value first, Value base, ValueRange carried) {
        return emitTile(first, base, state.with(carried)).flatten();
      }));
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

/// Heads whose tokens stay in the last cache from one round to the next.
static Value chooseHeads(IndexMath &math, const ChunkPlan &plan, Value tokens) {
  int64_t tokenBytes =
      plan.headSize * (plan.element.getIntOrFloatBitWidth() / 8) +
      plan.valueSize * (plan.valueElement.getIntOrFloatBitWidth() / 8 + 4);
  Value bytes = math.max(math.mul(tokens, tokenBytes), math.index(1));
  Value fitting = math.b.createOrFold<arith::DivUIOp>(
      math.loc, math.index(kCacheBytes), bytes);
  return math.max(fitting, math.index(1));
}

/// A loop of the host, or nothing where it has one iteration.
static void hostLoop(IndexMath &math, Value end, Value step,
                     function_ref<void(Value)> body) {
  std::optional<int64_t> wholeEnd = getConstantIntValue(end),
                         wholeStep = getConstantIntValue(step);
  Value zero = math.index(0);
  if (wholeEnd && wholeStep && *wholeEnd > 0 && *wholeEnd <= *wholeStep)
    return body(zero);
  auto loop = scf::ForOp::create(math.b, math.loc, zero, end, step);
  OpBuilder::InsertionGuard guard(math.b);
  math.b.setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
}

void attn::nvvm::emitLshChunks(OpBuilder &b, LshChunksOp op,
                               F32Products products) {
  ChunkPlan plan(op);
  Location loc = op.getLoc();
  IndexMath math(b, loc);
  auto dim = [&](int64_t position) {
    return b.createOrFold<memref::DimOp>(loc, op.getOrder(), position);
  };
  Value heads = dim(1), all = math.mul(dim(0), heads), tokens = dim(3);
  Value tiles = math.ceilDiv(tokens, plan.rows());
  Value together = math.index(std::numeric_limits<int32_t>::max());
  if (plan.rounds > 1)
    together = chooseHeads(math, plan, tokens);
  hostLoop(math, all, together, [&](Value first) {
    Value number = math.min(together, math.sub(all, first));
    Value blocks = math.mul(number, tiles);
    hostLoop(math, math.index(plan.rounds), math.index(1), [&](Value round) {
      launchBlocks(
          b, loc, "lsh_chunks", blocks, plan.warps, products,
          [&](Kernel &kernel, Value task) {
            SmallVector<Value> at = delinearise(math, task, {number, tiles});
            Value own = math.add(first, at[0]);
            Value batch = b.createOrFold<arith::DivUIOp>(loc, own, heads),
                  head = b.createOrFold<arith::RemUIOp>(loc, own, heads);
            ChunkEmitter(b, op, kernel, plan, round, {batch, head, at[1]})
                .emit();
          });
    });
  });
}
