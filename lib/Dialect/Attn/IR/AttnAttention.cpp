//===- AttnAttention.cpp - attn.attention ---------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifier and queries of attn.attention. The constraints C1 to C9 are those of
// its description.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/SmallBitVector.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;

namespace {
constexpr const char *kDimNames[] = {"b", "h", "i", "j", "d", "e"};

/// What one operand's map may and must use, as sets of dimensions (C3).
struct OperandRule {
  StringRef name;
  SmallVector<unsigned> required;
  SmallVector<unsigned> allowed;
  bool maySplitHeads = false;
};

/// The dimension that a map result reads, and the divisor of `h floordiv g` (1
/// without).
struct MapResult {
  unsigned dim;
  int64_t divisor;
};

std::optional<MapResult> matchMapResult(AffineExpr expr) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return MapResult{dim.getPosition(), 1};
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary || binary.getKind() != AffineExprKind::FloorDiv)
    return std::nullopt;
  auto dim = dyn_cast<AffineDimExpr>(binary.getLHS());
  auto divisor = dyn_cast<AffineConstantExpr>(binary.getRHS());
  if (!dim || dim.getPosition() != AttentionOp::kHead || !divisor ||
      divisor.getValue() < 1)
    return std::nullopt;
  return MapResult{dim.getPosition(), divisor.getValue()};
}

OperandRule getRule(AttentionOp op, OpOperand &operand) {
  using D = AttentionOp::Dim;
  Value value = operand.get();
  unsigned number = operand.getOperandNumber();
  if (number == 0)
    return {"query", {D::kQuery, D::kHeadSize}, {D::kBatch, D::kHead}};
  if (number == 1)
    return {"key", {D::kKey, D::kHeadSize}, {D::kBatch, D::kHead}, true};
  if (number == 2)
    return {"value", {D::kKey, D::kValueSize}, {D::kBatch, D::kHead}, true};
  if (number == op.getOutputMutable().getOperandNumber())
    return {"output", {D::kQuery, D::kValueSize}, {D::kBatch, D::kHead}};
  if (op.getLse() && number == op.getLseMutable().begin()->getOperandNumber())
    return {"lse", {D::kQuery}, {D::kBatch, D::kHead}};
  if (op.getBias() && number == op.getBiasMutable().begin()->getOperandNumber())
    return {"bias", {}, {D::kBatch, D::kHead, D::kQuery, D::kKey}};
  (void)value;
  return {"key_valid", {D::kKey}, {D::kBatch}};
}

/// C2 and C3 for one operand; on success adds the dimensions that it uses to
/// `used`.
LogicalResult verifyMap(AttentionOp op, const OperandRule &rule, AffineMap map,
                        llvm::SmallBitVector &used) {
  llvm::SmallBitVector own(AttentionOp::kNumDims);
  for (AffineExpr expr : map.getResults()) {
    std::optional<MapResult> result = matchMapResult(expr);
    if (!result)
      return op.emitOpError()
             << "expected the map of " << rule.name
             << " to have dimensions or `h floordiv g` as results (C2), got "
             << AffineMapAttr::get(map);
    StringRef dimName = kDimNames[result->dim];
    if (own.test(result->dim))
      return op.emitOpError()
             << "expected distinct dimensions in the map of " << rule.name
             << " (C2), got " << dimName << " twice";
    if (result->divisor != 1 && !rule.maySplitHeads)
      return op.emitOpError() << "expected `floordiv` only in the maps of key "
                                 "and value (C3), got it in that of "
                              << rule.name;
    if (!llvm::is_contained(rule.required, result->dim) &&
        !llvm::is_contained(rule.allowed, result->dim))
      return op.emitOpError() << "expected the map of " << rule.name
                              << " not to use " << dimName << " (C3)";
    own.set(result->dim);
  }
  for (unsigned dim : rule.required)
    if (!own.test(dim))
      return op.emitOpError() << "expected the map of " << rule.name
                              << " to use " << kDimNames[dim] << " (C3)";
  used |= own;
  return success();
}

