//===- LinearAttention.cpp - the products of linear attention -------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits attn.linear_state, attn.linear_output, attn.linear_chunk and
// attn.linear_merge. The state is in memory; what a chunk adds to it is summed
// in registers first.
//
//===----------------------------------------------------------------------===//

#include "LinearStream.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

void LinearEmitter::prepareValues(LinearRows value, Value valid) {
  values = k.scratch(chunk, columns);
  k.forEach({k.index(chunk), k.index(columns)}, [&](ValueRange at) {
    Value x = loadInput(value, at[0], at[1]);
    if (valid)
      x = k.select(isValid(value, valid, at[0]), x, k.f32(0));
    k.store(x, values, at);
  });
  if (!isSoftmax() || featureEps == 0)
    return;
  int64_t first = cast<MemRefType>(reference.getType()).getDimSize(0) - columns;
  k.forEach({k.index(columns)}, [&](ValueRange at) {
    Value place = k.add(at[0], first);
    Value total =
        k.forLoop(k.index(0), value.count, 1, {k.load(reference, {place})},
                  [&](Value row, ValueRange carried) {
                    return SmallVector<Value>{
                        k.addf(carried[0], k.load(values, {row, at[0]}))};
                  })[0];
    k.store(total, reference, {place});
  });
  k.reduceRows(
      k.index(1), value.count, k.f32(0),
      [&](Value, Value row) {
        return k.select(isValid(value, valid, row), k.f32(1), k.f32(0));
      },
      [&](Value x, Value y) { return k.addf(x, y); },
      [&](Value, Value count) {
        SmallVector<Value> at{k.index(2)};
        k.store(k.addf(k.load(reference, at), count), reference, at);
      });
}

void LinearEmitter::emitScores() {
  scores = k.scratch(chunk, chunk);
  ProductTerm term{k.index(padded), elementOf(queryFeatures),
                   [&](Value depth, Value key) {
                     return k.load(keyFeatures, {key, depth});
                   }};
  k.product(k.index(chunk), chunk, {term}, [&](Value row, Value key, Value x) {
    k.store(k.select(k.lessOrEqual(key, row), x, k.f32(0)), scores, {row, key});
  });
  Value zero = k.index(0);
  k.reduceRows(
      k.index(chunk), k.index(chunk), k.f32(0), elementOf(scores),
      [&](Value x, Value y) { return k.addf(x, y); },
      [&](Value row, Value x) {
        SmallVector<Value> at{zero, row};
        k.store(k.addf(k.load(denominators, at), x), denominators, at);
      });
}

void LinearEmitter::emitOutput(LinearRows output, bool isCausal) {
  Value extent = k.index(features), last = k.index(features - 1);
  SmallVector<ProductTerm> terms;
  // Features beyond the last are 0, whatever they meet.
  terms.push_back({k.index(padded), elementOf(queryFeatures),
                   [&](Value feature, Value column) {
                     Value x = k.load(sum, {k.min(feature, last), column});
                     return padded == features
                                ? x
                                : k.select(k.less(feature, extent), x,
                                           k.f32(0));
                   }});
  if (isCausal)
    terms.push_back({k.index(chunk), elementOf(scores), elementOf(values)});
  k.product(k.index(chunk), columns, terms,
            [&](Value row, Value column, Value x) {
              Value isThere = k.both(k.less(row, output.count),
                                     k.less(column, k.index(output.width)));
              k.ifThen(isThere, [&] {
                Value sum = k.load(denominators, {k.index(0), row});
                Value isZero = arith::CmpFOp::create(
                    k.b, k.loc, arith::CmpFPredicate::OEQ, sum, k.f32(0));
                Value ratio = arith::DivFOp::create(k.b, k.loc, x, sum);
                SmallVector<Value> at{row, column};
                if (output.first)
                  at[0] = k.add(output.first, row);
                if (output.row != 0)
                  std::swap(at[0], at[1]);
                k.store(k.select(isZero, k.f32(0), ratio), output.memref, at);
              });
            });
}

