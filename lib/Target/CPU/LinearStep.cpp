//===- LinearStep.cpp - one token of linear attention ---------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits attn.linear_step of one head. A token costs one pass over the state:
// each row is read, updated, written, and met by the query while it is in
// registers. Directions are read as rows; for one token panels would cost more
// to make than they save.
//
//===----------------------------------------------------------------------===//

#include "LinearKernel.h"

#include "attn/Target/CPU/Kernels.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>
#include <numbers>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

namespace {
/// Vectors of the output that are carried along the rows of the state.
constexpr int64_t kOutputVectors = 8;

class LinearStep {
public:
  LinearStep(KernelBuilder &k, LinearStepOp op, const CpuTarget &target)
      : k(k), op(op), map(op.getFeatureMap()), type(op.getAccumulatorType()),
        lanes(target.lanes(type.getWidth())), vector(k.vectorOf(lanes, type)),
        headSize(op.getStaticExtent(LinearStepOp::Dim::kHeadSize)),
        valueSize(op.getStaticExtent(LinearStepOp::Dim::kValueSize)),
        features(op.getNumFeatures()),
        draws(features / (map == FeatureMap::SoftmaxHyperbolic ? 2 : 1)) {}
  void emit();

private:
  Value maskOf(int64_t column, int64_t size) {
    return k.maskBelow(lanes, k.index(size - column));
  }
  Value load(Value memref, ValueRange row, Value column, int64_t left);
  void store(Value value, Value memref, ValueRange row, Value column,
             int64_t left);
  Value copyWide(Value memref, int64_t size, bool isKeySide);
  Value project(Value x);
  Value halfNorm(Value x);
  Value largest(Value exponents);
  void emitReference(Value exponents, Value half);
  Value makeFeatures(Value x, Value exponents, Value half);
  Value featureOf(Value u, Value lowering, bool isKey, bool isNegated);
  void emitNorm();
  void emitColumns(int64_t first, int64_t vectors);
  void storeOutput(Value value, int64_t column);

  KernelBuilder &k;
  LinearStepOp op;
  FeatureMap map;
  FloatType type;
  int64_t lanes;
  VectorType vector;
  int64_t headSize, valueSize, features, draws;
  Value isValid;                    ///< i1, or null
  Value keyFeatures, queryFeatures; ///< with a vector of zeros or more behind
  Value values;
  Value factor;  ///< of the old state, null for 1
  Value lowered; ///< the new reference
  Value inverse; ///< of the denominator
};
} // namespace

/// A vector of which `left` lanes are there, zeros in the others.
Value LinearStep::load(Value memref, ValueRange row, Value column,
                       int64_t left) {
  SmallVector<Value> at(row);
  at.push_back(column);
  if (left >= lanes)
    return k.load(vector, memref, at);
  return vector::MaskedLoadOp::create(k.b, k.loc, vector, memref, at,
                                      k.maskBelow(lanes, k.index(left)),
                                      k.constant(vector, 0));
}

void LinearStep::store(Value value, Value memref, ValueRange row, Value column,
                       int64_t left) {
  SmallVector<Value> at(row);
  at.push_back(column);
  if (left >= lanes)
    return k.store(value, memref, at);
  vector::MaskedStoreOp::create(k.b, k.loc, memref, at,
                                k.maskBelow(lanes, k.index(left)), value);
}

/// An operand in the accumulator's type, zeros behind it and where the token is
/// not valid.
Value LinearStep::copyWide(Value memref, int64_t size, bool isKeySide) {
  int64_t padded = llvm::alignTo(size, lanes);
  Value wide = k.scratch({padded}, type);
  Type narrow = cast<MemRefType>(memref.getType()).getElementType();
  auto convert = [&](Value x) -> Value {
    if (narrow == type)
      return x;
    Type to = isa<VectorType>(x.getType()) ? Type(vector) : Type(type);
    return arith::ExtFOp::create(k.b, k.loc, to, x);
  };
  Value zero = k.constant(vector, 0);
  for (int64_t column = 0; column < padded; column += lanes) {
    Value x;
    if (column + lanes <= size) {
      x = convert(k.load(k.vectorOf(lanes, narrow), memref, {k.index(column)}));
    } else { // masked accesses of narrow types are not everywhere
      x = zero;
      for (int64_t lane = 0; column + lane < size; ++lane)
        x = vector::InsertOp::create(
            k.b, k.loc, convert(k.load(memref, {k.index(column + lane)})), x,
            lane);
    }
    if (isKeySide && isValid)
      x = k.select(isValid, x, zero);
    k.store(x, wide, {k.index(column)});
  }
  return wide;
}

