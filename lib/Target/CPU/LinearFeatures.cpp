//===- LinearFeatures.cpp - features of queries and keys in cache ---------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The part of linear attention's kernel that makes features of a chunk, never
// of a whole sequence. Exponents of keys are lowered by a running whole number,
// so that raising it multiplies by a power of two and rounds nothing: results
// do not depend on later keys.
//
//===----------------------------------------------------------------------===//

#include "LinearKernel.h"

#include "attn/Target/CPU/Kernels.h"
#include "attn/Target/CPU/VectorizeBlock.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>
#include <numbers>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

namespace {
/// Vectors whose sums are carried through a loop over rows together.
constexpr int64_t kBlockVectors = 4;
} // namespace

int64_t RowTile::width() const {
  return type().getDimSize(
      *map.getResultPosition(getAffineDimExpr(column, map.getContext())));
}

bool RowTile::isRowMajor() const {
  return *map.getResultPosition(getAffineDimExpr(row, map.getContext())) == 0 &&
         type().isLastDimUnitStride();
}

SmallVector<Value> RowTile::at(Value rowIndex, Value columnIndex) const {
  SmallVector<Value> indices{rowIndex, columnIndex};
  if (map.getDimPosition(0) != row)
    std::swap(indices[0], indices[1]);
  return indices;
}

void LinearKernel::setUp(const CpuTarget &target) {
  auto sumType = cast<MemRefType>(sum.getType());
  element = sumType.getElementType();
  lanes = target.lanes(element.getIntOrFloatBitWidth());
  vector = k.vectorOf(lanes, element);
  stripRowsMax = target.tileRows();
  panel = target.tileColumns(element.getIntOrFloatBitWidth());
  features = sumType.getDimSize(0), columns = sumType.getDimSize(1);
  draws = features / (map == FeatureMap::SoftmaxHyperbolic ? 2 : 1);
  // One vector more than there are features: rows of a power of two would all
  // fall into one cache set, and the second half of hyperbolic features may
  // begin anywhere.
  stride = llvm::alignTo(features, lanes) + lanes;
}

Value LinearKernel::allocateNorms() {
  return k.scratch({cast<MemRefType>(norm.getType()).getDimSize(0)}, element);
}

/// A dense copy in the accumulator's type: zero where a key is not valid,
/// beyond `width`, and in rows up to the next multiple of `align`.
Value LinearKernel::copyRows(RowTile source, Value valid, int64_t width,
                             int64_t align) {
  Value dest = k.scratch(
      {static_cast<int64_t>(llvm::alignTo(chunk, align)), width}, element);
  SmallVector<AffineExpr> results;
  for (unsigned position = 0; position < 2; ++position)
    results.push_back(k.b.getAffineDimExpr(
        source.map.getDimPosition(position) == source.row ? 1 : 2));
  auto pack = PackOp::create(
      k.b, k.loc, TypeRange(),
      PackLayoutAttr::get(k.b.getContext(), PackLayout::Rows), source.memref,
      valid, dest,
      AffineMapAttr::get(AffineMap::get(3, 0, results, k.b.getContext())),
      k.b.getF64FloatAttr(1.0), k.b.getI64IntegerAttr(align));
  emitPack(k, pack, CpuTarget{lanes * element.getIntOrFloatBitWidth(), false});
  pack.erase();
  return dest;
}

