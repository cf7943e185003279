//===- LinearFeatures.cpp - what features take ----------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Constraints C5 to C10 of attn.linear_attention and attn.linear_step, and the
// defaults of what they leave out.
//
//===----------------------------------------------------------------------===//

#include "LinearFeatures.h"

using namespace mlir;
using namespace mlir::attn;

static ShapedType shapeOf(Value value) {
  return cast<ShapedType>(value.getType());
}

int64_t mlir::attn::countFeatures(FeatureMap map, Value projection,
                                  int64_t headSize) {
  if (!projection)
    return headSize;
  int64_t draws = shapeOf(projection).getShape().drop_back().back();
  return draws * (map == FeatureMap::SoftmaxHyperbolic ? 2 : 1);
}

/// C5
static LogicalResult verifyProjection(Operation *op, ShapedType type,
                                      FloatType accumulator, int64_t heads,
                                      int64_t headSize) {
  int64_t rank = type.getRank();
  bool isShaped = (rank == 2 || (rank == 3 && heads != 0)) &&
                  type.hasStaticShape() &&
                  type.getElementType() == accumulator &&
                  type.getShape().back() == headSize &&
                  (rank == 2 || type.getDimSize(0) == heads);
  if (isShaped && type.getDimSize(rank - 2) >= 1 &&
      type.getDimSize(rank - 2) <= kMaxFeatures)
    return success();
  return op->emitOpError() << "expected a projection [r, D] or [H, r, D] of "
                           << accumulator
                           << " with r in [1, 4096] and D = " << headSize
                           << " (C5), got " << type;
}

/// C7
static LogicalResult verifyRegion(Operation *op, Region &region,
                                  FloatType accumulator) {
  Block &block = region.front();
  auto yield =
      dyn_cast_or_null<YieldOp>(block.empty() ? nullptr : &block.back());
  if (!llvm::equal(block.getArgumentTypes(), ArrayRef<Type>(accumulator)) ||
      !yield || yield.getValue().getType() != accumulator)
    return op->emitOpError() << "expected a region that takes and yields one "
                             << accumulator << " (C7)";
  for (Operation &inner : block)
    if (!isPure(&inner))
      return inner.emitOpError()
             << "expected only pure operations in the region (C7)";
  return success();
}

LogicalResult mlir::attn::verifyLinearFeatures(Operation *op, FeatureMap map,
                                               Value projection, Region &region,
                                               FloatType accumulator,
                                               int64_t heads,
                                               int64_t headSize) {
  StringRef name = stringifyFeatureMap(map);
  bool needs = isSoftmaxMap(map) || map == FeatureMap::GeneralizedRelu;
  bool takesNone = map == FeatureMap::Relu || map == FeatureMap::EluPlusOne;
  if ((needs && !projection) || (takesNone && projection))
    return op->emitOpError() << "expected " << (needs ? "a" : "no")
                             << " projection for " << name << " (C6)";
  if (projection && failed(verifyProjection(op, shapeOf(projection),
                                            accumulator, heads, headSize)))
    return failure();
  if ((map == FeatureMap::Custom) == region.empty())
    return op->emitOpError() << "expected " << (region.empty() ? "a" : "no")
                             << " region for " << name << " (C7)";
  return region.empty() ? success() : verifyRegion(op, region, accumulator);
}

double LinearNumbers::getScale() const {
  if (scale)
    return scale->convertToDouble();
  return hasProjection ? 1 / std::sqrt(static_cast<double>(headSize)) : 1.0;
}

double LinearNumbers::getFeatureEps() const {
  if (featureEps)
    return featureEps->convertToDouble();
  if (map == FeatureMap::GeneralizedRelu)
    return 1e-3;
  return isSoftmaxMap(map) && !isOrdered ? 1e-6 : 0.0;
}

double LinearNumbers::getDenominatorEps() const {
  if (denominatorEps)
    return denominatorEps->convertToDouble();
  return isSoftmaxMap(map) ? 0.0 : 1e-6;
}

LogicalResult LinearNumbers::verify(Operation *op) const {
  if (!(getScale() > 0 && std::isfinite(getScale())))
    return op->emitOpError()
           << "expected a positive, finite scale (C8), got " << getScale();
  for (double eps : {getFeatureEps(), getDenominatorEps()})
    if (!(eps >= 0 && std::isfinite(eps)))
      return op->emitOpError()
             << "expected finite epsilons of at least 0 (C8), got " << eps;
  if (!isSoftmaxMap(map))
    return success();
  if (getDenominatorEps() != 0)
    return op->emitOpError() << "expected a denominator_eps of 0 for "
                             << stringifyFeatureMap(map) << " (C9)";
  if (isOrdered && getFeatureEps() != 0)
    return op->emitOpError()
           << "expected a feature_eps of 0 for causal or stateful "
           << stringifyFeatureMap(map) << " (C9)";
  return success();
}

LogicalResult mlir::attn::verifyLinearState(Operation *op, StringRef name,
                                            ValueRange state,
                                            ArrayRef<int64_t> outer,
                                            int64_t features, int64_t valueSize,
                                            bool isSoftmax, Type accumulator) {
  SmallVector<SmallVector<int64_t>> shapes(
      isSoftmax ? 3 : 2, SmallVector<int64_t>(outer.begin(), outer.end()));
  shapes[0].append({features, valueSize});
  shapes[1].push_back(features);
  if (state.size() != shapes.size())
    return op->emitOpError() << "expected " << shapes.size() << " tensors in "
                             << name << " (C10), got " << state.size();
  for (auto [value, shape] : llvm::zip_equal(state, shapes)) {
    ShapedType type = shapeOf(value);
    if (type.getElementType() != accumulator ||
        failed(verifyCompatibleShape(type.getShape(), shape)) ||
        type.getShape().drop_front(outer.size()) !=
            ArrayRef<int64_t>(shape).drop_front(outer.size()))
      return op->emitOpError()
             << "expected " << RankedTensorType::get(shape, accumulator)
             << " in " << name << " (C10), got " << type;
  }
  return success();
}
