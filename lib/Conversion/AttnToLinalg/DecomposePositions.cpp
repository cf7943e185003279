//===- DecomposePositions.cpp - positions as linalg -----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rotations, sinusoids and biases by relative position. What depends on the
// position alone is a small table of its own, made once for all heads.
//
//===----------------------------------------------------------------------===//

#include "Decompositions.h"
#include "ScoreBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>
#include <numbers>

using namespace mlir;
using namespace mlir::attn;

namespace {
/// Short words for one decomposition.
struct TableBuilder {
  OpBuilder &b;
  Location loc;

  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(b, loc, value);
  }
  Value integer(int64_t value) {
    return arith::ConstantIntOp::create(b, loc, b.getI64Type(), value);
  }
  Value asInteger(Value value) {
    return arith::IndexCastOp::create(b, loc, b.getI64Type(), value);
  }
  Value asFloat(Value integer, FloatType type) {
    return arith::SIToFPOp::create(b, loc, type, integer);
  }
  Value vectorOf(ArrayRef<double> values, FloatType type) {
    SmallVector<Attribute> elements;
    for (double value : values)
      elements.push_back(b.getFloatAttr(type, value));
    auto shaped =
        RankedTensorType::get({static_cast<int64_t>(values.size())}, type);
    return arith::ConstantOp::create(b, loc,
                                     DenseElementsAttr::get(shaped, elements));
  }
  /// An element-wise linalg.generic; maps are of the inputs, the destination's
  /// is the identity.
  Value mapped(ValueRange inputs, ArrayRef<AffineMap> inputMaps, Value init,
               ScalarBody body) {
    unsigned rank = cast<RankedTensorType>(init.getType()).getRank();
    SmallVector<AffineMap> maps(inputMaps);
    maps.push_back(b.getMultiDimIdentityMap(rank));
    SmallVector<utils::IteratorType> iterators(rank,
                                               utils::IteratorType::parallel);
    return linalg::GenericOp::create(
               b, loc, init.getType(), inputs, init, maps, iterators,
               [&](OpBuilder &inner, Location l, ValueRange arguments) {
                 linalg::YieldOp::create(inner, l, body(inner, l, arguments));
               })
        .getResult(0);
  }
  AffineMap mapTo(unsigned rank, ArrayRef<unsigned> dims) {
    return AffineMap::getMultiDimMapWithTargets(rank, dims, b.getContext());
  }
};

FloatType elementOf(Value tensor) {
  return cast<FloatType>(
      cast<RankedTensorType>(tensor.getType()).getElementType());
}

FloatType accumulatorOf(OpBuilder &b, FloatType type) {
  return type.isF64() ? type : FloatType(b.getF32Type());
}

/// base^(-2t/D) for t < D/2.
SmallVector<double> frequencies(int64_t size, double base) {
  SmallVector<double> all;
  for (int64_t t = 0; t < size / 2; ++t)
    all.push_back(std::pow(base, -2.0 * double(t) / double(size)));
  return all;
}

/// Sine or cosine of `position * frequency`, both f64. Whole turns are taken
/// off before the angle is rounded to `type`.
Value waveAt(OpBuilder &b, Location loc, Value position, Value frequency,
             bool isSine, FloatType type) {
  FloatType f64 = b.getF64Type();
  auto constant = [&](double value) {
    return floatConstant(b, loc, f64, value);
  };
  Value angle = arith::MulFOp::create(b, loc, position, frequency);
  Value turns = math::RoundEvenOp::create(
      b, loc,
      arith::MulFOp::create(b, loc, angle, constant(0.5 / std::numbers::pi)));
  Value whole =
      arith::MulFOp::create(b, loc, turns, constant(2 * std::numbers::pi));
  Value rest =
      convertFloat(b, loc, arith::SubFOp::create(b, loc, angle, whole), type);
  return isSine ? Value(math::SinOp::create(b, loc, rest))
                : Value(math::CosOp::create(b, loc, rest));
}

/// A slice of every `stride`-th element of the last dimension.
struct LastDimSlice {
  SmallVector<OpFoldResult> offsets, sizes, strides;