void LinearEmitter::emitUpdate() {
  ProductTerm term{k.index(chunk),
                   [&](Value feature, Value key) {
                     return k.load(keyFeatures, {key, feature});
                   },
                   elementOf(values)};
  k.product(k.index(padded), columns, {term},
            [&](Value feature, Value column, Value x) {
              k.ifThen(k.less(feature, k.index(features)), [&] {
                SmallVector<Value> at{feature, column};
                k.store(k.addf(k.load(sum, at), x), sum, at);
              });
            });
  k.forEach({k.index(features)}, [&](ValueRange at) {
    Value total =
        k.forLoop(k.index(0), keyCount, 1, {k.f32(0)},
                  [&](Value row, ValueRange carried) {
                    return SmallVector<Value>{
                        k.addf(carried[0], k.load(keyFeatures, {row, at[0]}))};
                  })[0];
    k.store(k.addf(k.load(norm, at), total), norm, at);
  });
}

namespace {
enum Dim : unsigned { kQuery, kKey, kHeadSize, kValueSize };
} // namespace

void attn::nvvm::emitLinearState(OpBuilder &b, LinearStateOp op,
                                 Kernel &kernel) {
  ArrayAttr maps = op.getIndexingMaps();
  IndexMath math(b, op.getLoc());
  LinearRows key = makeLinearRows(math, op.getKey(), maps[0], kKey, kHeadSize),
             value =
                 makeLinearRows(math, op.getValue(), maps[1], kKey, kValueSize);
  if (canStream(op) && kernel.at.warps == StreamPlan::warps) {
    LinearStream stream(b, op, kernel, getElementTypeOrSelf(op.getKey()));
    stream.key = key, stream.value = value, stream.valid = op.getKeyValid();
    return stream.emit(/*updatesState=*/true);
  }
  LinearEmitter emitter(b, op, kernel);
  emitter.forChunks(key.count, [&](LinearEmitter::TakeFn take) {
    emitter.prepareValues(take(value), op.getKeyValid());
    emitter.emitKeyFeatures(take(key), op.getKeyValid());
    emitter.emitUpdate();
  });
}

void attn::nvvm::emitLinearOutput(OpBuilder &b, LinearOutputOp op,
                                  Kernel &kernel) {
  ArrayAttr maps = op.getIndexingMaps();
  IndexMath math(b, op.getLoc());
  LinearRows query = makeLinearRows(math, op.getQuery(), maps[0], kQuery,
                                    kHeadSize),
             output = makeLinearRows(math, op.getOutput(), maps[1], kQuery,
                                     kValueSize);
  if (canStream(op) && kernel.at.warps == StreamPlan::warps) {
    LinearStream stream(b, op, kernel, getElementTypeOrSelf(op.getQuery()));
    stream.query = query, stream.output = output;
    return stream.emit(/*updatesState=*/false);
  }
  LinearEmitter emitter(b, op, kernel);
  emitter.forChunks(query.count, [&](LinearEmitter::TakeFn take) {
    emitter.emitQueryFeatures(take(query));
    emitter.emitOutput(take(output), /*isCausal=*/false);
  });
}

void attn::nvvm::emitLinearChunk(OpBuilder &b, LinearChunkOp op,
                                 Kernel &kernel) {
  ArrayAttr maps = op.getIndexingMaps();
  IndexMath math(b, op.getLoc());
  LinearRows query = makeLinearRows(math, op.getQuery(), maps[0], kQuery,
                                    kHeadSize),
             key = makeLinearRows(math, op.getKey(), maps[1], kKey, kHeadSize),
             value =
                 makeLinearRows(math, op.getValue(), maps[2], kKey, kValueSize),
             output = makeLinearRows(math, op.getOutput(),
                                     maps[maps.size() - 1], kQuery, kValueSize);
  if (canStream(op) && kernel.at.warps == StreamPlan::warps) {
    LinearStream stream(b, op, kernel, getElementTypeOrSelf(op.getKey()));
    stream.query = query, stream.key = key, stream.value = value;
    stream.output = output, stream.valid = op.getKeyValid();
    return stream.emit(/*updatesState=*/true);
  }
  LinearEmitter emitter(b, op, kernel);
  emitter.forChunks(query.count, [&](LinearEmitter::TakeFn take) {
    emitter.prepareValues(take(value), op.getKeyValid());
    // Queries read the norms of the keys before the chunk, at the reference
    // that its own keys may raise.
    emitter.emitKeyFeatures(take(key), op.getKeyValid());
    emitter.emitQueryFeatures(take(query));
    emitter.emitScores();
    emitter.emitOutput(take(output), /*isCausal=*/true);
    emitter.emitUpdate();
  });
}

