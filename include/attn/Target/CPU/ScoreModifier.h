//===- ScoreModifier.h - what happens to scores before softmax --*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Softcap, score mod, bias, key validity and masks that are no key range,
// applied to a row of scores in cache.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_CPU_SCOREMODIFIER_H
#define ATTN_TARGET_CPU_SCOREMODIFIER_H

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Target/CPU/KernelBuilder.h"

namespace mlir::attn::cpu {

/// Whether scores leave the product already in units of log2: nothing but scale
/// and mask then happens to them.
inline bool areScoresInLog2(bool hasSoftcap, bool hasScoreMod, bool hasBias) {
  return !hasSoftcap && !hasScoreMod && !hasBias;
}

/// What a mask refers to in head `group` of the tile.
inline MaskScope getMaskScope(KernelBuilder &k, OnlinePackedOp op,
                              Value group) {
  return {k.add(op.getHead(), group), op.getNumQueries(), op.getNumKeys()};
}

class ScoreModifier {
public:
  ScoreModifier(KernelBuilder &k, OnlinePackedOp op) : k(k), op(op) {}

  /// Whether any score has to be touched between the product and the softmax.
  bool isNeeded();
  /// Emits the change of row `localRow` of `scores`, columns [from, to), a
  /// whole number of vectors; `row` is its row in the tile and column 0 its key
  /// `column0`. Scores of keys that are not allowed become `masked`.
  void emitRow(Value scores, Value localRow, Value group, Value row,
               Value column0, Value from, Value to, VectorType type,
               double masked);

private:
  struct Position;
  Value emitScoreMod(Value score, const Position &at);
  Value emitBias(Value score, const Position &at);
  Value emitValidity(const Position &at);

  KernelBuilder &k;
  OnlinePackedOp op;
};

} // namespace mlir::attn::cpu

#endif // ATTN_TARGET_CPU_SCOREMODIFIER_H
