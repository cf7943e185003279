//===- DecomposeLsh.cpp - attn.lsh_attention as linalg --------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The meaning of attn.lsh_attention, dense: ranks by counting, for every pair
// the number of rounds that meet it, and one softmax over the pairs that some
// round meets, weighted by that number. No sort, no gather.
//
//===----------------------------------------------------------------------===//

#include "Decompositions.h"
#include "LshBuilder.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;

static constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// `rho_j^-1`, and 0 for a key of length 0 without an epsilon.
Value LshBuilder::buildInverseNorms(Value x) {
  Value squares = buildGeneric(
      b, loc, {kB, kH, kI, kD}, x, {mapOf({kB, kH, kI, kD}), rowMap},
      filledTensor(b, loc, sizesOf({kB, kH, kI}), type, 0),
      [](OpBuilder &b, Location l, ValueRange in) -> Value {
        Value square = arith::MulFOp::create(b, l, in[0], in[0]);
        return arith::AddFOp::create(b, l, in[1], square);
      });
  double eps = op.getKeyEps().convertToDouble() *
               op.getStaticExtent(LshAttentionOp::kHeadSize);
  return buildGeneric(
      b, loc, {kB, kH, kI}, squares, {rowMap, rowMap},
      empty({kB, kH, kI}, type),
      [&](OpBuilder &b, Location l, ValueRange in) -> Value {
        Value sum = arith::AddFOp::create(b, l, in[0], real(b, eps));
        Value root = math::SqrtOp::create(b, l, sum);
        Value inverse = arith::DivFOp::create(b, l, real(b, 1), root);
        Value isZero = arith::CmpFOp::create(b, l, arith::CmpFPredicate::OEQ,
                                             sum, real(b, 0));
        return arith::SelectOp::create(b, l, isZero, real(b, 0), inverse);
      });
}

/// The positions of the largest of [u; -u], the lowest on ties, over columns
/// [first, first + half) of the projections.
Value LshBuilder::buildDigit(Value projections, int64_t first, int64_t half) {
  SmallVector<OpFoldResult> offsets(5, b.getIndexAttr(0)),
      strides(5, b.getIndexAttr(1)), sizes = sizesOf({kB, kH, kR, kI, kS});
  offsets[4] = b.getIndexAttr(first);
  sizes[4] = b.getIndexAttr(half);
  Value u = tensor::ExtractSliceOp::create(b, loc, projections, offsets, sizes,
                                           strides);
  SmallVector<unsigned> dims{kB, kH, kR, kI, kS};
  AffineMap all = mapOf(dims);
  Value largest =
      buildGeneric(b, loc, dims, u, {all, bucketMap},
                   filledTensor(b, loc, sizesOf({kB, kH, kR, kI}), type, 0),
                   [](OpBuilder &b, Location l, ValueRange in) -> Value {
                     Value size = math::AbsFOp::create(b, l, in[0]);
                     return arith::MaximumFOp::create(b, l, in[1], size);
                   });
  return buildGeneric(
      b, loc, dims, {u, largest}, {all, bucketMap, bucketMap},
      filledIntegers({kB, kH, kR, kI}, 2 * half - 1),
      [&](OpBuilder &b, Location l, ValueRange in) -> Value {
        auto isLargest = [&](Value value) {
          return arith::CmpFOp::create(b, l, arith::CmpFPredicate::OEQ, value,
                                       in[1]);
        };
        Value column = indexOf(b, 4);
        Value opposite = arith::AddIOp::create(b, l, column, integer(b, half));
        Value none = integer(b, 2 * half - 1);
        Value negative = arith::NegFOp::create(b, l, in[0]);
        Value found = arith::SelectOp::create(
            b, l, isLargest(in[0]), column,
            arith::SelectOp::create(b, l, isLargest(negative), opposite, none));
        return arith::MinSIOp::create(b, l, in[2], found);
      });
}