/// u of all directions, for softmax maps in units of log2. Directions are taken
/// as many as there are lanes at a time; each has its sum in a register, and a
/// transpose puts the sums side by side.
Value LinearStep::project(Value x) {
  Value exponents =
      k.scratch({static_cast<int64_t>(llvm::alignTo(draws, lanes))}, type);
  double scale = std::sqrt(op.getEffectiveScale()) *
                 (op.hasSoftmaxMap() ? std::numbers::log2e : 1);
  Value directions = op.getProjection(), none = k.constant(vector, 0);
  auto addColumns = [&](Value first, Value column, int64_t left,
                        ValueRange old) {
    Value own = k.load(vector, x, {column});
    SmallVector<Value> sums;
    for (int64_t r = 0; r < lanes; ++r) {
      Value row = k.min(k.add(first, r), k.index(draws - 1));
      sums.push_back(k.fma(load(directions, row, column, left), own, old[r]));
    }
    return sums;
  };
  int64_t whole = headSize / lanes * lanes;
  k.forLoop(k.index(0), k.index(draws), lanes, [&](Value first) {
    SmallVector<Value> sums(lanes, none);
    sums = k.forLoop(k.index(0), k.index(whole), lanes, sums,
                     [&](Value column, ValueRange carried) {
                       return addColumns(first, column, lanes, carried);
                     });
    if (whole < headSize)
      sums = addColumns(first, k.index(whole), headSize - whole, sums);
    emitTranspose(k, sums);
    for (int64_t step = lanes / 2; step > 0; step /= 2)
      for (int64_t r = 0; r < step; ++r)
        sums[r] = k.addf(sums[r], sums[r + step]);
    k.store(k.mulf(sums[0], k.constant(vector, scale)), exponents, {first});
  });
  return exponents;
}

/// |x'|^2 / 2 in units of log2, and the logarithm of R^1/2.
Value LinearStep::halfNorm(Value x) {
  Value total = k.constant(vector, 0);
  for (int64_t column = 0; column < headSize; column += lanes) {
    Value own = k.load(vector, x, {k.index(column)});
    total = k.fma(own, own, total);
  }
  double scale = op.getEffectiveScale() * std::numbers::log2e / 2;
  double share = std::log2(static_cast<double>(features)) / 2;
  return k.addf(k.mulf(k.reduceAdd(total), k.constant(type, scale)),
                k.constant(type, share));
}

/// The largest exponent, of both signs for hyperbolic maps.
Value LinearStep::largest(Value exponents) {
  Value lowest = k.constant(vector, kLowestExponent), top = lowest;
  for (int64_t column = 0; column < draws; column += lanes) {
    Value u = k.load(vector, exponents, {k.index(column)});
    if (map == FeatureMap::SoftmaxHyperbolic)
      u = math::AbsFOp::create(k.b, k.loc, u);
    if (column + lanes > draws)
      u = k.select(maskOf(column, draws), u, lowest);
    top = k.maxf(u, top);
  }
  return k.reduceMax(top);
}

/// The whole number that the state is lowered by from now on.
void LinearStep::emitReference(Value exponents, Value half) {
  Value old = k.load(op.getInitial()[2], {});
  Value top =
      math::CeilOp::create(k.b, k.loc, k.subf(largest(exponents), half));
  lowered = k.maxf(top, old);
  if (isValid)
    lowered = k.select(isValid, lowered, old);
  factor = k.broadcast(vector, k.exp2(k.subf(old, lowered)));
  memref::StoreOp::create(k.b, k.loc, lowered, op.getFinal()[2]);
}

Value LinearStep::featureOf(Value u, Value lowering, bool isKey,
                            bool isNegated) {
  if (!op.hasSoftmaxMap())
    return emitFeatureMap(k, map, op.getFeature(), op.getEffectiveFeatureEps(),
                          u);
  Value signedU = isNegated ? k.subf(k.constant(vector, 0), u) : u;
  Value exponent = k.subf(signedU, lowering);
  return isKey ? k.exp2(exponent, lowered) : k.exp2(exponent);
}

/// Features of one row; `half` is there for keys of softmax maps. What lies
/// behind the last is zero.
Value LinearStep::makeFeatures(Value x, Value exponents, Value half) {
  bool isKey = half || !op.hasSoftmaxMap();
  int64_t width = llvm::alignTo(draws, lanes);
  Value made = k.scratch({features + width + lanes}, type), lowering;
  if (op.hasSoftmaxMap())
    lowering = k.broadcast(vector, half ? half : largest(exponents));
  for (int64_t base = 0; base < features; base += draws)
    for (int64_t column = 0; column < width; column += lanes) {
      Value u = k.load(vector, exponents ? exponents : x, {k.index(column)});
      if (!exponents && op.getEffectiveScale() != 1)
        u = k.mulf(u, k.constant(vector, std::sqrt(op.getEffectiveScale())));
      Value feature = featureOf(u, lowering, isKey, base > 0);
      if (column + lanes > draws)
        feature =
            k.select(maskOf(column, draws), feature, k.constant(vector, 0));
      k.store(feature, made, {k.index(base + column)});
    }
  return made;
}