  LastDimSlice(OpBuilder &b, Location loc, Value tensor, int64_t offset,
               int64_t stride)
      : sizes(tensor::getMixedSizes(b, loc, tensor)) {
    offsets.assign(sizes.size(), b.getIndexAttr(0));
    strides.assign(sizes.size(), b.getIndexAttr(1));
    offsets.back() = b.getIndexAttr(offset);
    strides.back() = b.getIndexAttr(stride);
    sizes.back() = b.getIndexAttr(*getConstantIntValue(sizes.back()) / 2);
  }
  Value extract(OpBuilder &b, Location loc, Value tensor) {
    return tensor::ExtractSliceOp::create(b, loc, tensor, offsets, sizes,
                                          strides);
  }
  Value insert(OpBuilder &b, Location loc, Value part, Value tensor) {
    return tensor::InsertSliceOp::create(b, loc, part, tensor, offsets, sizes,
                                         strides);
  }
};

/// Position of row `row`, as f64: first + row, or first - row.
Value positionOf(TableBuilder &t, Value first, Value row, bool isDescending) {
  Value at = row;
  if (isDescending)
    at = arith::SubIOp::create(t.b, t.loc, first, row);
  else if (first)
    at = arith::AddIOp::create(t.b, t.loc, first, row);
  return t.asFloat(t.asInteger(at), t.b.getF64Type());
}
} // namespace

SmallVector<Value> mlir::attn::decomposeRotary(OpBuilder &builder,
                                               RotaryOp op) {
  Location loc = op.getLoc();
  TableBuilder t{builder, loc};
  auto type = cast<RankedTensorType>(op.getInput().getType());
  FloatType element = elementOf(op.getInput()),
            wide = accumulatorOf(builder, element);
  unsigned rank = type.getRank(), dim = op.getDim();
  int64_t size = type.getShape().back();
  Value table = t.vectorOf(frequencies(size, op.getBase().convertToDouble()),
                           builder.getF64Type());
  OpFoldResult rows = tensor::getMixedSize(builder, loc, op.getInput(), dim);
  auto wave = [&](bool isSine) {
    Value empty = tensor::EmptyOp::create(
        builder, loc, {rows, builder.getIndexAttr(size / 2)}, wide);
    return t.mapped(table, t.mapTo(2, {1}), empty,
                    [&](OpBuilder &b, Location l, ValueRange in) {
                      TableBuilder inner{b, l};
                      Value row = linalg::IndexOp::create(b, l, 0);
                      return waveAt(
                          b, l, positionOf(inner, op.getFirst(), row, false),
                          in[0], isSine, wide);
                    });
  };
  Value cosine = wave(false), sine = wave(true);
  bool isHalf = op.getPairing() == Pairing::Half;
  int64_t stride = isHalf ? 1 : 2;
  LastDimSlice left(builder, loc, op.getInput(), 0, stride),
      right(builder, loc, op.getInput(), isHalf ? size / 2 : 1, stride);
  Value a = left.extract(builder, loc, op.getInput()),
        b = right.extract(builder, loc, op.getInput());
  AffineMap whole = builder.getMultiDimIdentityMap(rank),
            waves = t.mapTo(rank, {dim, rank - 1});
  /// x cos - y sin, or x cos + y sin.
  auto rotate = [&](Value x, Value y, bool isLeft, Value init) {
    return t.mapped(
        {x, y, cosine, sine}, {whole, whole, waves, waves}, init,
        [&](OpBuilder &in, Location l, ValueRange arguments) {
          Value first = arith::MulFOp::create(
              in, l, convertFloat(in, l, arguments[0], wide), arguments[2]);
          Value second = arith::MulFOp::create(
              in, l, convertFloat(in, l, arguments[1], wide), arguments[3]);
          Value sum = isLeft
                          ? Value(arith::SubFOp::create(in, l, first, second))
                          : Value(arith::AddFOp::create(in, l, first, second));
          return convertFloat(in, l, sum, element);
        });
  };
  Value result = op.getOutput();
  result = left.insert(builder, loc,
                       rotate(a, b, true, left.extract(builder, loc, result)),
                       result);
  result = right.insert(
      builder, loc, rotate(b, a, false, right.extract(builder, loc, result)),
      result);
  return {result};
}

SmallVector<Value> mlir::attn::decomposeSinusoid(OpBuilder &builder,
                                                 SinusoidOp op) {
  Location loc = op.getLoc();
  TableBuilder t{builder, loc};
  FloatType element = elementOf(op.getOutput()),
            wide = accumulatorOf(builder, element);
  int64_t size = cast<RankedTensorType>(op.getOutput().getType()).getDimSize(1);
  Value table = t.vectorOf(frequencies(size, 10000.0), builder.getF64Type()),
        result = op.getOutput();
  for (bool isSine : {true, false}) {
    LastDimSlice part(builder, loc, result, isSine ? 0 : size / 2, 1);
    Value wave = t.mapped(
        table, t.mapTo(2, {1}), part.extract(builder, loc, result),
        [&](OpBuilder &b, Location l, ValueRange in) {
          TableBuilder inner{b, l};
          Value row = linalg::IndexOp::create(b, l, 0);
          Value at = positionOf(inner, op.getFirst(), row, op.getDescending());
          return convertFloat(b, l, waveAt(b, l, at, in[0], isSine, wide),
                              element);
        });
    result = part.insert(builder, loc, wave, result);
  }
  return {result};
}