/// C1 to C4: maps one by one, then the extents that they give to the
/// dimensions.
LogicalResult verifyMaps(AttentionOp op) {
  ArrayAttr maps = op.getIndexingMaps();
  if (maps.size() != op->getNumOperands())
    return op.emitOpError()
           << "expected one indexing map per operand (C1), got " << maps.size()
           << " maps for " << op->getNumOperands() << " operands";
  llvm::SmallBitVector read(AttentionOp::kNumDims),
      written(AttentionOp::kNumDims);
  for (OpOperand &operand : op->getOpOperands()) {
    AffineMap map = op.getMapOf(operand);
    OperandRule rule = getRule(op, operand);
    int64_t rank = cast<RankedTensorType>(operand.get().getType()).getRank();
    if (map.getNumDims() != AttentionOp::kNumDims || map.getNumSymbols() != 0 ||
        map.getNumResults() != rank)
      return op.emitOpError()
             << "expected the map of " << rule.name
             << " to take 6 dimensions to " << rank << " results (C1), got "
             << AffineMapAttr::get(map);
    bool isOutput =
        operand.getOperandNumber() == op.getOutputMutable().getOperandNumber();
    if (failed(verifyMap(op, rule, map, isOutput ? written : read)))
      return failure();
  }
  for (unsigned dim : {AttentionOp::kBatch, AttentionOp::kHead})
    if (read.test(dim) && !written.test(dim))
      return op.emitOpError()
             << "expected the map of output to use " << kDimNames[dim]
             << ", as another operand does (C3)";
  return success();
}

LogicalResult verifyExtents(AttentionOp op) {
  int64_t extents[AttentionOp::kNumDims], divisor = 0;
  std::fill(std::begin(extents), std::end(extents), ShapedType::kDynamic);
  auto merge = [&](StringRef name, unsigned dim,
                   int64_t extent) -> LogicalResult {
    if (ShapedType::isDynamic(extent) || extents[dim] == extent)
      return success();
    if (!ShapedType::isDynamic(extents[dim]))
      return op.emitOpError()
             << "expected extent " << extents[dim] << " for " << kDimNames[dim]
             << " in " << name << " (C4), got " << extent;
    extents[dim] = extent;
    return success();
  };
  for (OpOperand &operand : op->getOpOperands()) {
    auto type = cast<RankedTensorType>(operand.get().getType());
    OperandRule rule = getRule(op, operand);
    for (auto [expr, extent] :
         llvm::zip_equal(op.getMapOf(operand).getResults(), type.getShape())) {
      MapResult result = *matchMapResult(expr);
      if (rule.maySplitHeads && result.dim == AttentionOp::kHead) {
        if (divisor != 0 && divisor != result.divisor)
          return op.emitOpError()
                 << "expected the same head sharing in key and value (C3), got "
                 << divisor << " and " << result.divisor;
        divisor = result.divisor;
      }
      bool isDynamic = ShapedType::isDynamic(extent);
      if (failed(merge(rule.name, result.dim,
                       isDynamic ? extent : extent * result.divisor)))
        return failure();
    }
  }
  for (unsigned dim : {AttentionOp::kHeadSize, AttentionOp::kValueSize})
    if (extents[dim] < 1 || extents[dim] > 1024)
      return op.emitOpError() << "expected a static extent of "
                              << kDimNames[dim] << " in [1, 1024] (C5), got "
                              << (ShapedType::isDynamic(extents[dim])
                                      ? std::string("a dynamic one")
                                      : std::to_string(extents[dim]));
  return success();
}

LogicalResult verifyTypes(AttentionOp op) {
  auto element = [](Value value) {
    return cast<RankedTensorType>(value.getType()).getElementType();
  };
  Type type = element(op.getQuery());
  if (!type.isF16() && !type.isBF16() && !type.isF32() && !type.isF64())
    return op.emitOpError()
           << "expected operands of f16, bf16, f32 or f64 (C6), got " << type;
  for (Value value :
       {Value(op.getKey()), Value(op.getValue()), Value(op.getOutput())})
    if (element(value) != type)
      return op.emitOpError() << "expected query, key, value and output to "
                                 "have one element type (C6), got "
                              << type << " and " << element(value);
  if (op.getLse() && element(op.getLse()) != op.getAccumulatorType())
    return op.emitOpError() << "expected lse of " << op.getAccumulatorType()
                            << " (C6), got " << element(op.getLse());
  if (op.getKeyValid() && !element(op.getKeyValid()).isInteger(1))
    return op.emitOpError() << "expected key_valid of i1 (C6), got "
                            << element(op.getKeyValid());
  if (op.getBias() && !isa<FloatType>(element(op.getBias())))
    return op.emitOpError() << "expected a floating-point bias (C6), got "
                            << element(op.getBias());
  auto inits = op.getDpsInits();
  if (op->getNumResults() != inits.size() ||
      !llvm::equal(op->getResultTypes(), TypeRange(inits)))
    return op.emitOpError()
           << "expected result types equal to the types of output and lse (C7)";
  return success();
}

