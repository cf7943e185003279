//===- LinearKernel.cpp - the products of linear attention ----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits attn.linear_state, attn.linear_output and attn.linear_chunk. Features
// of keys are read as the transposed factor of the state's product by
// broadcasts, which costs nothing, so only the scores within a causal chunk
// need a transposed copy. What a chunk adds and what the state holds meet in
// one set of accumulators, which the denominator divides on the way out.
//
//===----------------------------------------------------------------------===//

#include "LinearKernel.h"

#include "attn/Target/CPU/Kernels.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

/// Strips of register tiles over the first `rows` of at most `limit` rows; the
/// last strip may be lower, and rows beyond `rows` in a strip are computed.
void LinearKernel::forStrips(Value rows, int64_t limit,
                             function_ref<void(Value, int64_t)> body) {
  int64_t whole = limit / stripRowsMax * stripRowsMax;
  if (whole > 0)
    k.forLoop(k.index(0), k.min(rows, k.index(whole)), stripRowsMax,
              [&](Value row) { body(row, stripRowsMax); });
  if (whole < limit)
    k.ifThen(k.less(k.index(whole), rows),
             [&] { body(k.index(whole), limit - whole); });
}

/// Register tiles across `width` columns, a multiple of the lanes.
void LinearKernel::forColumns(int64_t width,
                              function_ref<void(Value, int64_t)> body) {
  int64_t whole = width / panel * panel;
  if (whole > 0)
    k.forLoop(k.index(0), k.index(whole), panel,
              [&](Value column) { body(column, panel / lanes); });
  if (whole < width)
    body(k.index(whole), (width - whole) / lanes);
}

/// sum over the keys of their values, and how many there are.
void LinearKernel::sumValues(RowTile value, Value valid) {
  int64_t first = cast<MemRefType>(reference.getType()).getDimSize(0) - columns;
  for (int64_t column = 0; column < columns; column += lanes) {
    Value at = k.index(first + column);
    Value total =
        k.forLoop(k.index(0), value.rows, 1, {k.load(vector, reference, {at})},
                  [&](Value row, ValueRange carried) {
                    Value read =
                        k.load(vector, values.memref, {row, k.index(column)});
                    return SmallVector<Value>{k.addf(carried[0], read)};
                  })[0];
    k.store(total, reference, {at});
  }
  Value one = k.constant(element, 1), none = k.constant(element, 0);
  Value count =
      k.forLoop(k.index(0), value.rows, 1, {k.load(reference, {k.index(2)})},
                [&](Value row, ValueRange carried) {
                  Value own =
                      valid ? k.select(k.load(valid, {row}), one, none) : one;
                  return SmallVector<Value>{k.addf(carried[0], own)};
                })[0];
  k.store(count, reference, {k.index(2)});
}

void LinearKernel::prepareValues(RowTile value, Value valid) {
  values = value;
  bool isInPlace = value.isRowMajor() && !valid &&
                   value.type().getElementType() == element &&
                   value.width() == columns;
  if (!isInPlace) {
    values.memref = copyRows(value, valid, columns, 1);
    values.map = AffineMap::get(
        4, 0,
        {k.b.getAffineDimExpr(value.row), k.b.getAffineDimExpr(value.column)},
        k.b.getContext());
  }
  if (isSoftmax() && featureEps != 0)
    sumValues(value, valid);
}

void LinearKernel::emitUpdate() {
  Value zero = k.index(0), none = k.constant(vector, 0);
  forColumns(columns, [&](Value column, int64_t vectors) {
    forStrips(k.index(features), features, [&](Value row, int64_t stripRows) {
      // From zero: a long sum is one of chunks and not of keys.
      SmallVector<Value> added =
          emitProduct(k, {stripRows, vectors, lanes},
                      {keyFeatures, {zero, row}, /*isTransposed=*/true},
                      {values.memref, {zero, column}}, {zero, keyCount},
                      SmallVector<Value>(stripRows * vectors, none));
      for (int64_t r = 0; r < stripRows; ++r)
        for (int64_t v = 0; v < vectors; ++v) {
          SmallVector<Value> at{k.add(row, r), k.add(column, v * lanes)};
          k.store(k.addf(k.load(vector, sum, at), added[r * vectors + v]), sum,
                  at);
        }
    });
  });
}