Value LshBuilder::buildHash(Value x) {
  SmallVector<unsigned> dims{kB, kH, kR, kI, kS};
  SmallVector<unsigned> allDims(dims);
  allDims.push_back(kD);
  Value rotations = op.getRotations();
  bool isShared =
      cast<RankedTensorType>(rotations.getType()).getDimSize(0) == 1;
  AffineMap rotationMap = mapOf({kH, kD, kR, kS}, /*isFirstOne=*/isShared);
  Value u = buildGeneric(b, loc, allDims, {x, rotations},
                         {mapOf({kB, kH, kI, kD}), rotationMap, mapOf(dims)},
                         filledTensor(b, loc, sizesOf(dims), type, 0),
                         [&](OpBuilder &b, Location l, ValueRange in) -> Value {
                           Value rotation = convertFloat(b, l, in[1], type);
                           Value product =
                               arith::MulFOp::create(b, l, in[0], rotation);
                           return arith::AddFOp::create(b, l, in[2], product);
                         });
  Value buckets;
  int64_t first = 0, stride = 1;
  for (int64_t factor : op.getBuckets()) {
    Value digit = buildDigit(u, first, factor / 2);
    int64_t step = stride;
    buckets =
        !buckets
            ? digit
            : buildGeneric(
                  b, loc, {kB, kH, kR, kI}, {digit}, {bucketMap, bucketMap},
                  buckets, [&](OpBuilder &b, Location l, ValueRange in) {
                    Value scaled =
                        arith::MulIOp::create(b, l, in[0], integer(b, step));
                    return arith::AddIOp::create(b, l, in[1], scaled)
                        .getResult();
                  });
    first += factor / 2;
    stride *= factor;
  }
  return buckets;
}

/// [B, H, R, N]: buckets, those of invalid tokens being the last.
Value LshBuilder::buildBuckets(Value x) {
  SmallVector<unsigned> dims{kB, kH, kR, kI};
  SmallVector<Value> inputs;
  SmallVector<AffineMap> maps;
  if (Value injected = op.getInjected()) {
    auto injectedType = cast<RankedTensorType>(injected.getType());
    inputs.push_back(injected);
    maps.push_back(mapOf(dims, injectedType.getDimSize(0) == 1,
                         injectedType.getDimSize(1) == 1));
  } else {
    inputs.push_back(buildHash(x));
    maps.push_back(bucketMap);
  }
  bool isPadded = op.getValid() && op.getPadBucket();
  if (isPadded) {
    inputs.push_back(op.getValid());
    maps.push_back(validMap);
  }
  maps.push_back(bucketMap);
  return buildGeneric(
      b, loc, dims, inputs, maps, empty(dims, b.getI64Type()),
      [&](OpBuilder &b, Location l, ValueRange in) -> Value {
        Value bucket = in[0];
        if (!bucket.getType().isInteger(64))
          bucket = arith::ExtSIOp::create(b, l, b.getI64Type(), bucket);
        Value last = integer(b, op.getNumBuckets());
        bucket = arith::MinSIOp::create(b, l, bucket, last);
        bucket = arith::MaxSIOp::create(b, l, bucket, integer(b, 0));
        return isPadded
                   ? Value(arith::SelectOp::create(b, l, in[1], bucket, last))
                   : bucket;
      });
}

/// [B, H, R, N]: how many tokens come before, by (bucket, position), over the
/// chunk's length.
Value LshBuilder::buildChunks(Value buckets) {
  SmallVector<unsigned> dims{kB, kH, kR, kI};
  Value ranks = buildGeneric(
      b, loc, {kB, kH, kR, kI, kJ}, {buckets, buckets},
      {bucketMap, otherBucketMap, bucketMap}, filledIntegers(dims, 0),
      [&](OpBuilder &b, Location l, ValueRange in) -> Value {
        Value isLess = compare(b, arith::CmpIPredicate::slt, in[1], in[0]);
        Value isEqual = compare(b, arith::CmpIPredicate::eq, in[1], in[0]);
        Value isEarlier =
            compare(b, arith::CmpIPredicate::slt, indexOf(b, 4), indexOf(b, 3));
        isEqual = arith::AndIOp::create(b, l, isEqual, isEarlier);
        Value isBefore = arith::OrIOp::create(b, l, isLess, isEqual);
        return arith::AddIOp::create(
            b, l, in[2],
            arith::ExtUIOp::create(b, l, b.getI64Type(), isBefore));
      });
  return buildGeneric(
      b, loc, dims, ranks, {bucketMap, bucketMap}, empty(dims, b.getI64Type()),
      [&](OpBuilder &b, Location l, ValueRange in) -> Value {
        return arith::DivSIOp::create(b, l, in[0], integer(b, op.getChunk()));
      });
}

