//===- ScoreModifier.h - what happens to scores before softmax --*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Softcap, score mod, bias, masks and key validity, applied to the elements of
// a fragment that a lane holds.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_NVVM_SCOREMODIFIER_H
#define ATTN_LIB_TARGET_NVVM_SCOREMODIFIER_H

#include "Kernel.h"

namespace mlir::attn::nvvm {

/// A row of the tile with the keys that it may see, as i32 counted from the
/// first key of the operation.
struct ScoreRow {
  Value group, query; ///< in bounds
  Value begin, end;
};

/// Whether the place of a score's bias is computed, say from a distance, which
/// takes registers for each score.
bool hasTableBias(OnlineAttentionOp op);

class ScoreModifier {
public:
  ScoreModifier(FragmentBuilder &f, OnlineAttentionOp op, Value numRows,
                Value numKeys)
      : f(f), op(op), numRows(numRows), numKeys(numKeys) {}

  /// Whether nothing but scale and mask happens to scores: the scale and the
  /// logarithm's base are then factors of the exponent.
  bool isScaleOnly();
  /// Whether a range of keys does not say all of the mask.
  bool needsPredicate();
  /// The keys that a row sees.
  ScoreRow describe(const StateRow &row, bool isGrouped);
  /// Softcap, score mod and bias of the score of `row` and the operation's key
  /// `key`, an `index`, in units of log2.
  Value modify(Value score, const ScoreRow &row, Value key);
  /// Whether the mask's predicate and the validity of the key allow it.
  Value isAllowed(const ScoreRow &row, Value key);
  /// Whether the key is valid; null if all are.
  Value isValid(Value key);

private:
  Value tanh(Value x);
  Value emitBias(Value score, const ScoreRow &row, Value key);
  Value emitScoreMod(Value score, const ScoreRow &row, Value key);
  Value inBounds(Value key) { return f.min(key, f.sub(numKeys, f.index(1))); }
  MaskScope scopeOf(const ScoreRow &row) {
    return {f.add(op.getHead(), row.group), op.getNumQueries(),
            op.getNumKeys()};
  }

  FragmentBuilder &f;
  OnlineAttentionOp op;
  Value numRows, numKeys;
};

/// The operation of a score-mod region that the kernels cannot copy, or null.
Operation *findUnsupported(Region &scoreMod);

} // namespace mlir::attn::nvvm

#endif // ATTN_LIB_TARGET_NVVM_SCOREMODIFIER_H
