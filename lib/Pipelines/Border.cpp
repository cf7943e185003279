//===- Border.cpp - what is legal between phases --------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One list a border. An entry is a dialect or, with a dot, one operation.
//
//===----------------------------------------------------------------------===//

#include "Border.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
struct Contract {
  /// Dialects and operations that may occur.
  ArrayRef<StringLiteral> legal;
  /// Operations of legal dialects that may not.
  ArrayRef<StringLiteral> illegal;
};
} // namespace

static constexpr StringLiteral kTensorLevel[] = {
    "affine.apply", "affine.max", "affine.min", "arith",  "attn",
    "builtin",      "cf.assert",  "complex",    "func",   "index",
    "linalg",       "math",       "scf",        "tensor", "ub"};

/// Operations that belong to tiles: before `tile` nothing makes them.
static constexpr StringLiteral kTileOps[] = {
    "attn.bucket_sort",      "attn.finalize",      "attn.hash",
    "attn.linear_chunk",     "attn.linear_merge",  "attn.linear_output",
    "attn.linear_state",     "attn.lsh_chunks",    "attn.merge",
    "attn.online_attention", "attn.online_packed", "attn.pack",
    "attn.project"};

/// Operations on whole sequences: after `tile` nothing lowers them.
static constexpr StringLiteral kWholeOps[] = {"attn.alibi",
                                              "attn.attention",
                                              "attn.bucket_bias",
                                              "attn.compress",
                                              "attn.gaussian_projection",
                                              "attn.linear_attention",
                                              "attn.low_rank_attention",
                                              "attn.lsh_attention",
                                              "attn.rotary",
                                              "attn.sinusoid",
                                              "attn.update_memory"};

static constexpr StringLiteral kTargetLevel[] = {"builtin", "llvm"};

static Contract getContract(Phase phase) {
  switch (phase) {
  case Phase::Import:
  case Phase::Raise:
  case Phase::Rewrite:
    return {kTensorLevel, kTileOps};
  case Phase::Tile:
    return {kTensorLevel, kWholeOps};
  case Phase::Target:
  case Phase::Emit:
    return {kTargetLevel, {}};
  }
  return {};
}

static bool contains(ArrayRef<StringLiteral> list, Operation *op) {
  StringRef name = op->getName().getStringRef();
  StringRef dialect = op->getName().getDialectNamespace();
  return llvm::any_of(list, [&](StringRef entry) {
    return entry == (entry.contains('.') ? name : dialect);
  });
}

FailureOr<int64_t> mlir::attn::checkBorder(ModuleOp module, Phase phase) {
  Contract contract = getContract(phase);
  int64_t checked = 0;
  WalkResult result = module.walk<WalkOrder::PreOrder>([&](Operation *op) {
    ++checked;
    if (contains(contract.legal, op) && !contains(contract.illegal, op))
      return WalkResult::advance();
    op->emitError("expected an operation that is legal after the phase '")
        << getPhaseName(phase) << "', got '" << op->getName() << "'";
    return WalkResult::interrupt();
  });
  if (result.wasInterrupted())
    return failure();
  return checked;
}