/// The logarithm of a pair's weight, from how often and in how many rounds the
/// query meets the key.
Value LshBuilder::buildLogWeight(OpBuilder &b, Value entries, Value rounds,
                                 Value isSelf) {
  auto logOf = [&](Value count, double more) -> Value {
    Value number = arith::SIToFPOp::create(b, loc, type, count);
    if (more != 0)
      number = arith::AddFOp::create(b, loc, number, real(b, more));
    return math::LogOp::create(b, loc, number);
  };
  bool isExact = op.getDup() == LshDuplicates::Exact;
  bool hasSelf = op.getSelfMode() != LshSelf::Exclude;
  if (isExact && !op.getWrap() && !hasSelf)
    return real(b, 0);
  Value log = logOf(entries, 0);
  if (op.getDup() == LshDuplicates::None)
    return log;
  Value weight =
      arith::SubFOp::create(b, loc, log, logOf(rounds, isExact ? 0 : 1e-9));
  // The constant form has no correction on the own position.
  return isExact && hasSelf
             ? Value(arith::SelectOp::create(b, loc, isSelf, log, weight))
             : weight;
}

/// What is added to the score of every pair: the logarithm of its weight, -inf
/// where the pair may not attend.
Value LshBuilder::buildLogWeights(Value entries, Value rounds) {
  SmallVector<unsigned> dims{kB, kH, kI, kJ};
  AffineMap map = mapOf(dims);
  SmallVector<Value> inputs{entries, rounds};
  SmallVector<AffineMap> maps{map, map};
  if (op.getValid()) {
    inputs.append({op.getValid(), op.getValid()});
    maps.append({validMap, otherValidMap});
  }
  maps.push_back(map);
  return buildGeneric(
      b, loc, dims, inputs, maps, empty(dims, type),
      [&](OpBuilder &b, Location l, ValueRange in) -> Value {
        Value i = indexOf(b, 2), j = indexOf(b, 3);
        Value isSelf = compare(b, arith::CmpIPredicate::eq, i, j);
        Value met = compare(b, arith::CmpIPredicate::sgt, in[0], integer(b, 0));
        Value allowed = met;
        auto also = [&](Value condition) {
          allowed = arith::AndIOp::create(b, l, allowed, condition);
        };
        if (op.getCausal())
          also(compare(b, arith::CmpIPredicate::sle, j, i));
        if (op.getValid() && op.getMaskQuery())
          also(in[2]);
        if (op.getValid())
          also(in[3]);
        if (op.getSelfMode() == LshSelf::Exclude)
          also(compare(b, arith::CmpIPredicate::ne, i, j));
        if (op.getSelfMode() == LshSelf::Overwrite)
          allowed = arith::OrIOp::create(
              b, l, allowed, arith::AndIOp::create(b, l, met, isSelf));
        Value weight = buildLogWeight(b, in[0], in[1], isSelf);
        return arith::SelectOp::create(b, l, allowed, weight,
                                       real(b, -kInfinity));
      });
}

/// The score mod of the dense attention: the user's, what becomes of the own
/// position, and the weights.
void LshBuilder::fillScoreMod(Region &region, Value logWeights) {
  Type index = b.getIndexType();
  SmallVector<Type> types{type, index, index, index, index};
  OpBuilder::InsertionGuard guard(b);
  Block *block = b.createBlock(&region, region.end(), types,
                               SmallVector<Location>(5, loc));
  ValueRange at = block->getArguments().drop_front();
  Value score = block->getArgument(0);
  if (!op.getScoreMod().empty())
    score = inlineScalarRegion(b, op.getScoreMod(), block->getArguments());
  if (op.getSelfMode() != LshSelf::Exclude) {
    double value = op.getSelfValue().convertToDouble();
    Value isSelf =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, at[2], at[3]);
    Value own = real(b, value);
    if (op.getSelfMode() == LshSelf::Subtract)
      own = arith::SubFOp::create(b, loc, score, real(b, std::abs(value)));
    score = arith::SelectOp::create(b, loc, isSelf, own, score);
  }
  Value weight = tensor::ExtractOp::create(b, loc, logWeights, at);
  Value isLeftOut = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ,
                                          weight, real(b, -kInfinity));
  Value sum = arith::AddFOp::create(b, loc, score, weight);
  YieldOp::create(b, loc,
                  arith::SelectOp::create(b, loc, isLeftOut, weight, sum));
}

