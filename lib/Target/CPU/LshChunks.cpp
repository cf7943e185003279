//===- LshChunks.cpp - sorted chunks: tasks and packed keys ---------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The window of keys slides over the order: every chunk is gathered and packed
// once a round, and moves on by a copy in cache. A round offers every token
// once, so that its chunks are independent.
//
//===----------------------------------------------------------------------===//

#include "LshChunks.h"

#include "attn/Target/CPU/Kernels.h"

#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

namespace {
/// Bytes of a head's tokens beyond which threads share a head, so that they
/// share its part of the last cache too.
constexpr int64_t kLargeHead = 6 << 20;
/// Heads below which there are too few of them to be tasks.
constexpr int64_t kFewHeads = 8;
/// Chunks of a task, and tasks of a round, when threads share a head.
constexpr int64_t kTaskChunks = 16, kMaxTasks = 64;
/// Queries of a strip.
constexpr int64_t kStripRows = 8;
} // namespace

LshChunksEmitter::LshChunksEmitter(KernelBuilder &k, LshChunksOp op,
                                   const CpuTarget &target)
    : k(k), op(op), x{op.getX(), op.getMap(0)},
      key(op.getKey() ? TokenView{op.getKey(), op.getKeyMap()} : x),
      value{op.getValue(), op.getMap(1)}, output{op.getOutput(), op.getMap(2)},
      element(cast<MemRefType>(op.getX().getType()).getElementType()),
      lanes(target.lanes(element.getIntOrFloatBitWidth())),
      chunk(op.getChunk()), keyChunk(op.getKeyChunk().value_or(chunk)),
      back(op.getLookBack()), ahead(op.getLookAhead()) {
  width = (1 + back + ahead) * keyChunk;
  headSize = cast<MemRefType>(op.getX().getType()).getShape().back();
  valueSize = cast<MemRefType>(op.getValue().getType()).getShape().back();
  rounds = cast<MemRefType>(op.getOrder().getType()).getDimSize(2);
  vectorType = k.vectorOf(lanes, element);
  idType = VectorType::get({lanes}, k.b.getI32Type());
  if (op.getCode())
    codeType = VectorType::get(
        {lanes}, cast<MemRefType>(op.getCode().getType()).getElementType());
}

/// Every row moves to the left by a chunk.
void LshChunksEmitter::shiftWindow() {
  auto shiftRow = [&](VectorType type, Value memref, SmallVector<Value> at) {
    k.forLoop(k.index(0), k.index(width - keyChunk), lanes, [&](Value column) {
      SmallVector<Value> from(at), to(at);
      from.push_back(k.add(column, keyChunk));
      to.push_back(column);
      k.store(k.load(type, memref, from), memref, to);
    });
  };
  k.forLoop(k.index(0), k.index(headSize), 1,
            [&](Value d) { shiftRow(vectorType, keys, {d}); });
  if (positions)
    shiftRow(idType, positions, {});
  if (codes)
    k.forLoop(k.index(0), k.index(rounds), 1,
              [&](Value r) { shiftRow(codeType, codes, {r}); });
}

/// Columns that no key was packed into are multiplied, too, and their products
/// left out. What scratch memory held before may be integers, which read as
/// denormal numbers and cost some processors a hundred cycles each.
void LshChunksEmitter::clearKeys(int64_t columns) {
  Value none = k.constant(vectorType, 0);
  k.forLoop(k.index(0), k.index(headSize), 1, [&](Value d) {
    k.forLoop(k.index(0), k.index(columns), lanes,
              [&](Value column) { k.store(none, keys, {d, column}); });
  });
}

/// As many keys as a vector has lanes become columns.
void LshChunksEmitter::packKeys(ArrayRef<Value> tokensOf, Value column) {
  SmallVector<Value> units;
  for (Value token : tokensOf)
    if (!hasOwnKeys())
      units.push_back(
          k.broadcast(vectorType, k.load(op.getUnit(), rowAt(token))));
  k.forLoop(k.index(0), k.index(headSize), lanes, [&](Value d) {
    SmallVector<Value> square;
    for (auto [lane, token] : llvm::enumerate(tokensOf)) {
      Value part =
          k.load(vectorType, key.memref, key.at(batch, head, token, d));
      square.push_back(hasOwnKeys() ? part : k.mulf(units[lane], part));
    }
    emitTranspose(k, square);
    for (auto [row, vector] : llvm::enumerate(square))
      k.store(vector, keys, {k.add(d, row), column});
  });
  Value code = hasOwnKeys() ? op.getKeyCode() : op.getCode();
  for (auto [lane, token] : llvm::enumerate(tokensOf)) {
    if (positions)
      k.store(toInteger(k, token), positions, {k.add(column, lane)});
    if (codes)
      for (int64_t r = 0; r < rounds; ++r)
        k.store(k.load(code, {batch, head, token, k.index(r)}), codes,
                {k.index(r), k.add(column, lane)});
  }
}

/// The keys of a chunk become the last columns of the window.
void LshChunksEmitter::packChunk(Value number) {
  Value first = k.mul(number, keyChunk),
        end = k.min(k.add(first, keyChunk), keyCount);
  Value last = k.sub(end, k.index(1));
  k.forLoop(first, end, lanes, [&](Value rank) {
    SmallVector<Value> tokensOf;
    for (int64_t lane = 0; lane < lanes; ++lane)
      tokensOf.push_back(keyAt(k.min(k.add(rank, lane), last)));
    packKeys(tokensOf, k.add(k.sub(rank, first), width - keyChunk));
  });
}

