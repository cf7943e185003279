//===- Border.cpp - what is legal between phases --------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Dialects that may occur after a phase, and the level of the attn dialect.
//
//===----------------------------------------------------------------------===//

#include "Border.h"

#include "attn/Dialect/Attn/IR/Attn.h"

using namespace mlir;
using namespace mlir::attn;

static constexpr StringLiteral kTensorLevel[] = {
    "affine.apply",
    "affine.max",
    "affine.min",
    "arith",
    "attn",
    "bufferization.materialize_in_destination",
    "bufferization.to_tensor",
    "memref.dim", // of a buffer that a step is given
    "builtin",
    "cf.assert",
    "complex",
    "func",
    "index",
    "linalg",
    "math",
    "scf",
    "tensor",
    "ub"};

static constexpr StringLiteral kTargetLevel[] = {"builtin", "gpu.module",
                                                 "llvm", "nvvm"};

static ArrayRef<StringLiteral> getLegalDialects(Phase phase) {
  return phase <= Phase::Tile ? ArrayRef<StringLiteral>(kTensorLevel)
                              : ArrayRef<StringLiteral>(kTargetLevel);
}

/// Whether an operation of the attn dialect is of the other side of `tile`.
static bool isOfAnotherLevel(Phase phase, Operation *op) {
  return phase < Phase::Tile ? op->hasTrait<TileLevel>()
                             : op->hasTrait<SequenceLevel>();
}

/// An entry is a dialect or, with a dot, one operation.
static bool isLegal(Phase phase, Operation *op) {
  StringRef name = op->getName().getStringRef();
  StringRef dialect = op->getName().getDialectNamespace();
  return !isOfAnotherLevel(phase, op) &&
         llvm::any_of(getLegalDialects(phase), [&](StringRef entry) {
           return entry == (entry.contains('.') ? name : dialect);
         });
}

FailureOr<int64_t> mlir::attn::checkBorder(ModuleOp module, Phase phase) {
  int64_t checked = 0;
  WalkResult result = module.walk<WalkOrder::PreOrder>([&](Operation *op) {
    ++checked;
    if (isLegal(phase, op))
      return WalkResult::advance();
    op->emitError("expected an operation that is legal after the phase '")
        << getPhaseName(phase) << "', got '" << op->getName() << "'";
    return WalkResult::interrupt();
  });
  if (result.wasInterrupted())
    return failure();
  return checked;
}