Value attn::cpu::emitFeatureMap(KernelBuilder &k, FeatureMap map,
                                Region &region, double featureEps, Value x) {
  auto vector = cast<VectorType>(x.getType());
  Value zero = k.constant(vector, 0), result;
  switch (map) {
  case FeatureMap::EluPlusOne: {
    Value low = k.select(k.greater(x, zero), zero, x);
    Value power = k.exp2(k.mulf(low, k.constant(vector, std::numbers::log2e)));
    result = k.addf(power, k.maxf(x, zero));
    break;
  }
  case FeatureMap::Relu:
  case FeatureMap::GeneralizedRelu:
    result = k.maxf(x, zero);
    break;
  case FeatureMap::Custom: {
    Block &block = region.front();
    IRMapping mapping;
    mapping.map(block.getArgument(0), x);
    result = (*vectorizeScalarBlock(k.b, block, mapping, vector.getShape()))[0];
    break;
  }
  case FeatureMap::SoftmaxPositive:
  case FeatureMap::SoftmaxHyperbolic:
    llvm_unreachable("softmax maps have exponents");
  }
  return featureEps == 0 ? result
                         : k.addf(result, k.constant(vector, featureEps));
}

/// Zero in lanes beyond the last of `count` features; `first` is the vector's.
Value LinearKernel::keepFeatures(Value value, int64_t first, int64_t count) {
  if (first + lanes <= count)
    return value;
  return k.select(k.maskBelow(lanes, k.index(count - first)), value,
                  k.constant(vector, 0));
}

/// The flag of a row on all lanes, or null where all rows are valid.
Value LinearKernel::isValid(Value valid, Value row) {
  if (!valid)
    return valid;
  return k.broadcast(k.vectorOf(lanes, k.b.getI1Type()), k.load(valid, {row}));
}

/// Asks for the row of the next chunk.
void LinearKernel::prefetch(const RowTile &tile, Value row, bool isWrite) {
  if (!tile.memref || !tile.isRowMajor())
    return;
  int64_t perLine = 64 * 8 / tile.type().getElementTypeBitWidth();
  Value next = k.add(row, chunk);
  for (int64_t column = 0; column < tile.width(); column += perLine)
    memref::PrefetchOp::create(k.b, k.loc, tile.memref,
                               ValueRange{next, k.index(column)}, isWrite,
                               /*localityHint=*/3, /*isDataCache=*/true);
}

/// sqrt(scale) times a vector of a row of `source`, which ends with the last
/// feature if it is the operand itself.
Value LinearKernel::loadInput(const RowTile &source, bool isDirect, Value row,
                              int64_t column) {
  SmallVector<Value> at{row, k.index(column)};
  Value x;
  if (!isDirect || column + lanes <= features)
    x = k.load(vector, source.memref, at);
  else
    x = vector::MaskedLoadOp::create(
        k.b, k.loc, vector, source.memref, at,
        k.maskBelow(lanes, k.index(features - column)), k.constant(vector, 0));
  return scale == 1 ? x : k.mulf(x, k.constant(vector, std::sqrt(scale)));
}

void LinearKernel::emitPlainKeys(RowTile key, Value valid, Value norms) {
  RowTile source = key;
  bool isDirect = key.isRowMajor() && key.type().getElementType() == element;
  int64_t width = llvm::alignTo(features, lanes);
  if (!isDirect) {
    source.memref = copyRows(key, Value(), width, 1);
    source.map = AffineMap::get(
        4, 0, {k.b.getAffineDimExpr(key.row), k.b.getAffineDimExpr(key.column)},
        k.b.getContext());
  }
  for (int64_t first = 0; first < width; first += kBlockVectors * lanes) {
    SmallVector<int64_t> at;
    for (int64_t column = first;
         column < std::min(width, first + kBlockVectors * lanes);
         column += lanes)
      at.push_back(column);
    SmallVector<Value> sums;
    for (int64_t column : at)
      sums.push_back(k.load(vector, norms, {k.index(column)}));
    sums = k.forLoop(
        k.index(0), keyCount, 1, sums, [&](Value row, ValueRange carried) {
          SmallVector<Value> next;
          if (first == 0 && isDirect) {
            prefetch(key, row, false);
            prefetch(values, row, false);
          }
          Value flag = isValid(valid, row), zero = k.constant(vector, 0);
          for (auto [column, old] : llvm::zip_equal(at, carried)) {
            SmallVector<Value> indices{row, k.index(column)};
            Value x = loadInput(source, isDirect, row, column);
            Value value = keepFeatures(applyMap(x), column, features);
            if (flag)
              value = k.select(flag, value, zero);
            k.store(value, keyFeatures, indices);
            next.push_back(k.addf(old, value));
          }
          return next;
        });
    for (auto [column, value] : llvm::zip_equal(at, sums))
      k.store(value, norms, {k.index(column)});
  }
}

