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
#include "llvm/Support/FormatVariadic.h"

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

int64_t columnsOf(Value operand) {
  return cast<ShapedType>(operand.getType()).getShape().back();
}

/// Collects the first reason why an operation has no kernel.
class Obstacle {
public:
  Obstacle &elements(StringRef name, Value operand) {
    Type element = getElementTypeOrSelf(operand.getType());
    if (!element.isF16() && !element.isBF16() && !element.isF32())
      note("{0} has elements of {1}, kernels take f16, bf16 and f32", name,
           element);
    return *this;
  }
  Obstacle &atMost(StringRef what, int64_t count, int64_t most) {
    if (ShapedType::isDynamic(count))
      note("{0} are not known, kernels take at most {1}", what, most);
    else if (count > most)
      note("{0} are {1}, kernels take at most {2}", what, count, most);
    return *this;
  }
  /// A score_mod or a feature.
  Obstacle &arithmetic(StringRef name, Region &region) {
    if (Operation *culprit = findUnsupported(region))
      note("{0} has '{1}', kernels take arithmetic alone", name,
           culprit->getName().getStringRef());
    return *this;
  }
  Obstacle &heads(Value key, Value value) {
    return elements("key", key)
        .elements("value", value)
        .atMost("columns of key", columnsOf(key), kMostColumns)
        .atMost("columns of value", columnsOf(value), kMostColumns);
  }
  std::string take() { return std::move(reason); }

private:
  template <typename... Ts> void note(const char *format, const Ts &...parts) {
    if (reason.empty())
      reason = llvm::formatv(format, parts...).str();
  }

  std::string reason;
};

std::string findObstacle(AttentionOp op) {
  Obstacle obstacle;
  obstacle.heads(op.getKey(), op.getValue())
      .arithmetic("score_mod", op.getScoreMod());
  if (!op.getRelative())
    return obstacle.take();
  int64_t bytes =
      getElementTypeOrSelf(op.getKey().getType()).getIntOrFloatBitWidth() / 8;
  int64_t columns = std::max(columnsOf(op.getKey()), columnsOf(op.getValue()));
  return obstacle
      .atMost("bytes of a row beside relative", columns * bytes,
              kMostRelativeBytes)
      .take();
}

std::string findObstacle(LinearAttentionOp op) {
  int64_t features = columnsOf(op.getKey());
  if (op.getProjection()) {
    auto type = cast<ShapedType>(op.getProjection().getType());
    features = type.getDimSize(type.getRank() - 2);
    if (op.getFeatureMap() == FeatureMap::SoftmaxHyperbolic)
      features *= 2;
  }
  return Obstacle()
      .elements("key", op.getKey())
      .atMost("features", features, kMostFeatures)
      .atMost("columns of value", columnsOf(op.getValue()), kMostColumns)
      .arithmetic("feature", op.getFeature())
      .take();
}

/// Of LSH attention; which modes have kernels is for the passes that tile them
/// to say.
template <typename OpTy> Obstacle checkSorted(OpTy op) {
  Obstacle obstacle;
  obstacle.atMost("rounds", static_cast<int64_t>(op.getRounds()), kMostRounds)
      .atMost("columns of a head", op.getStaticExtent(OpTy::kHeadSize),
              kMostColumns)
      .atMost("columns of value", op.getStaticExtent(OpTy::kValueSize),
              kMostColumns)
      .elements("value", op.getValue())
      .arithmetic("score_mod", op.getScoreMod());
  return obstacle;
}

std::string findObstacle(LinearStepOp op) {
  if (!op.hasHeads())
    return "query has no heads";
  return Obstacle()
      .elements("key", op.getKey())
      .arithmetic("feature", op.getFeature())
      .take();
}
} // namespace

std::string attn::nvvm::findKernelObstacle(Operation *op) {
  return TypeSwitch<Operation *, std::string>(op)
      .Case<AttentionOp, LinearAttentionOp, LinearStepOp>(
          [](auto one) { return findObstacle(one); })
      .Case([](LshAttentionOp one) {
        return checkSorted(one).elements("x", one.getX()).take();
      })
      .Case([](AsymmetricLshAttentionOp one) {
        return checkSorted(one)
            .elements("query", one.getQuery())
            .elements("key", one.getKey())
            .take();
      })
      .Case([](LowRankAttentionOp one) {
        return Obstacle().heads(one.getKey(), one.getValue()).take();
      })
      // Attention reads through it.
      .Case([](GatherPagesOp) { return std::string(); })
      .Default([](Operation *) {
        return std::string("no kernel is made for this operation");
      });
}

bool attn::nvvm::hasKernel(Operation *op) {
  return findKernelObstacle(op).empty();
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