SmallVector<Value> mlir::attn::decomposeAlibi(OpBuilder &builder, AlibiOp op) {
  Location loc = op.getLoc();
  TableBuilder t{builder, loc};
  FloatType element = elementOf(op.getOutput()),
            wide = accumulatorOf(builder, element);
  int64_t heads =
      cast<RankedTensorType>(op.getOutput().getType()).getDimSize(0);
  Value slopes = t.vectorOf(AlibiOp::getSlopes(heads), wide);
  return {t.mapped(
      slopes, t.mapTo(2, {0}), op.getOutput(),
      [&](OpBuilder &b, Location l, ValueRange in) {
        TableBuilder inner{b, l};
        Value last = arith::SubIOp::create(b, l, op.getKeys(), inner.index(1));
        Value column = linalg::IndexOp::create(b, l, 1);
        Value ahead = inner.asFloat(
            inner.asInteger(arith::SubIOp::create(b, l, column, last)), wide);
        if (op.getBidirectional())
          ahead =
              arith::NegFOp::create(b, l, math::AbsFOp::create(b, l, ahead));
        return convertFloat(b, l, arith::MulFOp::create(b, l, in[0], ahead),
                            element);
      })};
}

/// The least distances of the buckets after those of one distance each.
static SmallVector<int64_t> bucketStarts(int64_t exact, int64_t buckets,
                                         int64_t maxDistance) {
  SmallVector<int64_t> starts;
  for (int64_t k = 1; k < buckets - exact; ++k) {
    double start =
        double(exact) * std::pow(double(maxDistance) / double(exact),
                                 double(k) / double(buckets - exact));
    // A whole number is not to be missed by rounding.
    starts.push_back(static_cast<int64_t>(std::ceil(start - 1e-9 * start)));
  }
  return starts;
}

SmallVector<Value> mlir::attn::decomposeBucketBias(OpBuilder &builder,
                                                   BucketBiasOp op) {
  TableBuilder t{builder, op.getLoc()};
  int64_t buckets =
      cast<RankedTensorType>(op.getTable().getType()).getDimSize(0);
  bool bothWays = op.getBidirectional();
  int64_t own = bothWays ? buckets / 2 : buckets, exact = own / 2;
  SmallVector<int64_t> starts = bucketStarts(exact, own, op.getMaxDistance());
  return {t.mapped(
      {}, {}, op.getOutput(), [&](OpBuilder &b, Location l, ValueRange) {
        TableBuilder in{b, l};
        auto integer = [&](Value flag) {
          return arith::ExtUIOp::create(b, l, b.getI64Type(), flag);
        };
        auto compare = [&](arith::CmpIPredicate predicate, Value x, int64_t y) {
          return arith::CmpIOp::create(b, l, predicate, x, in.integer(y));
        };
        Value last = arith::SubIOp::create(b, l, op.getKeys(), in.index(1));
        Value column = linalg::IndexOp::create(b, l, 1);
        Value ahead = in.asInteger(arith::SubIOp::create(b, l, column, last));
        Value behind = arith::SubIOp::create(b, l, in.integer(0), ahead);
        Value distance =
            bothWays
                ? Value(arith::MaxSIOp::create(b, l, ahead, behind))
                : Value(arith::MaxSIOp::create(b, l, behind, in.integer(0)));
        Value bucket =
            arith::MinSIOp::create(b, l, distance, in.integer(exact));
        for (int64_t start : starts)
          bucket = arith::AddIOp::create(
              b, l, bucket,
              integer(compare(arith::CmpIPredicate::sge, distance, start)));
        if (bothWays) {
          Value isAhead = compare(arith::CmpIPredicate::sgt, ahead, 0);
          bucket = arith::AddIOp::create(
              b, l, bucket,
              arith::MulIOp::create(b, l, integer(isAhead), in.integer(own)));
        }
        Value at = arith::IndexCastOp::create(b, l, b.getIndexType(), bucket);
        Value head = linalg::IndexOp::create(b, l, 0);
        return Value(tensor::ExtractOp::create(b, l, op.getTable(),
                                               ValueRange{at, head}));
      })};
}
