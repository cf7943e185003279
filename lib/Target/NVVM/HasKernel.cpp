//===- HasKernel.cpp - what there are kernels for -------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The limits of the kernels in terms of operations on whole sequences.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/NVVM/Kernels.h"

#include "ScoreModifier.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

namespace {
/// The widest head that a warp has accumulators for.
constexpr int64_t kMostColumns = 256;
/// Features of a chunk that fit in the shared memory of every architecture.
constexpr int64_t kMostFeatures = 256;

/// Rounds whose codes fit in shared memory beside the widest heads.
constexpr int64_t kMostRounds = 64;

bool isFloat(Type type) {
  Type element = getElementTypeOrSelf(type);
  return element.isF16() || element.isBF16() || element.isF32();
}

int64_t columnsOf(Value operand) {
  return cast<ShapedType>(operand.getType()).getShape().back();
}

bool hasAttentionKernel(AttentionOp op) {
  return !op.getRelative() && !findUnsupported(op.getScoreMod()) &&
         isFloat(op.getKey().getType()) && isFloat(op.getValue().getType()) &&
         columnsOf(op.getKey()) <= kMostColumns &&
         columnsOf(op.getValue()) <= kMostColumns;
}

bool hasLinearKernel(LinearAttentionOp op) {
  int64_t features = columnsOf(op.getKey());
  if (op.getProjection()) {
    auto type = cast<ShapedType>(op.getProjection().getType());
    features = type.getDimSize(type.getRank() - 2);
    if (op.getFeatureMap() == FeatureMap::SoftmaxHyperbolic)
      features *= 2;
  }
  return !findUnsupported(op.getFeature()) && isFloat(op.getKey().getType()) &&
         features <= kMostFeatures && columnsOf(op.getValue()) <= kMostColumns;
}

/// Which modes have kernels is for attn-tile-lsh to say.
bool hasLshKernel(LshAttentionOp op) {
  return static_cast<int64_t>(op.getRounds()) <= kMostRounds &&
         !findUnsupported(op.getScoreMod()) && isFloat(op.getX().getType()) &&
         isFloat(op.getValue().getType()) &&
         op.getStaticExtent(LshAttentionOp::kHeadSize) <= kMostColumns &&
         op.getStaticExtent(LshAttentionOp::kValueSize) <= kMostColumns;
}

bool hasAsymmetricKernel(AsymmetricLshAttentionOp op) {
  using D = AsymmetricLshAttentionOp;
  return static_cast<int64_t>(op.getRounds()) <= kMostRounds &&
         !findUnsupported(op.getScoreMod()) &&
         isFloat(op.getQuery().getType()) && isFloat(op.getKey().getType()) &&
         isFloat(op.getValue().getType()) &&
         op.getStaticExtent(D::kHeadSize) <= kMostColumns &&
         op.getStaticExtent(D::kValueSize) <= kMostColumns;
}
} // namespace

bool attn::nvvm::hasKernel(Operation *op) {
  return TypeSwitch<Operation *, bool>(op)
      .Case([](AttentionOp one) { return hasAttentionKernel(one); })
      .Case([](LinearAttentionOp one) { return hasLinearKernel(one); })
      .Case([](LshAttentionOp one) { return hasLshKernel(one); })
      .Case(
          [](AsymmetricLshAttentionOp one) { return hasAsymmetricKernel(one); })
      .Case([](LowRankAttentionOp one) {
        return isFloat(one.getKey().getType()) &&
               columnsOf(one.getKey()) <= kMostColumns &&
               columnsOf(one.getValue()) <= kMostColumns;
      })
      .Default([](Operation *) { return false; });
}
