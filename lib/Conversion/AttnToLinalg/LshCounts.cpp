//===- LshCounts.cpp - which rounds of LSH meet a pair --------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How often a query meets a key over all rounds, with and without the rolled
// axis of chunks of the public implementations; and the words that LshBuilder
// is written in.
//
//===----------------------------------------------------------------------===//

#include "LshBuilder.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::attn;

LshBuilder::LshBuilder(OpBuilder &builder, LshAttentionOp op)
    : b(builder), op(op), loc(op.getLoc()), type(op.getAccumulatorType()) {
  using L = LshAttentionOp;
  int64_t columns = 0;
  for (int64_t factor : op.getBuckets())
    columns += factor / 2;
  OpFoldResult rounds = b.getIndexAttr(op.getRounds());
  OpFoldResult length = op.getExtent(b, loc, L::kPosition);
  extents = {op.getExtent(b, loc, L::kBatch),
             op.getExtent(b, loc, L::kHead),
             rounds,
             length,
             length,
             op.getExtent(b, loc, L::kHeadSize),
             op.getExtent(b, loc, L::kValueSize),
             b.getIndexAttr(columns),
             rounds};
  n = getValueOrCreateConstantIndexOp(b, loc, length);
  rowMap = mapOf({kB, kH, kI});
  bucketMap = mapOf({kB, kH, kR, kI});
  otherBucketMap = mapOf({kB, kH, kR, kJ});
  if (op.getValid()) {
    validMap = fromDomain(op.getValidMap());
    otherValidMap = fromDomain(op.getValidMap(), kJ);
  }
}

AffineMap LshBuilder::mapOf(ArrayRef<unsigned> dims, bool isFirstOne,
                            bool isSecondOne) {
  SmallVector<AffineExpr> exprs = llvm::map_to_vector(
      dims, [&](unsigned dim) { return b.getAffineDimExpr(dim); });
  if (isFirstOne)
    exprs[0] = b.getAffineConstantExpr(0);
  if (isSecondOne)
    exprs[1] = b.getAffineConstantExpr(0);
  return AffineMap::get(kNumDims, 0, exprs, b.getContext());
}

/// A map over the operation's dimensions, over ours.
AffineMap LshBuilder::fromDomain(AffineMap map, unsigned position) {
  SmallVector<AffineExpr> dims;
  for (unsigned dim :
       {unsigned(kB), unsigned(kH), position, unsigned(kD), unsigned(kE)})
    dims.push_back(b.getAffineDimExpr(dim));
  return map.replaceDimsAndSymbols(dims, {}, kNumDims, 0);
}

SmallVector<OpFoldResult> LshBuilder::sizesOf(ArrayRef<unsigned> dims) {
  return llvm::map_to_vector(dims, [&](unsigned dim) { return extents[dim]; });
}

Value LshBuilder::empty(ArrayRef<unsigned> dims, Type element) {
  return tensor::EmptyOp::create(b, loc, sizesOf(dims), element);
}

Value LshBuilder::filledIntegers(ArrayRef<unsigned> dims, int64_t value) {
  return linalg::FillOp::create(b, loc, integer(b, value),
                                empty(dims, b.getI64Type()))
      .getResult(0);
}

Value LshBuilder::indexOf(OpBuilder &builder, int64_t position) {
  Value index = linalg::IndexOp::create(builder, loc, position);
  return arith::IndexCastOp::create(builder, loc, builder.getI64Type(), index);
}

/// The operand as [B, H, N, inner] in the accumulator's type.
Value LshBuilder::buildCopy(Value source, AffineMap map, unsigned inner,
                            bool isZeroedWhereInvalid) {
  SmallVector<unsigned> dims{kB, kH, kI, inner};
  SmallVector<Value> inputs{source};
  SmallVector<AffineMap> maps{fromDomain(map)};
  bool isSelected = isZeroedWhereInvalid && op.getValid();
  if (isSelected) {
    inputs.push_back(op.getValid());
    maps.push_back(validMap);
  }
  maps.push_back(mapOf(dims));
  return buildGeneric(b, loc, dims, inputs, maps, empty(dims, type),
                      [&](OpBuilder &b, Location l, ValueRange in) -> Value {
                        Value value = convertFloat(b, l, in[0], type);
                        return isSelected ? Value(arith::SelectOp::create(
                                                b, l, in[1], value, real(b, 0)))
                                          : value;
                      });
}

