//===- LshBuilder.h - attn.lsh_attention in steps ---------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The steps of the dense form of attn.lsh_attention over one domain: batch,
// head, round, position, other position, head or value size, column of the
// rotations, other round.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CONVERSION_ATTNTOLINALG_LSHBUILDER_H
#define ATTN_LIB_CONVERSION_ATTNTOLINALG_LSHBUILDER_H

#include "ScoreBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace mlir::attn {

class LshBuilder {
public:
  LshBuilder(OpBuilder &builder, LshAttentionOp op);
  SmallVector<Value> build();

private:
  enum Dim : unsigned { kB, kH, kR, kI, kJ, kD, kE, kS, kP, kNumDims };

  // The steps.
  Value buildCopy(Value source, AffineMap map, unsigned inner,
                  bool isZeroedWhereInvalid);
  Value buildInverseNorms(Value x);
  Value buildHash(Value x);
  Value buildDigit(Value projections, int64_t first, int64_t half);
  Value buildBuckets(Value x);
  Value buildChunks(Value buckets);
  /// For every pair, how often a query meets the key (more often than once a
  /// round where the axis of chunks wraps), and in how many rounds.
  std::pair<Value, Value> buildCounts(Value chunks, Value buckets);
  Value countRounds(Value chunks, Value buckets);
  Value countWrapped(Value chunks, Value buckets, bool isOwnRoundOnly);
  Value sumOverRounds(Value perRound, bool countsRounds);
  Value buildLogWeight(OpBuilder &builder, Value entries, Value rounds,
                       Value isSelf);
  Value buildLogWeights(Value entries, Value rounds);
  void fillScoreMod(Region &region, Value logWeights);
  SmallVector<Value> buildSoftmax(Value query, Value key, Value value,
                                  Value logWeights);
  SmallVector<Value> buildResults(Value output, Value lse, Value value);

  // Words.
  AffineMap mapOf(ArrayRef<unsigned> dims, bool isFirstOne = false,
                  bool isSecondOne = false);
  AffineMap fromDomain(AffineMap map, unsigned position = kI);
  SmallVector<OpFoldResult> sizesOf(ArrayRef<unsigned> dims);
  Value empty(ArrayRef<unsigned> dims, Type element);
  Value filledIntegers(ArrayRef<unsigned> dims, int64_t value);
  Value real(OpBuilder &builder, double value) {
    return floatConstant(builder, loc, type, value);
  }
  Value integer(OpBuilder &builder, int64_t value) {
    return arith::ConstantIntOp::create(builder, loc, value, 64);
  }
  Value indexOf(OpBuilder &builder, int64_t position);
  Value compare(OpBuilder &builder, arith::CmpIPredicate predicate, Value x,
                Value y) {
    return arith::CmpIOp::create(builder, loc, predicate, x, y);
  }

  OpBuilder &b;
  LshAttentionOp op;
  Location loc;
  FloatType type;
  SmallVector<OpFoldResult> extents;
  Value n; ///< the sequence's length
  AffineMap rowMap, bucketMap, otherBucketMap, validMap, otherValidMap;
};

} // namespace mlir::attn

#endif // ATTN_LIB_CONVERSION_ATTNTOLINALG_LSHBUILDER_H