void LshChunksEmitter::emitChunk(Value number) {
  Value first = k.mul(number, chunk), end = k.min(k.add(first, chunk), count);
  Value whole = k.add(first, k.alignDown(k.sub(end, first), kStripRows));
  k.forLoop(first, whole, kStripRows,
            [&](Value rank) { emitStrip(kStripRows, rank, number); });
  k.forLoop(whole, end, 1, [&](Value rank) { emitStrip(1, rank, number); });
}

/// Tokens that are not valid are the last of every order; their output is 0.
void LshChunksEmitter::emitInvalid(Value firstChunk, Value endChunk) {
  Value begin = k.max(count, k.mul(firstChunk, chunk)),
        end = k.min(tokens, k.mul(endChunk, chunk));
  k.forLoop(begin, end, 1, [&](Value rank) {
    Value position = positionAt(rank), zero = k.constant(vectorType, 0);
    for (int64_t e = 0; e < valueSize; e += lanes)
      k.store(zero, output.memref,
              output.at(batch, head, position, k.index(e)));
    if (op.getLse())
      k.store(k.constant(element, -std::numeric_limits<double>::infinity()),
              op.getLse(),
              TokenView{op.getLse(), op.getMap(3)}.at(batch, head, position));
  });
}

/// A round of the chunks [firstChunk, endChunk).
void LshChunksEmitter::emitRange(Value firstChunk, Value endChunk) {
  Value begin = k.sub(firstChunk, k.index(back + ahead));
  Value end = k.min(endChunk, k.ceilDiv(count, chunk));
  k.forLoop(begin, end, 1, [&](Value number) {
    if (back + ahead > 0)
      shiftWindow();
    Value packed = k.add(number, ahead);
    k.ifThen(k.less(k.index(-1), packed), [&] { packChunk(packed); });
    k.ifThen(k.less(k.sub(firstChunk, k.index(1)), number),
             [&] { emitChunk(number); });
  });
  if (op.getCount())
    k.ifThen(isLast, [&] { emitInvalid(firstChunk, endChunk); });
}

/// Keys that are valid.
Value LshChunksEmitter::countKeys() {
  if (!hasOwnKeys())
    return count;
  if (op.getKeyCount())
    return toIndex(k, k.load(op.getKeyCount(), {batch}));
  return k.dim(op.getKeyOrder(), 3);
}

void LshChunksEmitter::emit() {
  // lint(function-length): the order of loops that decides what threads share.
  tokens = k.dim(op.getOrder(), 3);
  Value heads = k.dim(op.getOrder(), 1),
        all = k.mul(heads, k.dim(op.getOrder(), 0));
  Value chunks = k.ceilDiv(tokens, chunk), one = k.index(1),
        numRounds = k.index(rounds);
  int64_t tokenBytes =
      (headSize + 2 * valueSize) * (element.getIntOrFloatBitWidth() / 8);
  Value isLarge = k.less(k.index(kLargeHead / tokenBytes), tokens);
  Value areFew = k.less(all, k.index(kFewHeads));
  Value tasks = k.select(
      arith::OrIOp::create(k.b, k.loc, isLarge, areFew),
      k.max(one, k.min(k.index(kMaxTasks), k.ceilDiv(chunks, kTaskChunks))),
      one);
  Value isShared = k.less(one, tasks);
  Value together = k.select(isShared, one, all),
        roundStep = k.select(isShared, one, numRounds);
  k.forLoop(k.index(0), all, together, [&](Value firstHead) {
    k.forLoop(k.index(0), numRounds, roundStep, [&](Value firstRound) {
      parallelLoop(k, {together, tasks}, [&](ValueRange ids) {
        Value number = k.add(firstHead, ids[0]);
        batch = k.b.createOrFold<arith::DivUIOp>(k.loc, number, heads);
        head = k.b.createOrFold<arith::RemUIOp>(k.loc, number, heads);
        auto part = [&](Value id) {
          return k.b.createOrFold<arith::DivUIOp>(k.loc, k.mul(id, chunks),
                                                  tasks);
        };
        Value firstChunk = part(ids[1]), endChunk = part(k.add(ids[1], 1));
        // A row that is no power of two, so that rows do not share cache sets.
        int64_t row = llvm::alignTo(width, lanes) + 3 * lanes;
        keys = k.scratch({headSize, row}, element);
        queries = k.scratch({kStripRows, headSize}, element);
        scores = k.scratch({kStripRows, row}, element);
        factors = k.scratch({kStripRows}, element);
        finals = k.scratch({kStripRows}, element);
        positions =
            needsPositions() ? k.scratch({row}, k.b.getI32Type()) : Value();
        codes = op.getCode()
                    ? k.scratch({rounds, row}, codeType.getElementType())
                    : Value();
        count =
            op.getCount() ? toIndex(k, k.load(op.getCount(), {batch})) : tokens;
        keyCount = countKeys();
        clearKeys(row);
        k.forLoop(firstRound, k.min(numRounds, k.add(firstRound, roundStep)), 1,
                  [&](Value number) {
                    round = number;
                    isFirst = k.less(number, one);
                    isLast = k.less(k.index(rounds - 2), number);
                    emitRange(firstChunk, endChunk);
                  });
      });
    });
  });
}

void attn::cpu::emitLshChunks(KernelBuilder &k, LshChunksOp op,
                              const CpuTarget &target) {
  LshChunksEmitter(k, op, target).emit();
}