void LinearKernel::addNorms(Value norms) {
  int64_t width = cast<MemRefType>(norm.getType()).getDimSize(0);
  k.forLoop(k.index(0), k.index(width), lanes, [&](Value column) {
    k.store(
        k.addf(k.load(vector, norm, {column}), k.load(vector, norms, {column})),
        norm, {column});
  });
}

void LinearKernel::emitTransposedKeys() {
  int64_t width = llvm::alignTo(chunk, panel);
  // Wide rows of a power of two would fall into few cache sets.
  int64_t padded = features > 64 ? width + lanes : width;
  transposed = k.scratch(
      {static_cast<int64_t>(llvm::alignTo(features, lanes)), padded}, element);
  k.forLoop(k.index(0), keyCount, lanes, [&](Value position) {
    k.forLoop(k.index(0), k.index(features), lanes, [&](Value feature) {
      SmallVector<Value> square;
      for (int64_t r = 0; r < lanes; ++r)
        square.push_back(
            k.load(vector, keyFeatures, {k.add(position, r), feature}));
      emitTranspose(k, square);
      for (int64_t r = 0; r < lanes; ++r)
        k.store(square[r], transposed, {k.add(feature, r), position});
    });
  });
}

/// Products of a strip of queries with the chunk's keys up to `depth`, the
/// upper triangle zero, and their sums added to the denominators.
void LinearKernel::emitScores(Value row, int64_t stripRows, Value depth) {
  Value zero = k.index(0), none = k.constant(vector, 0);
  k.forLoop(zero, depth, panel, [&](Value column) {
    emitMicroKernel(k, {stripRows, panel / lanes, lanes},
                    {queryFeatures, {row, zero}}, {transposed, {zero, column}},
                    {scores, {zero, column}}, {zero, k.index(features)},
                    /*accumulate=*/false);
  });
  k.forLoop(zero, k.index(stripRows), 1, [&](Value local) {
    Value own = k.add(row, local);
    Value seen = k.min(k.add(own, 1), keyCount),
          whole = k.alignDown(seen, lanes);
    Value total = k.forLoop(
        zero, whole, lanes, {none}, [&](Value column, ValueRange carried) {
          Value score = k.load(vector, scores, {local, column});
          return SmallVector<Value>{k.addf(carried[0], score)};
        })[0];
    total = k.forLoop(
        whole, depth, lanes, {total}, [&](Value column, ValueRange carried) {
          Value score = k.select(k.maskBelow(lanes, k.sub(seen, column)),
                                 k.load(vector, scores, {local, column}), none);
          k.store(score, scores, {local, column});
          return SmallVector<Value>{k.addf(carried[0], score)};
        })[0];
    k.store(k.addf(k.load(denominators, {own}), k.reduceAdd(total)),
            denominators, {own});
  });
}

/// One row of output from scratch: narrower types, and other layouts.
void LinearKernel::storeRow(RowTile output, Value row, Value scratchRow,
                            Value column, int64_t count) {
  MemRefType type = output.type();
  Value value = k.load(vector, staging, {scratchRow, column});
  if (type.getElementTypeBitWidth() < element.getIntOrFloatBitWidth())
    value = arith::TruncFOp::create(
        k.b, k.loc, k.vectorOf(lanes, type.getElementType()), value);
  if (!output.isRowMajor()) {
    for (int64_t lane = 0; lane < count; ++lane)
      k.store(vector::ExtractOp::create(k.b, k.loc, value, lane), output.memref,
              output.at(row, k.add(column, lane)));
  } else if (count == lanes) {
    k.store(value, output.memref, output.at(row, column));
  } else {
    vector::MaskedStoreOp::create(k.b, k.loc, output.memref,
                                  output.at(row, column),
                                  k.maskBelow(lanes, k.index(count)), value);
  }
}