/// norm' = norm + phi(key), and the denominator.
void LinearStep::emitNorm() {
  Value total = k.constant(vector, 0);
  auto one = [&](Value column, int64_t left, Value old) {
    Value norm = load(op.getInitial()[1], {}, column, left);
    Value own = k.load(vector, keyFeatures, {column});
    if (isValid)
      own = k.select(isValid, own, k.constant(vector, 0));
    norm = factor ? k.fma(norm, factor, own) : k.addf(norm, own);
    store(norm, op.getFinal()[1], {}, column, left);
    return k.fma(norm, k.load(vector, queryFeatures, {column}), old);
  };
  int64_t whole = features / lanes * lanes;
  total = k.forLoop(k.index(0), k.index(whole), lanes, {total},
                    [&](Value column, ValueRange carried) {
                      return SmallVector<Value>{one(column, lanes, carried[0])};
                    })[0];
  if (whole < features)
    total = one(k.index(whole), features - whole, total);
  Value sum = k.addf(k.reduceAdd(total),
                     k.constant(type, op.getEffectiveDenominatorEps()));
  Value zero = k.constant(type, 0);
  Value isZero =
      arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OEQ, sum, zero);
  inverse = k.broadcast(
      vector, k.select(isZero, zero, k.divf(k.constant(type, 1), sum)));
}

void LinearStep::storeOutput(Value value, int64_t column) {
  Value memref = op.getOutput();
  Type narrow = cast<MemRefType>(memref.getType()).getElementType();
  if (narrow.getIntOrFloatBitWidth() < type.getWidth())
    value =
        arith::TruncFOp::create(k.b, k.loc, k.vectorOf(lanes, narrow), value);
  if (column + lanes <= valueSize)
    return k.store(value, memref, {k.index(column)});
  for (int64_t lane = 0; column + lane < valueSize; ++lane)
    k.store(vector::ExtractOp::create(k.b, k.loc, value, lane), memref,
            {k.index(column + lane)});
}

/// sum' = sum + phi(key) value^T in some columns, and their output.
void LinearStep::emitColumns(int64_t first, int64_t vectors) {
  SmallVector<Value> own, sums(vectors, k.constant(vector, 0));
  for (int64_t v = 0; v < vectors; ++v)
    own.push_back(k.load(vector, values, {k.index(first + v * lanes)}));
  sums = k.forLoop(k.index(0), k.index(features), 1, sums,
                   [&](Value row, ValueRange carried) {
                     Value key = k.load(keyFeatures, {row});
                     if (isValid)
                       key = k.select(isValid, key, k.constant(type, 0));
                     key = k.broadcast(vector, key);
                     Value query =
                         k.broadcast(vector, k.load(queryFeatures, {row}));
                     SmallVector<Value> next;
                     for (int64_t v = 0; v < vectors; ++v) {
                       int64_t left = valueSize - first - v * lanes;
                       Value column = k.index(first + v * lanes);
                       Value sum = load(op.getInitial()[0], row, column, left);
                       if (factor)
                         sum = k.mulf(sum, factor);
                       sum = k.fma(key, own[v], sum);
                       store(sum, op.getFinal()[0], row, column, left);
                       next.push_back(k.fma(query, sum, carried[v]));
                     }
                     return next;
                   });
  for (int64_t v = 0; v < vectors; ++v)
    storeOutput(k.mulf(sums[v], inverse), first + v * lanes);
}

void LinearStep::emit() {
  if (op.getKeyValid())
    isValid = k.load(op.getKeyValid(), {});
  Value key = copyWide(op.getKey(), headSize, /*isKeySide=*/true);
  Value query = copyWide(op.getQuery(), headSize, /*isKeySide=*/false);
  values = copyWide(op.getValue(), valueSize, /*isKeySide=*/true);
  Value ofKey, ofQuery, half;
  if (op.getProjection())
    ofKey = project(key), ofQuery = project(query);
  if (op.hasSoftmaxMap()) {
    half = halfNorm(key);
    emitReference(ofKey, half);
  }
  keyFeatures = makeFeatures(key, ofKey, half);
  queryFeatures = makeFeatures(query, ofQuery, Value());
  emitNorm();
  int64_t step = kOutputVectors * lanes;
  for (int64_t first = 0; first < valueSize; first += step)
    emitColumns(first,
                llvm::divideCeil(std::min(step, valueSize - first), lanes));
}

LogicalResult attn::cpu::emitLinearStep(KernelBuilder &k, LinearStepOp op,
                                        const CpuTarget &target) {
  if (op.hasHeads())
    return op.emitOpError() << "expected one head, got "
                            << op.getQuery().getType() << "; tile first";
  LinearStep(k, op, target).emit();
  return success();
}