void LinearKernel::emitPlainQueries(RowTile query, RowTile output) {
  RowTile source = query;
  bool isDirect =
      query.isRowMajor() && query.type().getElementType() == element;
  int64_t width = llvm::alignTo(features, lanes);
  if (!isDirect)
    source.memref = copyRows(query, Value(), width, 1);
  k.forLoop(k.index(0), queryCount, 1, [&](Value row) {
    if (isDirect) {
      prefetch(query, row, false);
      prefetch(output, row, true);
    }
    Value total = k.constant(vector, 0);
    for (int64_t column = 0; column < width; column += lanes) {
      SmallVector<Value> indices{row, k.index(column)};
      Value x = loadInput(source, isDirect, row, column);
      Value value = keepFeatures(applyMap(x), column, features);
      k.store(value, queryFeatures, indices);
      total = k.fma(value, k.load(vector, norm, {k.index(column)}), total);
    }
    Value denominator =
        k.addf(k.reduceAdd(total), k.constant(element, denominatorEps));
    k.store(denominator, denominators, {row});
  });
}

/// exponents = rows * panels
void LinearKernel::emitProjected(Value input, Value count) {
  auto panels = cast<MemRefType>(projection.getType());
  int64_t width = panels.getDimSize(0) * panel;
  int64_t padded = width % (4 * lanes) == 0 ? width + lanes : width;
  if (!exponents)
    exponents = k.scratch({chunk, padded}, element);
  Value zero = k.index(0), depth = k.index(panels.getDimSize(1));
  k.forLoop(zero, k.index(panels.getDimSize(0)), 1, [&](Value number) {
    forStrips(count, chunk, [&](Value row, int64_t stripRows) {
      emitMicroKernel(k, {stripRows, panel / lanes, lanes},
                      {input, {row, zero}}, {projection, {number, zero, zero}},
                      {exponents, {row, k.mul(number, panel)}}, {zero, depth},
                      /*accumulate=*/false);
    });
  });
}

/// |x'|^2 / 2 in units of log2, and the logarithm of R^1/2.
void LinearKernel::emitHalfNorms(Value input, Value count) {
  int64_t width = cast<MemRefType>(input.getType()).getDimSize(1);
  halfNorms = k.scratch({chunk}, element);
  k.forLoop(k.index(0), count, 1, [&](Value row) {
    Value total = k.constant(vector, 0);
    for (int64_t column = 0; column < width; column += lanes) {
      Value x = k.load(vector, input, {row, k.index(column)});
      total = k.fma(x, x, total);
    }
    Value half = k.mulf(k.reduceAdd(total),
                        k.constant(element, scale * std::numbers::log2e / 2));
    k.store(k.addf(half, k.constant(element, std::log2(double(features)) / 2)),
            halfNorms, {row});
  });
}

/// The largest exponent of a row, or absolute value of one.
Value LinearKernel::emitLargest(Value row, int64_t draws) {
  Value lowest = k.constant(vector, kLowestExponent);
  auto read = [&](Value column) -> Value {
    Value u = k.load(vector, exponents, {row, column});
    return map == FeatureMap::SoftmaxHyperbolic
               ? math::AbsFOp::create(k.b, k.loc, u).getResult()
               : u;
  };
  int64_t whole = draws / lanes * lanes;
  Value top =
      k.forLoop(k.index(0), k.index(whole), lanes, {lowest},
                [&](Value column, ValueRange carried) {
                  return SmallVector<Value>{k.maxf(read(column), carried[0])};
                })[0];
  if (whole < draws)
    top = k.maxf(k.select(k.maskBelow(lanes, k.index(draws - whole)),
                          read(k.index(whole)), lowest),
                 top);
  return k.reduceMax(top);
}

