//===- LinearFeatures.cpp - features of queries and keys ------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Features of a chunk in shared memory. Exponents of keys are lowered by a
// running whole number, so that raising it multiplies by a power of two and
// rounds nothing.
//
//===----------------------------------------------------------------------===//

#include "LinearAttention.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>
#include <numbers>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

/// Shared memory of a block that every architecture has.
static constexpr int64_t kFeatureBytes = 98 * 1024;

void LinearEmitter::setUp(int64_t mostRows) {
  auto sumType = cast<MemRefType>(sum.getType());
  features = sumType.getDimSize(0);
  columns = sumType.getDimSize(1);
  draws = features / (map == FeatureMap::SoftmaxHyperbolic ? 2 : 1);
  padded = llvm::alignTo(features, 16);
  // Features of queries and keys, scores and values.
  auto bytes = [&](int64_t rows) {
    return 4 * rows * (2 * (padded + 4) + columns + 4 + rows + 4);
  };
  chunk = std::min<int64_t>(32, llvm::alignTo(mostRows, 16));
  if (bytes(chunk) > kFeatureBytes)
    chunk = 16;
}

void LinearEmitter::forChunks(Value count, function_ref<void(TakeFn)> body) {
  k.forLoop(k.index(0), count, chunk, {}, [&](Value first, ValueRange) {
    body([&](const LinearRows &rows) {
      LinearRows own = rows;
      own.first = first;
      own.count = k.min(k.index(chunk), k.sub(rows.count, first));
      return own;
    });
    return SmallVector<Value>();
  });
}

LinearRows attn::nvvm::makeLinearRows(IndexMath &math, Value memref,
                                      Attribute mapAttr, unsigned row,
                                      unsigned column) {
  AffineMap map = cast<AffineMapAttr>(mapAttr).getValue();
  auto positionOf = [&](unsigned dim) {
    return *map.getResultPosition(getAffineDimExpr(dim, map.getContext()));
  };
  LinearRows rows{memref, {}, positionOf(row), positionOf(column), 0};
  rows.count =
      math.b.createOrFold<memref::DimOp>(math.loc, memref, int64_t(rows.row));
  rows.width = cast<MemRefType>(memref.getType()).getDimSize(rows.column);
  return rows;
}

Value LinearEmitter::loadInput(const LinearRows &source, Value row,
                               Value column) {
  Value count = source.count;
  if (source.first) {
    row = k.add(source.first, row);
    count = k.add(source.first, count);
  }
  SmallVector<Value> at{row, column}, extents{count, k.index(source.width)};
  if (source.row != 0) {
    std::swap(at[0], at[1]);
    std::swap(extents[0], extents[1]);
  }
  return k.loadInBounds(source.memref, at, extents);
}

Value LinearEmitter::isValid(const LinearRows &rows, Value valid, Value row) {
  Value isThere = k.less(row, rows.count);
  if (!valid)
    return isThere;
  Value none = arith::ConstantOp::create(k.b, k.loc, k.b.getBoolAttr(false));
  return k.ifElse(isThere, none, [&] {
    Value own = rows.first ? k.add(rows.first, row) : row;
    return SmallVector<Value>{
        memref::LoadOp::create(k.b, k.loc, valid, ValueRange{own})};
  })[0];
}

Value attn::nvvm::applyFeatureMap(FragmentBuilder &f, FeatureMap map,
                                  Region &custom, double eps, Value x) {
  Value zero = f.f32(0), result;
  switch (map) {
  case FeatureMap::EluPlusOne: {
    Value power =
        f.exp2(f.mulf(f.minimum(x, zero), f.f32(std::numbers::log2e)));
    result = f.addf(power, f.maxf(x, zero));
    break;
  }
  case FeatureMap::Relu:
  case FeatureMap::GeneralizedRelu:
    result = f.maxf(x, zero);
    break;
  case FeatureMap::Custom: {
    Block &block = custom.front();
    IRMapping mapping;
    mapping.map(block.getArgument(0), x);
    for (Operation &one : block.without_terminator())
      f.b.clone(one, mapping);
    result = mapping.lookupOrDefault(block.getTerminator()->getOperand(0));
    break;
  }
  case FeatureMap::SoftmaxPositive:
  case FeatureMap::SoftmaxHyperbolic:
    llvm_unreachable("softmax maps have exponents");
  }
  return eps == 0 ? result : f.addf(result, f.f32(eps));
}