LogicalResult verifyScoreMod(Operation *op, Region &region, Type scoreType) {
  if (region.empty())
    return success();
  Block &block = region.front();
  Type index = IndexType::get(op->getContext());
  Type expected[] = {scoreType, index, index, index, index};
  if (!llvm::equal(block.getArgumentTypes(), expected))
    return op->emitOpError() << "expected score_mod arguments (" << scoreType
                             << ", index, index, index, index) (C8)";
  auto yield =
      dyn_cast_or_null<YieldOp>(block.empty() ? nullptr : &block.back());
  if (!yield || yield.getValue().getType() != scoreType)
    return op->emitOpError()
           << "expected score_mod to end with an attn.yield of " << scoreType
           << " (C8)";
  for (Operation &inner : block)
    if (!isPure(&inner))
      return inner.emitOpError()
             << "expected only pure operations in score_mod (C8)";
  return success();
}
} // namespace

LogicalResult AttentionOp::verify() {
  if (failed(verifyMaps(*this)) || failed(verifyExtents(*this)) ||
      failed(verifyTypes(*this)) ||
      failed(verifyScoreMod(*this, getScoreMod(), getAccumulatorType())))
    return failure();
  if (getScale() && !std::isfinite(getScale()->convertToDouble()))
    return emitOpError() << "expected a finite scale (C9)";
  if (getSoftcap() && !(getSoftcap()->convertToDouble() > 0 &&
                        std::isfinite(getSoftcap()->convertToDouble())))
    return emitOpError() << "expected a positive, finite softcap (C9), got "
                         << getSoftcap()->convertToDouble();
  if (!getMask())
    return success();
  return getMask()->verifyFor([&] { return emitOpError(); },
                              getStaticExtent(kHead), getStaticExtent(kQuery),
                              getStaticExtent(kKey));
}

LogicalResult
AttentionOp::reifyResultShapes(OpBuilder &builder,
                               ReifiedRankedShapedTypeDims &shapes) {
  for (Value init : getDpsInits())
    shapes.push_back(tensor::getMixedSizes(builder, getLoc(), init));
  return success();
}

int64_t AttentionOp::getGroupSize() {
  for (AffineExpr expr : getKeyMap().getResults())
    if (std::optional<MapResult> result = matchMapResult(expr);
        result && result->dim == kHead)
      return result->divisor;
  return 1;
}

int64_t AttentionOp::getStaticExtent(Dim dim) {
  int64_t extent = 1;
  for (OpOperand &operand : getOperation()->getOpOperands()) {
    auto type = cast<RankedTensorType>(operand.get().getType());
    for (auto [expr, size] :
         llvm::zip_equal(getMapOf(operand).getResults(), type.getShape())) {
      MapResult result = *matchMapResult(expr);
      if (result.dim != dim)
        continue;
      if (!ShapedType::isDynamic(size))
        return size * result.divisor;
      extent = ShapedType::kDynamic;
    }
  }
  return extent;
}

OpFoldResult AttentionOp::getExtent(OpBuilder &builder, Location loc, Dim dim) {
  if (int64_t extent = getStaticExtent(dim); !ShapedType::isDynamic(extent))
    return builder.getIndexAttr(extent);
  for (OpOperand &operand : getOperation()->getOpOperands())
    for (auto [position, expr] :
         llvm::enumerate(getMapOf(operand).getResults()))
      if (MapResult result = *matchMapResult(expr);
          result.dim == dim && result.divisor == 1)
        return tensor::getMixedSize(builder, loc, operand.get(), position);
  // Only key and value have heads, and they share them: h = g * their extent.
  for (auto [position, expr] : llvm::enumerate(getKeyMap().getResults()))
    if (MapResult result = *matchMapResult(expr); result.dim == dim)
      return affine::makeComposedFoldedAffineApply(
          builder, loc, builder.getAffineDimExpr(0) * result.divisor,
          {tensor::getMixedSize(builder, loc, getKey(), position)});
  return builder.getIndexAttr(1);
}

double AttentionOp::getEffectiveScale() {
  if (getScale())
    return getScale()->convertToDouble();
  return 1.0 / std::sqrt(static_cast<double>(getStaticExtent(kHeadSize)));
}

FloatType AttentionOp::getAccumulatorType() {
  Type type = cast<RankedTensorType>(getQuery().getType()).getElementType();
  return type.isF64() ? FloatType(Float64Type::get(getContext()))
                      : FloatType(Float32Type::get(getContext()));
}