void LinearKernel::emitRescale(Value factor) {
  Value all = k.broadcast(vector, factor);
  k.forLoop(k.index(0), k.index(features), 1, [&](Value row) {
    for (int64_t column = 0; column < columns; column += lanes) {
      SmallVector<Value> at{row, k.index(column)};
      k.store(k.mulf(k.load(vector, sum, at), all), sum, at);
    }
  });
  int64_t width = cast<MemRefType>(norm.getType()).getDimSize(0);
  k.forLoop(k.index(0), k.index(width), lanes, [&](Value column) {
    k.store(k.mulf(k.load(vector, norm, {column}), all), norm, {column});
  });
}

/// Raises the reference to the next whole number above the exponents of these
/// keys.
void LinearKernel::emitReference(Value count, Value valid) {
  Value lowest = k.constant(element, kLowestExponent), zero = k.index(0);
  Value top =
      k.forLoop(zero, count, 1, {lowest}, [&](Value row, ValueRange carried) {
        Value own = k.subf(emitLargest(row, draws), k.load(halfNorms, {row}));
        if (valid)
          own = k.select(k.load(valid, {row}), own, lowest);
        return SmallVector<Value>{k.maxf(own, carried[0])};
      })[0];
  Value largest = k.load(reference, {k.index(1)});
  k.store(k.maxf(top, largest), reference, {k.index(1)});
  Value old = k.load(reference, {zero});
  Value raised = math::CeilOp::create(k.b, k.loc, top);
  k.ifThen(k.greater(raised, old), [&] {
    emitRescale(k.exp2(k.subf(old, raised)));
    k.store(raised, reference, {zero});
  });
}

/// Features of keys from exponents; sign -1 makes the second half of
/// hyperbolic ones.
void LinearKernel::emitKeyMap(Value count, Value valid, Value norms,
                              int64_t sign) {
  Value lowered = isSoftmax() ? k.load(reference, {k.index(0)}) : Value();
  int64_t width = llvm::alignTo(draws, lanes), base = sign > 0 ? 0 : draws;
  auto block = [&](Value first, int64_t number, bool mayEnd) {
    SmallVector<Value> sums;
    auto columnOf = [&](int64_t v) { return k.add(first, v * lanes); };
    for (int64_t v = 0; v < number; ++v)
      sums.push_back(k.load(vector, norms, {k.add(columnOf(v), base)}));
    sums = k.forLoop(
        k.index(0), count, 1, sums, [&](Value row, ValueRange carried) {
          SmallVector<Value> next;
          Value flag = isValid(valid, row), half;
          if (isSoftmax())
            half = k.broadcast(vector, k.load(halfNorms, {row}));
          for (int64_t v = 0; v < number; ++v) {
            Value u = k.load(vector, exponents, {row, columnOf(v)}), value;
            if (isSoftmax())
              value = k.exp2(
                  sign > 0 ? k.subf(u, half)
                           : k.subf(k.constant(vector, 0), k.addf(u, half)),
                  lowered);
            else
              value = applyMap(u);
            if (mayEnd && v + 1 == number)
              value = keepFeatures(value, width - lanes, draws);
            if (flag)
              value = k.select(flag, value, k.constant(vector, 0));
            k.store(value, keyFeatures, {row, k.add(columnOf(v), base)});
            next.push_back(k.addf(carried[v], value));
          }
          return next;
        });
    for (int64_t v = 0; v < number; ++v)
      k.store(sums[v], norms, {k.add(columnOf(v), base)});
  };
  // The last vector is apart if it has to be cut.
  int64_t whole = draws / lanes * lanes, step = kBlockVectors * lanes;
  int64_t inBlocks = whole / step * step;
  k.forLoop(k.index(0), k.index(inBlocks), step,
            [&](Value first) { block(first, kBlockVectors, false); });
  if (inBlocks < width)
    block(k.index(inBlocks), (width - inBlocks) / lanes, true);
}