void LinearEmitter::emitPlain(const LinearRows &source, Value valid,
                              Value result) {
  k.forEach({k.index(chunk), k.index(padded)}, [&](ValueRange at) {
    Value x = loadInput(source, at[0], at[1]);
    if (scale != 1)
      x = k.mulf(x, k.f32(std::sqrt(scale)));
    Value isThere =
        k.both(isValid(source, valid, at[0]), k.less(at[1], k.index(features)));
    k.store(k.select(isThere, applyMap(x), k.f32(0)), result, at);
  });
}

/// The products with the rows of the projection, in units of log2 for softmax
/// maps, where features will be.
void LinearEmitter::emitExponents(const LinearRows &source, Value result) {
  double factor = std::sqrt(scale) * (isSoftmax() ? std::numbers::log2e : 1.0);
  auto type = cast<MemRefType>(projection.getType());
  SmallVector<Value> extents{k.index(draws), k.index(type.getDimSize(1))};
  ProductTerm term;
  term.depth = k.index(llvm::alignTo(source.width, 8));
  term.left = [&](Value row, Value column) {
    return loadInput(source, row, column);
  };
  term.right = [&](Value depth, Value draw) {
    return k.loadInBounds(projection, {draw, depth}, extents);
  };
  int64_t width = llvm::alignTo(draws, 8);
  k.product(k.index(chunk), width, {term}, [&](Value row, Value draw, Value x) {
    auto store = [&] {
      k.store(k.mulf(x, k.f32(factor)), result, {row, draw});
    };
    if (width == draws)
      store();
    else
      k.ifThen(k.less(draw, k.index(draws)), store);
  });
}

/// The largest exponent of every row, or absolute value of one.
void LinearEmitter::emitLargest(Value exponents) {
  largest = k.scratch(chunk);
  k.reduceRows(
      k.index(chunk), k.index(draws), k.f32(kLowestExponent),
      [&](Value row, Value draw) {
        Value x = k.load(exponents, {row, draw});
        return map == FeatureMap::SoftmaxHyperbolic
                   ? math::AbsFOp::create(k.b, k.loc, x).getResult()
                   : x;
      },
      [&](Value x, Value y) { return k.maxf(x, y); },
      [&](Value row, Value x) { k.store(x, largest, {k.index(0), row}); });
}

/// |x|^2 / 2 in units of log2, and the logarithm of R^1/2.
void LinearEmitter::emitHalfNorms(const LinearRows &key) {
  halfNorms = k.scratch(chunk);
  k.reduceRows(
      k.index(chunk), k.index(key.width), k.f32(0),
      [&](Value row, Value column) {
        Value x = loadInput(key, row, column);
        return k.mulf(x, x);
      },
      [&](Value x, Value y) { return k.addf(x, y); },
      [&](Value row, Value x) {
        Value half = k.fma(x, k.f32(scale * std::numbers::log2e / 2),
                           k.f32(std::log2(double(features)) / 2));
        k.store(half, halfNorms, {k.index(0), row});
      });
}

