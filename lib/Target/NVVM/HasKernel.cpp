//===- HasKernel.cpp - what there are kernels for -------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The limits of the kernels in terms of operations on whole sequences, and
// what remains to be said of tiles.
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
/// Bytes of a head, where relative positions are in shared memory too.
constexpr int64_t kMostRelativeBytes = 512;
/// Features of 16 rows that fit in the shared memory of every architecture.
constexpr int64_t kMostFeatures = 512;

/// Rounds whose codes fit in shared memory beside the widest heads.
constexpr int64_t kMostRounds = 64;

bool isFloat(Type type) {
  Type element = getElementTypeOrSelf(type);
  return element.isF16() || element.isBF16() || element.isF32();
}

int64_t columnsOf(Value operand) {
  return cast<ShapedType>(operand.getType()).getShape().back();
}

/// Whether the rows of positions that a tile meets fit in shared memory.
bool fitsRelative(AttentionOp op) {
  int64_t bytes =
      getElementTypeOrSelf(op.getKey().getType()).getIntOrFloatBitWidth() / 8;
  return !op.getRelative() ||
         std::max(columnsOf(op.getKey()), columnsOf(op.getValue())) * bytes <=
             kMostRelativeBytes;
}

bool hasAttentionKernel(AttentionOp op) {
  return fitsRelative(op) && !findUnsupported(op.getScoreMod()) &&
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
      .Case([](LinearStepOp one) {
        return one.hasHeads() && isFloat(one.getKey().getType()) &&
               !findUnsupported(one.getFeature());
      })
      .Case([](LowRankAttentionOp one) {
        return isFloat(one.getKey().getType()) &&
               columnsOf(one.getKey()) <= kMostColumns &&
               columnsOf(one.getValue()) <= kMostColumns;
      })
      .Default([](Operation *) { return false; });
}

LogicalResult attn::nvvm::verifyOnline(OnlineAttentionOp op) {
  for (Value operand : op->getOperands())
    if (isa<RankedTensorType>(operand.getType()))
      return op.emitOpError() << "expected memrefs, got " << operand.getType()
                              << "; bufferise first";
  auto keyType = cast<MemRefType>(op.getKey().getType()),
       accType = cast<MemRefType>(op.getAcc().getType());
  Type element = keyType.getElementType();
  if (!element.isF16() && !element.isBF16() && !element.isF32())
    return op.emitOpError() << "expected elements of f16, bf16 or f32 for this "
                               "target, got "
                            << element;
  if (!accType.getElementType().isF32())
    return op.emitOpError() << "expected a state of f32 for this target, got "
                            << accType.getElementType();
  if (op.getRelative() && accType.getDimSize(1) % 16 != 0)
    return op.emitOpError() << "expected rows of a state with relative "
                               "positions to be a multiple of 16 for this "
                               "target, got "
                            << accType.getDimSize(1);
  AffineMap keyMap = cast<AffineMapAttr>(op.getIndexingMaps()[1]).getValue();
  int64_t headSize = keyType.getDimSize(*keyMap.getResultPosition(
      getAffineDimExpr(OnlineAttentionOp::kHeadSize, op.getContext())));
  if (headSize > kMostColumns || accType.getDimSize(2) > kMostColumns)
    return op.emitOpError() << "expected head sizes of at most " << kMostColumns
                            << " for this target, got " << headSize << " and "
                            << accType.getDimSize(2);
  if (accType.getDimSize(2) % 16 != 0)
    return op.emitOpError() << "expected columns of the state to be a multiple "
                               "of 16 for this target, got "
                            << accType.getDimSize(2);
  if (Operation *culprit = findUnsupported(op.getScoreMod()))
    return culprit->emitOpError()
           << "expected only arithmetic in a score_mod for this target";
  return success();
}