void LinearKernel::storeStrip(RowTile output, Value row, int64_t stripRows,
                              Value column, int64_t vectors,
                              ValueRange accumulators) {
  SmallVector<Value> scaled;
  Value zero = k.constant(element, 0);
  for (int64_t r = 0; r < stripRows; ++r) {
    Value sum = k.load(denominators, {k.add(row, r)});
    Value isZero =
        arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OEQ, sum, zero);
    Value factor = k.broadcast(
        vector, k.select(isZero, zero, k.divf(k.constant(element, 1), sum)));
    for (int64_t v = 0; v < vectors; ++v)
      scaled.push_back(k.mulf(accumulators[r * vectors + v], factor));
  }
  auto store = [&](Value memref, Value firstRow) {
    for (int64_t r = 0; r < stripRows; ++r)
      for (int64_t v = 0; v < vectors; ++v)
        k.store(scaled[r * vectors + v], memref,
                {k.add(firstRow, r), k.add(column, v * lanes)});
  };
  auto copy = [&] {
    store(staging, k.index(0));
    Value count = k.min(k.index(stripRows), k.sub(queryCount, row));
    k.forLoop(k.index(0), count, 1, [&](Value local) {
      for (int64_t v = 0; v < vectors; ++v) {
        // Column tiles are whole but for the last, whose column is constant.
        int64_t first = getConstantIntValue(column).value_or(0) + v * lanes;
        int64_t left =
            getConstantIntValue(column) ? output.width() - first : lanes;
        if (left > 0)
          storeRow(output, k.add(row, local), local, k.add(column, v * lanes),
                   std::min(left, lanes));
      }
    });
  };
  bool isDirect = output.isRowMajor() &&
                  output.type().getElementType() == element &&
                  output.width() == columns;
  if (!isDirect)
    return copy();
  Value isWhole = arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::sle,
                                        k.add(row, stripRows), queryCount);
  auto branch = scf::IfOp::create(k.b, k.loc, isWhole, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(k.b);
  k.b.setInsertionPointToStart(branch.thenBlock());
  store(output.memref, row);
  k.b.setInsertionPointToStart(branch.elseBlock());
  copy();
}

void LinearKernel::emitStrip(RowTile output, Value row, int64_t stripRows,
                             bool isCausal) {
  Value zero = k.index(0), depth;
  if (isCausal) {
    depth = k.min(k.add(row, stripRows), keyCount);
    emitScores(row, stripRows, depth);
  }
  auto tile = [&](Value column, int64_t vectors) {
    MicroKernelShape shape{stripRows, vectors, lanes};
    SmallVector<Value> accumulators(stripRows * vectors, k.constant(vector, 0));
    accumulators = emitProduct(k, shape, {queryFeatures, {row, zero}},
                               {sum, {zero, column}}, {zero, k.index(features)},
                               accumulators);
    if (isCausal)
      accumulators = emitProduct(k, shape, {scores, {zero, zero}},
                                 {values.memref, {zero, column}}, {zero, depth},
                                 accumulators);
    storeStrip(output, row, stripRows, column, vectors, accumulators);
  };
  // The last panel is apart if it is not full, so that its column is constant.
  int64_t whole = output.width() / panel * panel;
  if (whole > 0)
    k.forLoop(zero, k.index(whole), panel,
              [&](Value column) { tile(column, panel / lanes); });
  if (whole < columns)
    tile(k.index(whole), (columns - whole) / lanes);
}

void LinearKernel::emitOutput(RowTile output, bool isCausal) {
  staging = k.scratch({stripRowsMax, columns}, element);
  if (isCausal)
    scores = k.scratch(
        {stripRowsMax, static_cast<int64_t>(llvm::alignTo(chunk, panel))},
        element);
  forStrips(queryCount, chunk, [&](Value row, int64_t stripRows) {
    emitStrip(output, row, stripRows, isCausal);
  });
}