/// Raises the reference to the next whole number above the exponents of these
/// keys, and lowers the state by as much.
void LinearEmitter::emitReference(const LinearRows &key, Value valid) {
  Value zero = k.index(0), one = k.index(1);
  Value change = k.scratch(8); // the factor, the reference, the exponent
  k.reduceRows(
      one, k.index(chunk), k.f32(kLowestExponent),
      [&](Value, Value row) {
        Value own = k.subf(k.load(largest, {zero, row}),
                           k.load(halfNorms, {zero, row}));
        return k.select(isValid(key, valid, row), own, k.f32(kLowestExponent));
      },
      [&](Value x, Value y) { return k.maxf(x, y); },
      [&](Value, Value top) {
        Value old = k.load(reference, {zero});
        Value raised = k.maxf(math::CeilOp::create(k.b, k.loc, top), old);
        k.store(k.exp2(k.subf(old, raised)), change, {zero, zero});
        k.store(raised, reference, {zero});
        k.store(k.maxf(top, k.load(reference, {one})), reference, {one});
      });
  Value factor = k.load(change, {zero, zero});
  Value changes = arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::UNE,
                                        factor, k.f32(1));
  k.ifThen(changes, [&] {
    k.forEach({k.index(features), k.index(columns)}, [&](ValueRange at) {
      k.store(k.mulf(k.load(sum, at), factor), sum, at);
    });
    k.forEach({k.dim(norm, 0)}, [&](ValueRange at) {
      k.store(k.mulf(k.load(norm, at), factor), norm, at);
    });
  });
}

/// Features of exponents, in place.
void LinearEmitter::emitProjected(const LinearRows &source, Value valid,
                                  Value result, bool isKey) {
  Value zero = k.index(0), none = k.f32(0);
  emitExponents(source, result);
  if (isSoftmax())
    emitLargest(result);
  if (isSoftmax() && isKey) {
    emitHalfNorms(source);
    emitReference(source, valid);
  }
  Value lowered = isSoftmax() && isKey ? k.load(reference, {zero}) : Value();
  bool isTwofold = map == FeatureMap::SoftmaxHyperbolic;
  k.forEach({k.index(chunk), k.index(draws)}, [&](ValueRange at) {
    Value x = k.load(result, at), isThere = isValid(source, valid, at[0]);
    Value less;
    if (isSoftmax())
      less = isKey ? k.addf(k.load(halfNorms, {zero, at[0]}), lowered)
                   : k.load(largest, {zero, at[0]});
    auto finish = [&](Value exponent, Value column) {
      Value value =
          isSoftmax() ? k.exp2(k.subf(exponent, less)) : applyMap(exponent);
      if (isSoftmax() && !isKey && featureEps != 0)
        value = k.addf(value, k.f32(featureEps));
      k.store(k.select(isThere, value, none), result, {at[0], column});
    };
    finish(x, at[1]);
    if (isTwofold)
      finish(arith::NegFOp::create(k.b, k.loc, x), k.add(at[1], draws));
  });
  if (padded != features)
    k.forEach({k.index(chunk), k.index(padded - features)}, [&](ValueRange at) {
      k.store(none, result, {at[0], k.add(at[1], features)});
    });
}

void LinearEmitter::emitKeyFeatures(LinearRows key, Value valid) {
  keyCount = key.count;
  keyFeatures = k.scratch(chunk, padded);
  if (projection)
    emitProjected(key, valid, keyFeatures, /*isKey=*/true);
  else
    emitPlain(key, valid, keyFeatures);
}

void LinearEmitter::emitQueryFeatures(LinearRows query) {
  queryCount = query.count;
  queryFeatures = k.scratch(chunk, padded);
  if (projection)
    emitProjected(query, Value(), queryFeatures, /*isKey=*/false);
  else
    emitPlain(query, Value(), queryFeatures);
  denominators = k.scratch(chunk);
  k.reduceRows(
      k.index(chunk), k.index(features), k.f32(0),
      [&](Value row, Value feature) {
        return k.mulf(k.load(queryFeatures, {row, feature}),
                      k.load(norm, {feature}));
      },
      [&](Value x, Value y) { return k.addf(x, y); },
      [&](Value row, Value x) {
        k.store(k.addf(x, k.f32(denominatorEps)), denominators,
                {k.index(0), row});
      });
}
