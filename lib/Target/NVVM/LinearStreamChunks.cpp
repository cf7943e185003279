//===- LinearStreamChunks.cpp - the walk over chunks ----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A chunk's queries, keys and values come by asynchronous copies. Each begins
// as soon as nobody needs what is in its place: keys once their features are
// made, queries once their output is written. Values are needed to the end of a
// chunk, and have a place for the next if there is room.
//
//===----------------------------------------------------------------------===//

#include "LinearStream.h"
#include "Staging.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

/// Whether the rows have that one, and if asked for, whether it is valid.
Value LinearStream::isThere(const LinearRows &rows, Value row, bool isMasked) {
  Value there = f.less(row, rows.count);
  if (!isMasked || !valid)
    return there;
  Value none = arith::ConstantOp::create(f.b, f.loc, f.b.getBoolAttr(false));
  return f.ifElse(there, none, [&] {
    return SmallVector<Value>{
        memref::LoadOp::create(f.b, f.loc, valid, ValueRange{row})};
  })[0];
}

void LinearStream::stageRows(const LinearRows &source, const SharedTile &tile,
                             Value first, bool isMasked) {
  GlobalRows rows(f, source.memref, source.column);
  if (!isMasked || !valid)
    return stageConsecutive(f, tile, rows, first, source.count);
  auto origin = [&](Value row) {
    Value own = f.add(first, row);
    Value last = f.max(f.index(0), f.sub(source.count, f.index(1)));
    return RowOrigin{isThere(source, own, isMasked), {f.min(own, last)}};
  };
  stage(f, tile, rows, origin, /*isLoop=*/true);
}

/// The rows from `first` on, unless all chunks have been brought. What the
/// operation lacks is not read.
void LinearStream::stageNext(const LinearRows &source, const SharedTile &tile,
                             Value first, Value count, bool isMasked) {
  if (!source.memref)
    return;
  f.ifThen(f.less(first, count), [&] {
    stageRows(source, tile, first, isMasked);
    commitStaging(f);
  });
}

/// Returns where the values of the next chunk are, in bytes behind the first
/// stage, and what lanes keep of the state.
SmallVector<Value> LinearStream::emitChunk(Value first, Value count,
                                           Value valueStage, bool updatesState,
                                           ValueRange held) {
  finishStaging(f);
  f.barrier();
  Value next = f.add(first, StreamPlan::chunk), nextStage = valueStage;
  SharedTile values = rawValues, nextValues = rawValues;
  values.base = f.offset(rawValues.base, valueStage);
  bool isAhead = plan.valueStages() == 2;
  if (isAhead) {
    nextStage = f.sub(f.index(plan.rawBytes(plan.columns)), valueStage);
    nextValues.base = f.offset(rawValues.base, nextStage);
    stageNext(value, nextValues, next, count, /*isMasked=*/true);
  }
  if (key.memref) {
    emitKeyFeatures(first, rawKeys);
    f.barrier();
    stageNext(key, rawKeys, next, count);
  }
  if (query.memref) {
    emitOutput(first, rawQueries, values);
    f.barrier();
    stageNext(query, rawQueries, next, count);
  }
  SmallVector<Value> result{nextStage};
  if (updatesState)
    llvm::append_range(result, emitUpdate(values, held));
  if (!isAhead) {
    f.barrier();
    stageNext(value, nextValues, next, count, /*isMasked=*/true);
  }
  return result;
}

void LinearStream::emit(bool updatesState) {
  bool holds = updatesState && plan.holdsState();
  stateIsRounded = plan.isNarrow() && (holds || !updatesState);
  moveState(/*isLoad=*/true, /*isRounded=*/stateIsRounded && !holds);
  Value count = query.memref ? query.count : key.count, zero = f.index(0);
  stageNext(query, rawQueries, zero, count);
  stageNext(key, rawKeys, zero, count);
  stageNext(value, rawValues, zero, count, /*isMasked=*/true);
  SmallVector<Value> carried{zero};
  if (holds)
    llvm::append_range(carried, takeState());
  carried = f.forLoop(zero, count, StreamPlan::chunk, carried,
                      [&](Value first, ValueRange old) {
                        return emitChunk(first, count, old[0], updatesState,
                                         old.drop_front());
                      });
  f.barrier();
  if (holds)
    giveState(ValueRange(carried).drop_front());
  if (updatesState)
    moveState(/*isLoad=*/false);
}