namespace {
/// One partial state after another into the state.
class LinearMerger {
public:
  LinearMerger(OpBuilder &b, LinearMergeOp op, Kernel &kernel)
      : k(b, op.getLoc(), kernel), op(op),
        firstValue(cast<MemRefType>(op.getReference().getType()).getDimSize(0) -
                   cast<MemRefType>(op.getSum().getType()).getDimSize(1)) {}

  void emit() {
    if (op.getSoftmax())
      emitReference();
    forState([&](Value state, Value partial, ValueRange at) {
      Value initial = k.load(state, at);
      if (raised)
        initial = k.mulf(initial, lowered);
      Value total = k.forLoop(
          k.index(0), op.getCount(), 1, {initial},
          [&](Value part, ValueRange carried) {
            SmallVector<Value> from{part};
            llvm::append_range(from, at);
            Value own = k.load(partial, from);
            if (raised)
              own = k.mulf(own, k.exp2(k.subf(k.load(op.getPartialReference(),
                                                     {part, k.index(0)}),
                                              raised)));
            return SmallVector<Value>{k.addf(carried[0], own)};
          })[0];
      k.store(total, state, at);
    });
    if (op.getFeatureEps())
      emitEps(op.getFeatureEps()->convertToDouble());
  }

private:
  void forState(function_ref<void(Value, Value, ValueRange)> body) {
    k.forEach(
        {k.dim(op.getSum(), 0), k.dim(op.getSum(), 1)},
        [&](ValueRange at) { body(op.getSum(), op.getPartialSum(), at); });
    k.forEach({k.dim(op.getNorm(), 0)}, [&](ValueRange at) {
      body(op.getNorm(), op.getPartialNorm(), at);
    });
  }

  Value gather(Value at, function_ref<Value(Value, Value)> combine) {
    return k.forLoop(
        k.index(0), op.getCount(), 1, {k.load(op.getReference(), {at})},
        [&](Value part, ValueRange carried) {
          return SmallVector<Value>{combine(
              carried[0], k.load(op.getPartialReference(), {part, at}))};
        })[0];
  }

  /// The largest reference of all; counts and sums of values added up.
  void emitReference() {
    auto larger = [&](Value x, Value y) { return k.maxf(x, y); };
    auto sum = [&](Value x, Value y) { return k.addf(x, y); };
    Value zero = k.index(0), state = op.getReference();
    raised = gather(zero, larger);
    lowered = k.exp2(k.subf(k.load(state, {zero}), raised));
    // All threads have read the old reference.
    k.barrier();
    k.once([&] {
      k.store(raised, state, {zero});
      k.store(gather(k.index(1), larger), state, {k.index(1)});
      k.store(gather(k.index(2), sum), state, {k.index(2)});
    });
    k.forEach({k.dim(op.getSum(), 1)}, [&](ValueRange at) {
      Value place = k.add(at[0], firstValue);
      k.store(gather(place, sum), state, {place});
    });
  }

  /// Every key's features have the epsilon added, as if lowered by the largest
  /// exponent itself.
  void emitEps(double eps) {
    Value state = op.getReference();
    Value power = k.exp2(
        k.subf(k.load(state, {k.index(1)}), k.load(state, {k.index(0)})));
    Value factor = k.mulf(power, k.f32(eps));
    Value count = k.mulf(k.load(state, {k.index(2)}), factor);
    forState([&](Value memref, Value, ValueRange at) {
      Value old = k.load(memref, at);
      if (memref == op.getNorm())
        return k.store(k.addf(old, count), memref, at);
      Value total = k.load(state, {k.add(at.back(), firstValue)});
      k.store(k.fma(total, factor, old), memref, at);
    });
  }

  BlockBuilder k;
  LinearMergeOp op;
  int64_t firstValue;
  Value raised, lowered;
};
} // namespace

void attn::nvvm::emitLinearMerge(OpBuilder &b, LinearMergeOp op,
                                 Kernel &kernel) {
  LinearMerger(b, op, kernel).emit();
}
