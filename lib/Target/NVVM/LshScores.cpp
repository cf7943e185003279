//===- LshScores.cpp - sorted chunks: the scores of a tile of keys --------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scores, what a row sees of them, the rounds that meet each pair, and the step
// of the streaming softmax. All of it stays in registers.
//
//===----------------------------------------------------------------------===//

#include "LshChunks.h"
#include "Numbers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

Value ChunkEmitter::loadPair(const Step &step, int64_t at, int64_t n,
                             Type element) {
  Value pointer = f.offset(f.offset(step.stage, f.mul(kernel.at.quad, 8)),
                           at + 4 * (step.first + 8 * n));
  return LLVM::LoadOp::create(f.b, f.loc, VectorType::get({2}, element),
                              pointer, /*alignment=*/8);
}

Operand ChunkEmitter::leftOperand(int64_t step) {
  if (!query.empty())
    return query[step];
  Value row = f.mul(kernel.at.warp, FragmentBuilder::fragmentRows);
  return f.loadLeft(plan.queries(f.offset(kernel.at.shared, plan.queriesAt())),
                    row, step);
}

/// Keeps loads of later products from registers that accumulators have left.
void ChunkEmitter::holdBack() {
  if (plan.leavesFewRegisters())
    NVVM::SyncWarpOp::create(f.b, f.loc, f.i32(-1));
}

ChunkEmitter::Scores ChunkEmitter::emitScores(const Step &step) {
  Scores scores(plan.keyStep / 8, f.zero());
  SharedTile tile = plan.keys(step.stage);
  int64_t depth = FragmentBuilder::depthOf(plan.element);
  for (int64_t d = 0; d < plan.headSize / depth; ++d) {
    Operand left = leftOperand(d);
    for (int64_t n = 0; n < plan.keyStep / 8; n += 2) {
      SmallVector<Operand> right = f.loadRight(tile, step.first + 8 * n, d);
      for (int64_t part = 0; part < 2; ++part)
        scores[n + part] =
            f.multiply(left, right[part], scores[n + part], plan.element);
    }
    holdBack();
  }
  return scores;
}

/// `key` is a position; the score and the result are not in units of log2.
Value ChunkEmitter::modify(Value score, const ChunkRow &row, Value key) {
  Block &block = op.getScoreMod().front();
  IRMapping mapping;
  mapping.map(block.getArguments().take_front(5),
              ValueRange{score, batch, head, row.position, key});
  for (Operation &one : block.without_terminator())
    f.b.clone(one, mapping);
  return mapping.lookupOrDefault(block.getTerminator()->getOperand(0));
}

/// Scores in units of log2; -inf where a row does not see a key.
void ChunkEmitter::restrict(const Step &step, Scores &scores) {
  bool hasMod = !op.getScoreMod().empty();
  Value scale = f.f32(op.getScale().convertToDouble() * (hasMod ? 1 : kLog2E));
  Value firstKey = f.add(step.rank, f.toI32(f.mul(kernel.at.quad, 2)));
  Type i32 = f.b.getI32Type(), index = f.b.getIndexType();
  for (auto [n, part] : llvm::enumerate(scores)) {
    Value units, positions;
    if (plan.hasUnits)
      units = loadPair(step, plan.unitsAt(), n, f.b.getF32Type());
    if (plan.hasPositions)
      positions = loadPair(step, plan.positionsAt(), n, i32);
    for (int64_t i = 0; i < 4; ++i) {
      const ChunkRow &row = rows[i / 2];
      auto extract = [&](Value pair) -> Value {
        return LLVM::ExtractElementOp::create(f.b, f.loc, pair, f.i32(i % 2));
      };
      Value factor = units ? f.mulf(extract(units), scale) : scale;
      Value score = f.mulf(part[i], factor);
      Value position = positions ? extract(positions) : Value();
      if (hasMod) {
        Value key = arith::IndexCastOp::create(f.b, f.loc, index, position);
        score = f.mulf(modify(score, row, key), f.f32(kLog2E));
      }
      Value key = f.add(firstKey, f.i32(8 * n + i % 2));
      Value isSeen = f.compare(arith::CmpIPredicate::ult, f.sub(key, row.begin),
                               row.length);
      if (comparesPositions()) {
        Value own = f.toI32(row.position);
        isSeen = f.both(isSeen, hasOwnKeys() ? f.lessOrEqual(position, own)
                                             : f.less(position, own));
      } else if (!hasOwnKeys() && !op.getCausal()) {
        isSeen =
            f.both(isSeen, f.compare(arith::CmpIPredicate::ne, key, row.rank));
      }
      part[i] = f.select(isSeen, score, f.f32(-kInfinity));
    }
  }
}

/// `counts` plus 1 where a round, whose codes of the two rows are given, meets
/// a pair. The counts of a fragment are the bytes of an i32.
SmallVector<Value> ChunkEmitter::countRound(const Step &step, Value number,
                                            ArrayRef<Value> codes,
                                            ValueRange counts) {
  SmallVector<Value> next;
  Value pointer =
      f.offset(step.stage, f.mul(f.mul(kernel.at.quad, 2), 4 * plan.rounds));
  pointer = f.offset(pointer, f.mul(number, 4));
  Value window = f.i32(op.getLookBack() + op.getLookAhead() + 1);
  for (int64_t n = 0; n < plan.keyStep / 8; ++n) {
    SmallVector<Value> keyCodes;
    for (int64_t i = 0; i < 2; ++i)
      keyCodes.push_back(f.loadShared(
          f.offset(pointer,
                   plan.codesAt() + 4 * plan.rounds * (step.first + 8 * n + i)),
          f.b.getI32Type()));
    Value sum = counts[n];
    for (int64_t i = 0; i < 4; ++i) {
      Value isMet = f.compare(arith::CmpIPredicate::ult,
                              f.sub(codes[i / 2], keyCodes[i % 2]), window);
      sum = f.add(sum, f.select(isMet, f.i32(int64_t(1) << (8 * i)), f.i32(0)));
    }
    next.push_back(sum);
  }
  return next;
}