void LinearKernel::emitKeyFeatures(RowTile key, Value valid, Value norms) {
  keyCount = key.rows;
  keyFeatures = k.scratch(
      {static_cast<int64_t>(llvm::alignTo(chunk, lanes)), stride}, element);
  if (!projection)
    return emitPlainKeys(key, valid, norms);
  auto panels = cast<MemRefType>(projection.getType());
  int64_t width = llvm::alignTo(panels.getDimSize(1), lanes);
  Value input = copyRows(key, valid, width, stripRowsMax);
  k.forLoop(k.index(0), keyCount, 1, [&](Value row) {
    prefetch(key, row, false);
    prefetch(values, row, false);
  });
  emitProjected(input, keyCount);
  if (isSoftmax()) {
    emitHalfNorms(input, keyCount);
    emitReference(keyCount, valid);
  }
  emitKeyMap(keyCount, valid, norms, 1);
  if (map == FeatureMap::SoftmaxHyperbolic)
    emitKeyMap(keyCount, valid, norms, -1);
}

/// Features of one query from its exponents, lowered by the row's largest, and
/// the denominator.
void LinearKernel::emitQueryMap(Value row) {
  Value largest;
  if (isSoftmax())
    largest = k.broadcast(vector, emitLargest(row, draws));
  Value total = k.constant(vector, 0);
  int64_t width = llvm::alignTo(draws, lanes);
  for (int64_t sign : {1, -1}) {
    if (sign < 0 && map != FeatureMap::SoftmaxHyperbolic)
      break;
    int64_t base = sign > 0 ? 0 : draws;
    auto one = [&](Value column, bool isLast, Value old) -> Value {
      Value u = k.load(vector, exponents, {row, column}), value;
      if (isSoftmax()) {
        if (sign < 0)
          u = k.subf(k.constant(vector, 0), u);
        value = k.exp2(k.subf(u, largest));
        if (featureEps != 0)
          value = k.addf(value, k.constant(vector, featureEps));
      } else {
        value = applyMap(u);
      }
      if (isLast)
        value = keepFeatures(value, width - lanes, draws);
      Value at = k.add(column, base);
      k.store(value, queryFeatures, {row, at});
      return k.fma(value, k.load(vector, norm, {at}), old);
    };
    int64_t whole = draws / lanes * lanes, step = kBlockVectors * lanes;
    int64_t inBlocks = whole / step * step;
    total = k.forLoop(k.index(0), k.index(inBlocks), step, {total},
                      [&](Value first, ValueRange carried) {
                        Value next = carried[0];
                        for (int64_t v = 0; v < kBlockVectors; ++v)
                          next = one(k.add(first, v * lanes), false, next);
                        return SmallVector<Value>{next};
                      })[0];
    for (int64_t column = inBlocks; column < width; column += lanes)
      total = one(k.index(column), column + lanes > draws, total);
  }
  Value denominator =
      k.addf(k.reduceAdd(total), k.constant(element, denominatorEps));
  k.store(denominator, denominators, {row});
}

void LinearKernel::emitQueryFeatures(RowTile query, RowTile output) {
  queryCount = query.rows;
  queryFeatures = k.scratch({chunk, stride}, element);
  denominators = k.scratch({chunk}, element);
  if (!projection)
    return emitPlainQueries(query, output);
  auto panels = cast<MemRefType>(projection.getType());
  int64_t width = llvm::alignTo(panels.getDimSize(1), lanes);
  Value input = copyRows(query, Value(), width, stripRowsMax);
  emitProjected(input, queryCount);
  k.forLoop(k.index(0), queryCount, 1, [&](Value row) {
    prefetch(query, row, false);
    prefetch(output, row, true);
    emitQueryMap(row);
  });
}
