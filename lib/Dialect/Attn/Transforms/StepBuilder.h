//===- StepBuilder.h - builds the step of a function ------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shared by the parts of the pass attn-build-steps: what each attention becomes
// (BuildSteps.cpp), what holds keys and values between steps (StepCaches.cpp),
// and the step of one position (StepToken.cpp).
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TRANSFORMS_STEP_BUILDER_H
#define ATTN_LIB_TRANSFORMS_STEP_BUILDER_H

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace mlir::attn {

/// How a step holds what it must know of the positions before it.
struct StepOptions {
  int64_t capacity; ///< positions that a cache has room for
  int64_t pageSize; ///< positions of a page; 0 for caches in one piece
  bool isToken;     ///< the step of exactly one position
};

/// Builds the step of one function, which is a copy already.
class StepBuilder {
public:
  StepBuilder(func::FuncOp step, const StepOptions &options)
      : step(step), b(step.getContext()), options(options) {}

  LogicalResult run();

private:
  /// The new rows of keys or values, in the order of their cache.
  struct Rows {
    Value tensor;
    SmallVector<OpFoldResult> sizes;
    SmallVector<int64_t> shape; ///< of a cache but for its positions
    unsigned along;             ///< the dimension of positions
    AffineMap map;              ///< from the domain of attention
    StringRef name;
  };
  /// How many of the positions up to its own a query sees, if not all.
  struct Past {
    bool isCausal = false;
    std::optional<int64_t> window;

    LogicalResult restrict(Attribute mask);
  };

  /// Of the rows that a page gets: the page, its slot for the first of them,
  /// which of the new rows that is, and how many follow.
  struct PagePlace {
    Value page, slot, row, count;
  };

  LogicalResult check(AttentionOp op, Past &past);
  LogicalResult convert(AttentionOp op);
  LogicalResult convert(LinearAttentionOp op);
  LinearAttentionOp buildPiece(LinearAttentionOp op, ValueRange state);
  LinearStepOp buildToken(LinearAttentionOp op, ValueRange state);
  void shiftPositions(AttentionOp op);

  Value addBuffer(ArrayRef<int64_t> shape, Type element, const Twine &name);
  Value open(Value buffer);
  void close(Value tensor, Value buffer);
  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(b, loc, value);
  }
  Operation *require(Value holds, const Twine &message);

  // StepCaches.cpp
  void checkLength(OpFoldResult count);
  void checkPages();
  Rows arrange(AttentionOp op, OpOperand &operand, StringRef name);
  Value slice(const Rows &rows, Value whole, OpFoldResult first,
              OpFoldResult count);
  Value insert(const Rows &rows, Value part, Value whole, OpFoldResult first,
               OpFoldResult count);
  Value append(const Rows &rows);
  LogicalResult addTable(const Rows &rows);
  Value appendPages(const Rows &rows);
  PagePlace placePage(Value pool, Value batch, Value page);
  void writePage(const Rows &rows, scf::ForallOp loop, Value batch, Value page);
  Value writePages(const Rows &rows, Value pool);
  Value appendToRing(const Rows &rows, int64_t slots);
  void useRings(AttentionOp op, ArrayRef<Rows> rows, int64_t slots);

  func::FuncOp step;
  OpBuilder b;
  Location loc = step.getLoc();
  StepOptions options;
  /// Positions that the caches hold before the step, and those that it adds.
  Value length, added;
  /// The page of every stretch of positions, and the pools that pages are of.
  Value table;
  SmallVector<Value> pools;
  /// The assertion that all lengths are right, behind which nothing has been
  /// written yet.
  Operation *lastCheck = nullptr;
  bool hasFullCache = false;
  int64_t number = 0;
};

/// Makes every dynamic extent of the arguments 1; what follows from them is for
/// canonicalisation to find.
void setLengthsToOne(func::FuncOp function);

/// Adds what extents of 1 make simpler than canonicalisation does.
void populateTokenPatterns(RewritePatternSet &patterns);

/// Results become what is returned, without casts to types that say less.
void settleResults(func::FuncOp function);

} // namespace mlir::attn

#endif // ATTN_LIB_TRANSFORMS_STEP_BUILDER_H