namespace {
enum Dim : unsigned { kQuery, kKey, kHeadSize, kValueSize };

RowTile makeTile(KernelBuilder &k, Value memref, Attribute map, unsigned row,
                 unsigned column) {
  RowTile tile{memref, cast<AffineMapAttr>(map).getValue(), row, column, {}};
  tile.rows =
      k.dim(memref, *tile.map.getResultPosition(k.b.getAffineDimExpr(row)));
  return tile;
}
} // namespace

void attn::cpu::emitLinearState(KernelBuilder &k, LinearStateOp op,
                                const CpuTarget &target) {
  ArrayAttr maps = op.getIndexingMaps();
  LinearKernel kernel(k, op, target);
  kernel.prepareValues(makeTile(k, op.getValue(), maps[1], kKey, kValueSize),
                       op.getKeyValid());
  kernel.emitKeyFeatures(makeTile(k, op.getKey(), maps[0], kKey, kHeadSize),
                         op.getKeyValid(), op.getNorm());
  kernel.emitUpdate();
}

void attn::cpu::emitLinearOutput(KernelBuilder &k, LinearOutputOp op,
                                 const CpuTarget &target) {
  ArrayAttr maps = op.getIndexingMaps();
  LinearKernel kernel(k, op, target);
  RowTile output = makeTile(k, op.getOutput(), maps[1], kQuery, kValueSize);
  kernel.emitQueryFeatures(
      makeTile(k, op.getQuery(), maps[0], kQuery, kHeadSize), output);
  kernel.emitOutput(output, /*isCausal=*/false);
}

void attn::cpu::emitLinearChunk(KernelBuilder &k, LinearChunkOp op,
                                const CpuTarget &target) {
  ArrayAttr maps = op.getIndexingMaps();
  LinearKernel kernel(k, op, target);
  RowTile output =
      makeTile(k, op.getOutput(), maps[maps.size() - 1], kQuery, kValueSize);
  kernel.prepareValues(makeTile(k, op.getValue(), maps[2], kKey, kValueSize),
                       op.getKeyValid());
  // Queries read the norms of the keys before the chunk, at the reference that
  // its own keys may raise.
  Value norms = kernel.allocateNorms();
  auto type = cast<MemRefType>(norms.getType());
  int64_t lanes = target.lanes(type.getElementTypeBitWidth());
  auto vector = k.vectorOf(lanes, type.getElementType());
  k.forLoop(k.index(0), k.index(type.getDimSize(0)), lanes, [&](Value column) {
    k.store(k.constant(vector, 0), norms, {column});
  });
  kernel.emitKeyFeatures(makeTile(k, op.getKey(), maps[1], kKey, kHeadSize),
                         op.getKeyValid(), norms);
  kernel.emitTransposedKeys();
  kernel.emitQueryFeatures(
      makeTile(k, op.getQuery(), maps[0], kQuery, kHeadSize), output);
  kernel.emitOutput(output, /*isCausal=*/true);
  kernel.emitUpdate();
  kernel.addNorms(norms);
}

namespace {
/// One partial state after another into the state.
class LinearMerger {
public:
  LinearMerger(KernelBuilder &k, LinearMergeOp op, const CpuTarget &target)
      : k(k), op(op), sum(cast<MemRefType>(op.getSum().getType())),
        element(sum.getElementType()),
        lanes(target.lanes(element.getIntOrFloatBitWidth())),
        vector(k.vectorOf(lanes, element)),
        width(cast<MemRefType>(op.getNorm().getType()).getDimSize(0)),
        firstValue(cast<MemRefType>(op.getReference().getType()).getDimSize(0) -
                   sum.getDimSize(1)) {}

