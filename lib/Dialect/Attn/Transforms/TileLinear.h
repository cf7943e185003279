//===- TileLinear.h - linear attention as loops over chunks -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Builds the tiled form of one attn.linear_attention: a state that goes along
// the sequence, cut into stretches where there are too few heads for all
// threads.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TRANSFORMS_TILELINEAR_H
#define ATTN_LIB_TRANSFORMS_TILELINEAR_H

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"
#include "attn/Dialect/Attn/Utils/IndexMath.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace mlir::attn {

class LinearTiler : private IndexMath {
public:
  LinearTiler(LinearAttentionOp op, OpBuilder &builder,
              const AttnTilePassOptions &options);

  /// The values that replace the op's results.
  SmallVector<Value> tile();

private:
  using D = AttentionOp::Dim;
  /// Half-open.
  struct Range {
    Value begin, end;
  };

  /// `value` where the stretch is the first, else `other`.
  Value ifFirst(Value stretch, Value value, Value other);

  void chooseSizes();
  Value rowAt(Value stretch);
  Value keyAt(Value row);
  Range rowsOf(Value stretch);
  Range keysOf(Value stretch);
  RankedTensorType stateType(unsigned part);
  SmallVector<Value> buildEmptyState();
  SmallVector<Value> buildInitialState();
  Value slice(Value source, AffineMap map, Range rows,
              SmallVectorImpl<OpFoldResult> *offsets = nullptr,
              SmallVectorImpl<OpFoldResult> *sizes = nullptr);
  AffineMapAttr tileMap(AffineMap map);
  Value projectionOf();
  /// A loop over the chunks of a range that carries values, or one step for all
  /// of it where the target walks tiles itself.
  SmallVector<Value>
  forChunks(Range range, ValueRange initial,
            function_ref<SmallVector<Value>(Range, ValueRange)> step);
  SmallVector<Value> addKeys(Range keys, SmallVector<Value> state);
  Value readState(Range rows, ValueRange state, Value output, Value origin);
  SmallVector<Value> buildChunks(Range rows, SmallVector<Value> state,
                                 Value output, Value origin);
  void placeHeads(ValueRange ids, bool isKeySide);
  SmallVector<Value> buildPartials();
  SmallVector<Value> mergePartials(ValueRange partials, Value count,
                                   SmallVector<Value> state);
  void buildStretch(scf::ForallOp loop, ValueRange partials);
  SmallVector<Value> finalStates(scf::ForallOp loop);
  scf::ForallOp buildForall(ArrayRef<Value> bounds, ValueRange outputs,
                            function_ref<void(scf::ForallOp)> body);
  SmallVector<Value> endStateTensors();

  LinearAttentionOp op;
  const AttnTilePassOptions &options;
  FloatType type;
  int64_t features, columns, chunk, stateGroup = 1;
  bool isSoftmax, needsEps;

  Value batches, heads, queries, keys;
  Value stretches, perStretch;       ///< how many, and rows (or keys) of each
  Value keyStretch;                  ///< keys of a stretch, where not causal
  Value offset;                      ///< last key that query 0 sees
  Value firstRow;                    ///< the first row that sees a key
  bool isAligned = false;            ///< query i sees up to key i
  bool isSingle = false;             ///< there is one stretch
  OpFoldResult batch, head, keyHead; ///< where the builder is
};

/// The values that replace the results of one token of several heads.
SmallVector<Value> tileLinearStep(OpBuilder &builder, LinearStepOp op);

} // namespace mlir::attn

#endif // ATTN_LIB_TRANSFORMS_TILELINEAR_H
