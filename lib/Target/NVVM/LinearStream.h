//===- LinearStream.h - linear attention in one pass ------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The kernels of linear attention whose features are functions of single
// elements: operands come by asynchronous copies a chunk ahead, the state stays
// in shared memory. docs/Rationale/Linear.md says why it is so.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_NVVM_LINEARSTREAM_H
#define ATTN_LIB_TARGET_NVVM_LINEARSTREAM_H

#include "LinearAttention.h"

namespace mlir::attn::nvvm {

/// Where things are in shared memory.
struct StreamPlan {
  static constexpr int64_t chunk = 64, warps = 4;

  int64_t features = 0, padded = 0; ///< R, and as products need it
  int64_t columns = 0;              ///< E'
  Type element;

  StreamPlan(MemRefType sum, Type element);
  bool isNarrow() const { return !element.isF32(); }
  int64_t elementBytes() const { return isNarrow() ? 2 : 4; }
  /// A chunk as it is in memory.
  SharedTile rawTile(Value base, int64_t width) const {
    return {base, chunk, width, element};
  }
  SharedTile featureTile(Value base, Type f32) const {
    return {base, chunk, padded, f32};
  }
  /// The state [padded, columns], rows padded by 32 bytes: where the depth of a
  /// product is rows in their order, these are in different banks.
  SharedTile stateTile(Value base, Type f32) const {
    return {base, padded, columns + 4, f32};
  }
  int64_t rawBytes(int64_t width) const {
    return chunk * (width * elementBytes() + 16);
  }
  int64_t fixedBytes() const {
    return chunk * (4 * padded + 16) + padded * (4 * columns + 32) + 4 * padded;
  }
  // Chunks as they are in memory; of values perhaps the next as well.
  int64_t queriesAt() const { return fixedBytes(); }
  int64_t keysAt() const { return queriesAt() + rawBytes(padded); }
  int64_t valuesAt() const { return keysAt() + rawBytes(padded); }
  int64_t valueStages() const;
  /// Whether lanes keep the state, 16 rows a warp; what is in shared memory,
  /// rounded to tf32, is then for queries.
  bool holdsState() const {
    return isNarrow() && padded <= 16 * warps && columns <= 64;
  }
  int64_t bytes() const {
    return valuesAt() + valueStages() * rawBytes(columns);
  }
};

/// Whether an operation on tiles of linear attention can be emitted so.
bool canStream(Operation *op);

class LinearStream {
public:
  template <typename OpTy>
  LinearStream(OpBuilder &b, OpTy op, Kernel &kernel, Type element)
      : f(b, op.getLoc(), kernel.at,
          element.isF32() ? kernel.products : F32Products::One),
        plan(cast<MemRefType>(op.getSum().getType()), element),
        map(op.getFeatureMap()), region(op.getFeature()), sum(op.getSum()),
        norm(op.getNorm()), scale(op.getScale().convertToDouble()),
        featureEps(op.getFeatureEps().convertToDouble()),
        denominatorEps(op.getDenominatorEps().convertToDouble()) {
    place(kernel);
  }

  /// The operands that are there, over all rows of the tile.
  LinearRows query, key, value, output;
  Value valid;

  void emit(bool updatesState);

private:
  void place(Kernel &kernel);
  Value actualRow(Value stored);
  void moveState(bool isLoad, bool isRounded = false);
  void stageRows(const LinearRows &source, const SharedTile &tile, Value first,
                 bool isMasked);
  void stageNext(const LinearRows &source, const SharedTile &tile, Value first,
                 Value count, bool isMasked = false);
  SmallVector<Value> emitChunk(Value first, Value count, Value valueStage,
                               bool updatesState, ValueRange held);
  Value isThere(const LinearRows &rows, Value row, bool isMasked);
  Value makeFeature(Value x, Value column, bool isMasked);
  void emitKeyFeatures(Value first, const SharedTile &raw);
  SmallVector<Value> unpack(Value word);
  SmallVector<Operand>
  emitQueryFeatures(const SharedTile &raw, Value row,
                    SmallVectorImpl<Value> &denominators,
                    function_ref<void(int64_t step, const Operand &)> use);
  Operand splitExact(ArrayRef<Value> values);
  Operand loadState(int64_t step, int64_t column);
  SmallVector<Operand> loadValues(const SharedTile &raw, int64_t key,
                                  int64_t column);
  void addKeys(function_ref<Operand(int64_t step)> query, Value key, Value row,
               const SharedTile &values, SmallVectorImpl<Accumulator> &sums,
               SmallVectorImpl<Value> &denominators);
  void emitOutput(Value first, const SharedTile &queries,
                  const SharedTile &values);
  void storeOutput(Value first, Value row, const SharedTile &queries,
                   ArrayRef<Accumulator> sums, ArrayRef<Value> denominators);
  void storeElements(Value first, Value row, ArrayRef<Accumulator> sums,
                     ArrayRef<Value> inverses);
  SmallVector<Value> emitUpdate(const SharedTile &values, ValueRange held);
  void forOwnRows(function_ref<void(Value feature)> body);
  SmallVector<Value> takeState();
  void giveState(ValueRange held);
  SmallVector<Accumulator> loadRows(Value feature);
  void storeRows(Value feature, ArrayRef<Accumulator> sums, bool isRounded);
  Value rowPlace(Value feature, int64_t half, int64_t e);
  void addChunk(Value feature, const SharedTile &values,
                SmallVectorImpl<Accumulator> &sums);
  SmallVector<Operand> loadTransposed(Value from,
                                      SmallVectorImpl<Value> &norms);
  void addToNorm(Value feature, ArrayRef<Value> norms);
  Operand exact(ArrayRef<Value> words);
  /// Where operands take two registers each, keeps later loads from them.
  void holdBack() {
    if (!plan.isNarrow())
      NVVM::SyncWarpOp::create(f.b, f.loc, f.i32(-1));
  }
  Value toFloat(Value word);
  Value toWord(Value x);

  FragmentBuilder f;
  StreamPlan plan;
  FeatureMap map;
  Region &region;
  Value sum, norm;
  double scale, featureEps, denominatorEps;
  SharedTile keyFeatures, state;
  SharedTile rawQueries, rawKeys, rawValues; ///< of one chunk
  Value normBase;
  bool stateIsRounded = false; ///< in shared memory
};

} // namespace mlir::attn::nvvm

#endif // ATTN_LIB_TARGET_NVVM_LINEARSTREAM_H