/// Rounds whose window holds the pair, without a rolled axis.
Value LshBuilder::countRounds(Value chunks, Value buckets) {
  SmallVector<unsigned> dims{kB, kH, kI, kJ};
  int64_t back = op.getLookBack(), ahead = op.getLookAhead();
  return buildGeneric(
      b, loc, {kB, kH, kI, kJ, kR}, {chunks, chunks, buckets, buckets},
      {bucketMap, otherBucketMap, bucketMap, otherBucketMap, mapOf(dims)},
      filledIntegers(dims, 0),
      [&](OpBuilder &b, Location l, ValueRange in) -> Value {
        Value distance = arith::SubIOp::create(b, l, in[1], in[0]);
        Value isMet = arith::AndIOp::create(
            b, l,
            compare(b, arith::CmpIPredicate::sge, distance, integer(b, -back)),
            compare(b, arith::CmpIPredicate::sle, distance, integer(b, ahead)));
        if (op.getSameBucket())
          isMet = arith::AndIOp::create(
              b, l, isMet, compare(b, arith::CmpIPredicate::eq, in[2], in[3]));
        Value one = arith::ExtUIOp::create(b, l, b.getI64Type(), isMet);
        return arith::AddIOp::create(b, l, in[4], one);
      });
}

/// [B, H, N, N, R]: how often the window of the query's chunk in a round holds
/// the key, on one rolled axis of the chunks of all rounds.
Value LshBuilder::countWrapped(Value chunks, Value buckets,
                               bool isOwnRoundOnly) {
  SmallVector<unsigned> dims{kB, kH, kI, kJ, kR};
  AffineMap keyMap = mapOf({kB, kH, kP, kJ});
  int64_t chunk = op.getChunk(), numRounds = op.getRounds();
  Value length = arith::IndexCastOp::create(b, loc, b.getI64Type(), n);
  Value perRound =
      arith::CeilDivSIOp::create(b, loc, length, integer(b, chunk));
  Value axis = arith::MulIOp::create(b, loc, perRound, integer(b, numRounds));
  int64_t back = op.getLookBack(), ahead = op.getLookAhead();
  return buildGeneric(
      b, loc, {kB, kH, kI, kJ, kR, kP}, {chunks, chunks, buckets, buckets},
      {bucketMap, keyMap, bucketMap, keyMap, mapOf(dims)},
      filledIntegers(dims, 0),
      [&](OpBuilder &b, Location l, ValueRange in) -> Value {
        Value round = indexOf(b, 4), keyRound = indexOf(b, 5);
        Value offset = arith::MulIOp::create(
            b, l, arith::SubIOp::create(b, l, keyRound, round), perRound);
        Value distance = arith::AddIOp::create(
            b, l, offset, arith::SubIOp::create(b, l, in[1], in[0]));
        auto turns = [&](int64_t limit) {
          return arith::FloorDivSIOp::create(
              b, l, arith::SubIOp::create(b, l, integer(b, limit), distance),
              axis);
        };
        Value count =
            arith::SubIOp::create(b, l, turns(ahead), turns(-back - 1));
        Value isMet = arith::ConstantIntOp::create(b, l, 1, 1);
        if (op.getSameBucket())
          isMet = compare(b, arith::CmpIPredicate::eq, in[2], in[3]);
        if (isOwnRoundOnly || op.getSameBucket())
          isMet = arith::AndIOp::create(
              b, l, isMet,
              compare(b, arith::CmpIPredicate::eq, round, keyRound));
        count = arith::SelectOp::create(b, l, isMet, count, integer(b, 0));
        return arith::AddIOp::create(b, l, in[4], count);
      });
}

/// The sum over rounds, or the number of rounds in which it is not 0.
Value LshBuilder::sumOverRounds(Value perRound, bool countsRounds) {
  SmallVector<unsigned> dims{kB, kH, kI, kJ};
  return buildGeneric(
      b, loc, {kB, kH, kI, kJ, kR}, perRound,
      {mapOf({kB, kH, kI, kJ, kR}), mapOf(dims)}, filledIntegers(dims, 0),
      [&](OpBuilder &b, Location l, ValueRange in) -> Value {
        Value count = in[0];
        if (countsRounds)
          count = arith::MinSIOp::create(b, l, count, integer(b, 1));
        return arith::AddIOp::create(b, l, in[1], count);
      });
}

std::pair<Value, Value> LshBuilder::buildCounts(Value chunks, Value buckets) {
  if (!op.getWrap()) {
    Value rounds = countRounds(chunks, buckets);
    return {rounds, rounds};
  }
  Value perRound = countWrapped(chunks, buckets, /*isOwnRoundOnly=*/false);
  Value entries = sumOverRounds(perRound, /*countsRounds=*/false);
  if (op.getDup() == LshDuplicates::Exact)
    return {entries, sumOverRounds(perRound, /*countsRounds=*/true)};
  if (op.getDup() == LshDuplicates::None)
    return {entries, entries};
  Value own = countWrapped(chunks, buckets, /*isOwnRoundOnly=*/true);
  return {entries, sumOverRounds(own, /*countsRounds=*/false)};
}
