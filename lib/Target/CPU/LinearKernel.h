//===- LinearKernel.h - the recurrence of linear attention ------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What attn.linear_state, attn.linear_output and attn.linear_chunk share: rows
// to features in scratch, and the products with a state. Features are made in
// LinearFeatures.cpp, products in LinearKernel.cpp.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_CPU_LINEARKERNEL_H
#define ATTN_LIB_TARGET_CPU_LINEARKERNEL_H

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Target/CPU/CpuTarget.h"
#include "attn/Target/CPU/KernelBuilder.h"
#include "attn/Target/CPU/MicroKernel.h"

namespace mlir::attn::cpu {

/// A tile of rows in memory: [position, column] in the order of `map`, which is
/// over (i, j, d, e).
struct RowTile {
  Value memref;
  AffineMap map;
  unsigned row = 0, column = 0; ///< dimensions of the map
  Value rows;                   ///< how many there are

  MemRefType type() const { return cast<MemRefType>(memref.getType()); }
  int64_t width() const;
  /// Rows one after the other or apart, their elements side by side.
  bool isRowMajor() const;
  SmallVector<Value> at(Value rowIndex, Value columnIndex) const;
};

/// Below every exponent, and finite.
inline constexpr double kLowestExponent = -1e30;

/// phi of a vector, for maps that are not softmax maps.
Value emitFeatureMap(KernelBuilder &k, FeatureMap map, Region &region,
                     double featureEps, Value x);

class LinearKernel {
public:
  template <typename OpTy>
  LinearKernel(KernelBuilder &k, OpTy op, const CpuTarget &target)
      : k(k), map(op.getFeatureMap()), region(op.getFeature()),
        projection(op.getProjection()), sum(op.getSum()), norm(op.getNorm()),
        reference(op.getReference()), scale(op.getScale().convertToDouble()),
        featureEps(op.getFeatureEps().convertToDouble()),
        denominatorEps(op.getDenominatorEps().convertToDouble()),
        chunk(op.getChunk()) {
    setUp(target);
  }

  /// Makes features of keys, lowers the state where softmax maps need it, and
  /// adds them to `norms`.
  void emitKeyFeatures(RowTile key, Value valid, Value norms);
  /// Makes features of queries and starts the denominators.
  void emitQueryFeatures(RowTile query, RowTile output);
  /// The values where products can read them.
  void prepareValues(RowTile value, Value valid);
  /// sum += features^T values
  void emitUpdate();
  /// norm += norms of a chunk
  void addNorms(Value norms);
  /// Output rows from the state and, if causal, the chunk's own keys.
  void emitOutput(RowTile output, bool isCausal);
  /// The features of keys with positions along rows, for emitOutput.
  void emitTransposedKeys();

  Value allocateNorms();

private:
  void setUp(const CpuTarget &target);
  bool isSoftmax() const { return isSoftmaxMap(map); }
  Value copyRows(RowTile source, Value valid, int64_t width, int64_t align);
  Value applyMap(Value x) {
    return emitFeatureMap(k, map, region, featureEps, x);
  }
  Value loadInput(const RowTile &source, bool isDirect, Value row,
                  int64_t column);
  Value keepFeatures(Value features, int64_t first, int64_t count);
  Value isValid(Value valid, Value row);
  void prefetch(const RowTile &tile, Value row, bool isWrite);
  void emitPlainKeys(RowTile key, Value valid, Value norms);
  void emitPlainQueries(RowTile query, RowTile output);
  void emitProjected(Value rowsOfInput, Value count);
  void emitHalfNorms(Value rowsOfInput, Value count);
  Value emitLargest(Value row, int64_t sign);
  void emitReference(Value count, Value valid);
  void emitRescale(Value factor);
  void emitKeyMap(Value count, Value valid, Value norms, int64_t sign);
  void emitQueryMap(Value row);
  void sumValues(RowTile value, Value valid);
  void forStrips(Value rows, int64_t limit,
                 function_ref<void(Value, int64_t)> body);
  void forColumns(int64_t width, function_ref<void(Value, int64_t)> body);
  void emitScores(Value row, int64_t stripRows, Value depth);
  void emitStrip(RowTile output, Value row, int64_t stripRows, bool isCausal);
  void storeStrip(RowTile output, Value row, int64_t stripRows, Value column,
                  int64_t vectors, ValueRange accumulators);
  void storeRow(RowTile output, Value row, Value scratchRow, Value column,
                int64_t count);

  KernelBuilder &k;
  FeatureMap map;
  Region &region;
  Value projection, sum, norm, reference;
  double scale, featureEps, denominatorEps;
  int64_t chunk;

  Type element;
  VectorType vector;
  int64_t lanes, stripRowsMax, panel; ///< of the target
  int64_t features, draws, columns;   ///< R, rows of the projection, E'
  int64_t stride;                     ///< of rows of features
  Value keyFeatures, queryFeatures;   ///< [chunk, stride]
  Value exponents, halfNorms;         ///< u, and |x'|^2 / 2 in units of log2
  Value transposed;                   ///< [R, chunk]
  Value scores;                       ///< [strip, chunk]
  Value denominators, staging;        ///< [chunk], [strip, E']
  RowTile values;
  Value keyCount, queryCount;
};

} // namespace mlir::attn::cpu

#endif // ATTN_LIB_TARGET_CPU_LINEARKERNEL_H