/// The softmax over all pairs: output and log-sum-exp.
SmallVector<Value> LshBuilder::buildSoftmax(Value query, Value key, Value value,
                                            Value logWeights) {
  using A = AttentionOp;
  auto map = [&](ArrayRef<unsigned> dims) {
    auto exprs = llvm::map_to_vector(
        dims, [&](unsigned dim) { return b.getAffineDimExpr(dim); });
    return AffineMap::get(A::kNumDims, 0, exprs, b.getContext());
  };
  SmallVector<AffineMap> maps{
      map({A::kBatch, A::kHead, A::kQuery, A::kHeadSize}),
      map({A::kBatch, A::kHead, A::kKey, A::kHeadSize}),
      map({A::kBatch, A::kHead, A::kKey, A::kValueSize}),
      map({A::kBatch, A::kHead, A::kQuery, A::kValueSize}),
      map({A::kBatch, A::kHead, A::kQuery})};
  Value output = empty({kB, kH, kI, kE}, type), lse = empty({kB, kH, kI}, type);
  auto attention = AttentionOp::create(
      b, loc, TypeRange{output.getType(), lse.getType()}, query, key, value,
      Value(), Value(), output, lse, b.getAffineMapArrayAttr(maps),
      MaskAttrInterface(), op.getScaleAttr(), FloatAttr());
  fillScoreMod(attention.getScoreMod(), logWeights);
  SmallVector<Value> results = decomposeAttention(b, attention);
  attention.erase();
  return results;
}

/// In the layouts of the results; a query that saw nothing gives its own value.
SmallVector<Value> LshBuilder::buildResults(Value output, Value lse,
                                            Value value) {
  SmallVector<unsigned> dims{kB, kH, kI, kE};
  SmallVector<Value> inputs{output, lse, value};
  SmallVector<AffineMap> maps{mapOf(dims), rowMap, mapOf(dims)};
  if (op.getValid()) {
    inputs.push_back(op.getValid());
    maps.push_back(validMap);
  }
  maps.push_back(fromDomain(op.getOutputMap()));
  auto element = cast<FloatType>(
      cast<RankedTensorType>(op.getOutput().getType()).getElementType());
  SmallVector<Value> results;
  results.push_back(buildGeneric(
      b, loc, dims, inputs, maps, op.getOutput(),
      [&](OpBuilder &b, Location l, ValueRange in) -> Value {
        Value isEmpty = arith::CmpFOp::create(b, l, arith::CmpFPredicate::OEQ,
                                              in[1], real(b, -kInfinity));
        Value own = in[2];
        if (op.getValid())
          own = arith::SelectOp::create(b, l, in[3], own, real(b, 0));
        Value result = arith::SelectOp::create(b, l, isEmpty, own, in[0]);
        return convertFloat(b, l, result, element);
      }));
  if (op.getLse())
    results.push_back(buildGeneric(
        b, loc, {kB, kH, kI}, lse, {rowMap, fromDomain(op.getLseMap())},
        op.getLse(),
        [](OpBuilder &, Location, ValueRange in) { return in[0]; }));
  return results;
}

SmallVector<Value> LshBuilder::build() {
  if (ShapedType::isDynamic(op.getStaticExtent(LshAttentionOp::kPosition))) {
    Value fits = arith::CmpIOp::create(
        b, loc, arith::CmpIPredicate::sge, n,
        arith::ConstantIndexOp::create(b, loc, op.getChunk()));
    cf::AssertOp::create(b, loc, fits, getLshLengthMessage(op));
  }
  Value x =
      buildCopy(op.getX(), op.getXMap(), kD, /*isZeroedWhereInvalid=*/true);
  // Invalid tokens that hash or ask like others do so with what they hold.
  Value raw = op.getValid() && !(op.getMaskQuery() && op.getPadBucket())
                  ? buildCopy(op.getX(), op.getXMap(), kD, false)
                  : x;
  Value query = op.getMaskQuery() ? x : raw;
  Value value = buildCopy(op.getValue(), op.getValueMap(), kE, false);
  Value inverse = buildInverseNorms(x);
  AffineMap map = mapOf({kB, kH, kI, kD});
  Value key =
      buildGeneric(b, loc, {kB, kH, kI, kD}, {x, inverse}, {map, rowMap, map},
                   empty({kB, kH, kI, kD}, type),
                   [](OpBuilder &b, Location l, ValueRange in) -> Value {
                     return arith::MulFOp::create(b, l, in[0], in[1]);
                   });
  Value buckets = buildBuckets(op.getPadBucket() ? x : raw);
  auto [entries, rounds] = buildCounts(buildChunks(buckets), buckets);
  Value logWeights = buildLogWeights(entries, rounds);
  SmallVector<Value> dense = buildSoftmax(query, key, value, logWeights);
  return buildResults(dense[0], dense[1], value);
}

std::string mlir::attn::getLshLengthMessage(LshAttentionOp op) {
  return ("expected a sequence of at least one chunk of " +
          Twine(op.getChunk()) + " tokens")
      .str();
}

SmallVector<Value> mlir::attn::decomposeLsh(OpBuilder &builder,
                                            LshAttentionOp op) {
  return LshBuilder(builder, op).build();
}