/// How many rounds meet each pair, where some does.
SmallVector<Value> ChunkEmitter::countRounds(const Step &step) {
  SmallVector<Value> counts(plan.keyStep / 8, f.i32(0));
  if (!rows.front().codes.empty()) {
    for (int64_t r = 0; r < plan.rounds; ++r)
      counts = countRound(step, f.index(r),
                          {rows[0].codes[r], rows[1].codes[r]}, counts);
    return counts;
  }
  return f.forLoop(f.index(0), f.index(plan.rounds), 1, counts,
                   [&](Value number, ValueRange old) {
                     SmallVector<Value> codes;
                     for (const ChunkRow &row : rows) {
                       Value code = memref::LoadOp::create(
                           f.b, f.loc, op.getCode(),
                           ValueRange{batch, head, row.position, number});
                       codes.push_back(f.add(code, f.i32(op.getLookAhead())));
                     }
                     return countRound(step, number, codes, old);
                   });
}

/// A row of the lane: maximum, probabilities in place of scores, sum, and the
/// accumulator lowered to the new maximum.
void ChunkEmitter::updateRow(Scores &scores, ArrayRef<Value> counts,
                             SoftmaxState &state, int64_t half) {
  int64_t first = 2 * half;
  Value largest = scores[0][first];
  for (Accumulator &part : scores)
    largest = f.maxf(f.maxf(largest, part[first]), part[first + 1]);
  Value max = f.maxf(state.max[half], f.rowMax(largest));
  // Nothing seen so far: every difference is to be -inf and not NaN.
  Value subtrahend = f.maxf(max, f.f32(-std::numeric_limits<float>::max()));
  Value lowered = f.exp2(f.subf(state.max[half], subtrahend)), sum = f.f32(0);
  for (auto [n, part] : llvm::enumerate(scores))
    for (int64_t i : {first, first + 1}) {
      part[i] = f.exp2(f.subf(part[i], subtrahend));
      if (!counts.empty()) {
        // Pairs that no round meets are masked; their count must not be 0.
        Value count =
            arith::ShRUIOp::create(f.b, f.loc, counts[n], f.i32(8 * i));
        count = arith::AndIOp::create(f.b, f.loc, count, f.i32(255));
        count = f.max(count, f.i32(1));
        Value real =
            arith::UIToFPOp::create(f.b, f.loc, f.b.getF32Type(), count);
        Value inverse = LLVM::CallIntrinsicOp::create(
                            f.b, f.loc, f.b.getF32Type(),
                            f.b.getStringAttr("llvm.nvvm.rcp.approx.ftz.f"),
                            ValueRange{real})
                            .getResult(0);
        part[i] = f.mulf(part[i], inverse);
      }
      sum = f.addf(sum, part[i]);
    }
  state.max[half] = max;
  state.sum[half] = f.fma(state.sum[half], lowered, sum);
  for (Accumulator &part : state.acc)
    for (int64_t i : {first, first + 1})
      part[i] = f.mulf(part[i], lowered);
}

void ChunkEmitter::emitValues(const Step &step, Scores &scores,
                              SoftmaxState &state) {
  SharedTile tile = plan.values(f.offset(step.stage, plan.valuesAt()));
  int64_t perStep = FragmentBuilder::depthOf(plan.valueElement) / 8;
  for (int64_t n = 0; n < plan.keyStep / 8; n += perStep) {
    Operand left =
        f.toLeft(ArrayRef(scores).slice(n, perStep), plan.valueElement);
    for (int64_t e = 0; e < plan.valueSize / 8; e += 2) {
      SmallVector<Operand> right =
          f.loadRightByRows(tile, step.first + 8 * n, 8 * e);
      for (int64_t part = 0; part < 2; ++part)
        state.acc[e + part] = f.multiply(left, right[part], state.acc[e + part],
                                         plan.valueElement);
      holdBack();
    }
  }
}

SoftmaxState ChunkEmitter::emitStep(const Step &step, SoftmaxState state) {
  Scores scores = emitScores(step);
  restrict(step, scores);
  SmallVector<Value> counts;
  if (plan.hasCodes)
    counts = countRounds(step);
  for (int64_t half = 0; half < 2; ++half)
    updateRow(scores, counts, state, half);
  emitValues(step, scores, state);
  return state;
}

/// A step of which no row of the warp sees anything is skipped.
SoftmaxState ChunkEmitter::emitTile(Value first, Value stage,
                                    const SoftmaxState &state) {
  SoftmaxState next = state;
  for (int64_t at = 0; at < plan.keyTile; at += plan.keyStep) {
    Step step{stage, at, f.add(f.toI32(first), f.i32(at))};
    Value end = f.add(step.rank, f.i32(plan.keyStep));
    Value sees = f.both(f.less(step.rank, hullEnd), f.less(hullBegin, end));
    SoftmaxState before = next;
    next = state.with(f.ifElse(sees, before.flatten(), [&] {
      return emitStep(step, before).flatten();
    }));
  }
  return next;
}
