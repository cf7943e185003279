//===- LinearAttention.h - builds the kernels of linear attention -*- C++ -*-=//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The steps that attn.linear_state, attn.linear_output and attn.linear_chunk
// are made of: features in shared memory, and the products of the recurrence.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_NVVM_LINEARATTENTION_H
#define ATTN_LIB_TARGET_NVVM_LINEARATTENTION_H

#include "BlockBuilder.h"

namespace mlir::attn::nvvm {

/// Below every exponent, and finite.
constexpr double kLowestExponent = -1e30;

/// phi of an element, for maps that are not softmax maps.
Value applyFeatureMap(FragmentBuilder &f, FeatureMap map, Region &custom,
                      double eps, Value x);

/// Rows of an operand: [position, column] in the order of its map.
struct LinearRows {
  Value memref, count;
  unsigned row = 0, column = 0; ///< positions in the memref
  int64_t width = 0;
  Value first = {}; ///< the row of the memref that is row 0; null for 0
};
LinearRows makeLinearRows(IndexMath &math, Value memref, Attribute map,
                          unsigned row, unsigned column);

class LinearEmitter {
public:
  template <typename OpTy>
  LinearEmitter(OpBuilder &builder, OpTy op, Kernel &kernel)
      : k(builder, op.getLoc(), kernel), map(op.getFeatureMap()),
        region(op.getFeature()), projection(op.getProjection()),
        sum(op.getSum()), norm(op.getNorm()), reference(op.getReference()),
        scale(op.getScale().convertToDouble()),
        featureEps(op.getFeatureEps().convertToDouble()),
        denominatorEps(op.getDenominatorEps().convertToDouble()) {
    setUp(op.getChunk());
  }

  LinearRows makeRows(Value memref, Attribute map, unsigned row,
                      unsigned column) {
    return makeLinearRows(k, memref, map, row, column);
  }
  /// As many rows at a time as shared memory holds the features of: calls with
  /// a function that gives those of an operand.
  using TakeFn = function_ref<LinearRows(const LinearRows &)>;
  void forChunks(Value count, function_ref<void(TakeFn)> body);
  /// The values of valid keys in shared memory, and sums of them where softmax
  /// maps need these in the end.
  void prepareValues(LinearRows value, Value valid);
  /// Features of keys, and the state lowered where these raise its reference.
  void emitKeyFeatures(LinearRows key, Value valid);
  /// Features of queries and the denominators that the norm gives.
  void emitQueryFeatures(LinearRows query);
  /// Products of queries with the chunk's keys up to their own.
  void emitScores();
  void emitOutput(LinearRows output, bool isCausal);
  /// The state with the keys added.
  void emitUpdate();

private:
  void setUp(int64_t mostRows);
  bool isSoftmax() const { return isSoftmaxMap(map); }
  Value applyMap(Value x) {
    return applyFeatureMap(k, map, region, featureEps, x);
  }
  Value loadInput(const LinearRows &source, Value row, Value column);
  void emitPlain(const LinearRows &source, Value valid, Value features);
  void emitExponents(const LinearRows &source, Value features);
  void emitLargest(Value features);
  void emitHalfNorms(const LinearRows &key);
  void emitReference(const LinearRows &key, Value valid);
  void emitProjected(const LinearRows &source, Value valid, Value features,
                     bool isKey);
  Value isValid(const LinearRows &rows, Value valid, Value row);
  ElementFn elementOf(Value memref) {
    return [this, memref](Value row, Value column) {
      return k.load(memref, {row, column});
    };
  }

  BlockBuilder k;
  FeatureMap map;
  Region &region;
  Value projection, sum, norm, reference;
  double scale, featureEps, denominatorEps;
  int64_t chunk = 0;
  int64_t features = 0, draws = 0;  ///< R, rows of the projection
  int64_t padded = 0;               ///< R as products need it
  int64_t columns = 0;              ///< E'
  Value keyFeatures, queryFeatures; ///< [chunk, padded]
  Value values;                     ///< [chunk, E']
  Value scores;                     ///< [chunk, chunk]
  Value halfNorms, largest;         ///< [1, chunk]
  Value denominators;               ///< [1, chunk]
  Value keyCount, queryCount;
};

} // namespace mlir::attn::nvvm

#endif // ATTN_LIB_TARGET_NVVM_LINEARATTENTION_H