  void emit() {
    Value one = k.constant(element, 1), own = one;
    Value raised = op.getSoftmax() ? emitReference() : Value();
    if (raised) {
      own = k.exp2(k.subf(k.load(op.getReference(), {k.index(0)}), raised));
      forVectors([&](Value memref, ValueRange at) {
        k.store(k.mulf(k.load(vector, memref, at), k.broadcast(vector, own)),
                memref, at);
      });
      k.store(raised, op.getReference(), {k.index(0)});
    }
    k.forLoop(k.index(0), op.getCount(), 1, [&](Value part) {
      Value factor = one;
      if (raised)
        factor = k.exp2(k.subf(
            k.load(op.getPartialReference(), {part, k.index(0)}), raised));
      Value all = k.broadcast(vector, factor);
      forVectors([&](Value memref, ValueRange at) {
        Value partial =
            memref == op.getSum() ? op.getPartialSum() : op.getPartialNorm();
        SmallVector<Value> from{part};
        llvm::append_range(from, at);
        Value old = k.load(vector, memref, at);
        Value read = k.load(vector, partial, from);
        k.store(k.fma(read, all, old), memref, at);
      });
    });
    if (op.getFeatureEps())
      emitEps(op.getFeatureEps()->convertToDouble());
  }

private:
  void forVectors(function_ref<void(Value, ValueRange)> body) {
    k.forLoop(k.index(0), k.index(sum.getDimSize(0)), 1, [&](Value row) {
      k.forLoop(k.index(0), k.index(sum.getDimSize(1)), lanes,
                [&](Value column) { body(op.getSum(), {row, column}); });
    });
    k.forLoop(k.index(0), k.index(width), lanes,
              [&](Value column) { body(op.getNorm(), {column}); });
  }

  /// The largest reference of all; adds up counts and sums of values on the
  /// way.
  Value emitReference() {
    Value state = op.getReference(), partial = op.getPartialReference();
    auto at = [&](int64_t position) { return k.index(position); };
    SmallVector<Value> start{k.load(state, {at(0)}), k.load(state, {at(1)}),
                             k.load(state, {at(2)})};
    SmallVector<Value> all = k.forLoop(
        at(0), op.getCount(), 1, start, [&](Value part, ValueRange carried) {
          k.forLoop(at(firstValue), at(firstValue + sum.getDimSize(1)), lanes,
                    [&](Value column) {
                      Value read = k.load(vector, partial, {part, column});
                      k.store(k.addf(k.load(vector, state, {column}), read),
                              state, {column});
                    });
          return SmallVector<Value>{
              k.maxf(k.load(partial, {part, at(0)}), carried[0]),
              k.maxf(k.load(partial, {part, at(1)}), carried[1]),
              k.addf(k.load(partial, {part, at(2)}), carried[2])};
        });
    k.store(all[1], state, {at(1)});
    k.store(all[2], state, {at(2)});
    return all[0];
  }

  /// Every key's features have the epsilon added, as if lowered by the largest
  /// exponent itself.
  void emitEps(double eps) {
    Value state = op.getReference();
    Value power = k.exp2(
        k.subf(k.load(state, {k.index(1)}), k.load(state, {k.index(0)})));
    Value factor = k.mulf(power, k.constant(element, eps));
    Value all = k.broadcast(vector, factor);
    Value count =
        k.broadcast(vector, k.mulf(k.load(state, {k.index(2)}), factor));
    forVectors([&](Value memref, ValueRange at) {
      Value old = k.load(vector, memref, at);
      if (memref == op.getNorm())
        return k.store(k.addf(old, count), memref, at);
      Value total = k.load(vector, state, {k.add(at.back(), firstValue)});
      k.store(k.fma(total, all, old), memref, at);
    });
  }

  KernelBuilder &k;
  LinearMergeOp op;
  MemRefType sum;
  Type element;
  int64_t lanes;
  VectorType vector;
  int64_t width, firstValue;
};
} // namespace

void attn::cpu::emitLinearMerge(KernelBuilder &k, LinearMergeOp op,
                                const CpuTarget &target) {
  LinearMerger(k, op, target).emit();
}
