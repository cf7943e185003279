//===- ScoreBuilder.h - the steps of a softmax as linalg --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scores, maximum, exponentials, sums: the steps that attn.attention and
// attn.online_attention share when they are written as linalg. The two differ
// in their domains, in the exponent's base and in where they start from.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_CONVERSION_ATTNTOLINALG_SCOREBUILDER_H
#define ATTN_LIB_CONVERSION_ATTNTOLINALG_SCOREBUILDER_H

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace mlir::attn {
/// A float converted to another float type.
Value convertFloat(OpBuilder &builder, Location loc, Value value,
                   FloatType type);
/// A float constant of `type`.
Value floatConstant(OpBuilder &builder, Location loc, FloatType type,
                    double value);
/// A tensor of `type` with every element set to `value`.
Value filledTensor(OpBuilder &builder, Location loc,
                   ArrayRef<OpFoldResult> sizes, FloatType type, double value);
/// The subtrahend of exponents: `max`, and 0 for a row without any score, so
/// that -inf - -inf does not arise.
Value finiteMax(OpBuilder &builder, Location loc, Value max);

/// Clones a region of one block that ends in attn.yield, with `arguments` in
/// place of the block's; what it yields.
Value inlineScalarRegion(OpBuilder &builder, Region &region,
                         ValueRange arguments);

using ScalarBody = function_ref<Value(OpBuilder &, Location, ValueRange)>;

/// One linalg.generic with one destination over the dimensions `dims` of a
/// larger domain. `maps` are those of the inputs and the destination over the
/// larger domain; dimensions that the destination lacks are reduced.
Value buildGeneric(OpBuilder &builder, Location loc, ArrayRef<unsigned> dims,
                   ValueRange inputs, ArrayRef<AffineMap> maps,
                   Value destination, ScalarBody body);

/// Where a pair of query and key stands in the whole problem.
struct PairPosition {
  Value batch, head, query, key;
};

/// A softmax over keys, independent of the operation that it came from. Maps
/// are over a domain of `numDims` dimensions.
class ScoreBuilder {
public:
  ScoreBuilder(OpBuilder &builder, Location loc) : builder(builder), loc(loc) {}

  Value query, key, value, bias, keyValid, relative, relativeQuery;
  AffineMap queryMap, keyMap, valueMap, biasMap, keyValidMap, relativeMap;
  unsigned queryDim = 0, keyDim = 0, headSizeDim = 0, valueSizeDim = 0;
  /// The dimensions of a row of scores (without the key), in the order that
  /// tensors of scores have them.
  SmallVector<unsigned> rowDims;
  /// The extents of all dimensions of the domain.
  SmallVector<OpFoldResult> extents;
  double scale = 1;
  std::optional<double> softcap;
  /// 1 for exponents of base e, log2(e) for base 2.
  double exponentUnit = 1;
  MaskAttrInterface mask;
  Region *scoreMod = nullptr;
  /// Lengths that masks refer to.
  Value numQueries, numKeys;
  FloatType type;
  /// From the indices of the domain (null for dimensions outside rowDims and
  /// key) to the pair's position.
  std::function<PairPosition(OpBuilder &, ArrayRef<Value>)> position;

  /// [rows, key]: finished scores, -inf for a pair that may not attend.
  Value buildScores();
  /// [rows]: the maximum of `init` and the scores.
  Value buildMax(Value scores, Value init);
  /// [rows, key]: base ^ (score - max).
  Value buildWeights(Value scores, Value max);
  /// [rows]: `init` plus the sum of the weights.
  Value buildSum(Value weights, Value init);
  /// [rows, value size]: `init` plus the weighted sum of the values.
  Value buildAccumulator(Value scores, Value weights, Value init);

  SmallVector<OpFoldResult> sizesOf(ArrayRef<unsigned> dims) const;
  SmallVector<unsigned> rowsAnd(unsigned dim) const;
  AffineMap mapOf(ArrayRef<unsigned> dims) const;

private:
  Value buildProducts();
  Value buildRelativeProducts(Value products);
  bool isRelative(AffineExpr expr) const;
  bool hasRelativeBias() const {
    return bias && llvm::any_of(biasMap.getResults(), [&](AffineExpr expr) {
             return isRelative(expr);
           });
  }
  Value readRelative(OpBuilder &b, Value tensor, AffineMap map,
                     ArrayRef<unsigned> dims);
  Value finishScore(OpBuilder &b, Value score, Value biasElement, Value isValid,
                    ArrayRef<unsigned> dims);

  OpBuilder &builder;
  Location loc;
};
} // namespace mlir::attn

#endif // ATTN_LIB_CONVERSION_ATTNTOLINALG_SCOREBUILDER_H
