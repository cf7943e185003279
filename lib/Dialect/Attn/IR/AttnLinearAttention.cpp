//===- AttnLinearAttention.cpp - attn.linear_attention --------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifier and queries of attn.linear_attention. The constraints C1 to C11 are
// those of its description.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/SmallBitVector.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;

namespace {
using D = AttentionOp::Dim;
constexpr const char *kDimNames[] = {"b", "h", "i", "j", "d", "e"};
constexpr int64_t kMaxHeadSize = 1024, kMaxFeatures = 4096;

RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

/// An operand with a map: what the map has to use, and may use besides.
struct Operand {
  StringRef name;
  Value value;
  SmallVector<unsigned> required;
  bool mayUseHead = true, mayShareHeads = false;
};

SmallVector<Operand> describeOperands(LinearAttentionOp op) {
  SmallVector<Operand> all{
      {"query", op.getQuery(), {D::kQuery, D::kHeadSize}},
      {"key", op.getKey(), {D::kKey, D::kHeadSize}, true, true},
      {"value", op.getValue(), {D::kKey, D::kValueSize}, true, true}};
  if (op.getKeyValid())
    all.push_back({"key_valid", op.getKeyValid(), {D::kKey}, false});
  all.push_back({"output", op.getOutput(), {D::kQuery, D::kValueSize}});
  return all;
}

/// The dimension of a map's result and the g of `h floordiv g`, 1 without; 0
/// if it is neither.
std::pair<unsigned, int64_t> matchResult(AffineExpr expr) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return {dim.getPosition(), 1};
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary || binary.getKind() != AffineExprKind::FloorDiv)
    return {0, 0};
  auto dim = dyn_cast<AffineDimExpr>(binary.getLHS());
  auto divisor = dyn_cast<AffineConstantExpr>(binary.getRHS());
  if (!dim || dim.getPosition() != D::kHead || !divisor ||
      divisor.getValue() < 1)
    return {0, 0};
  return {dim.getPosition(), divisor.getValue()};
}

/// C1 and C2 for one operand; adds what its map uses to `used`.
LogicalResult verifyMap(LinearAttentionOp op, const Operand &operand,
                        AffineMap map, llvm::SmallBitVector &used) {
  auto report = [&](const Twine &expected, StringRef constraint) {
    return op.emitOpError()
           << "expected the map of " << operand.name << " to " << expected
           << " (" << constraint << "), got " << AffineMapAttr::get(map);
  };
  if (map.getNumDims() != D::kNumDims || map.getNumSymbols() != 0 ||
      map.getNumResults() != typeOf(operand.value).getRank())
    return report("take 6 dimensions to " +
                      Twine(typeOf(operand.value).getRank()) + " results",
                  "C1");
  llvm::SmallBitVector own(D::kNumDims);
  for (AffineExpr expr : map.getResults()) {
    auto [dim, divisor] = matchResult(expr);
    if (divisor == 0 || (divisor > 1 && !operand.mayShareHeads) ||
        own.test(dim))
      return report("have distinct dimensions as results", "C1");
    own.set(dim);
    bool isAllowed = llvm::is_contained(operand.required, dim) ||
                     dim == D::kBatch ||
                     (dim == D::kHead && operand.mayUseHead);
    if (!isAllowed)
      return report(Twine("not use ") + kDimNames[dim], "C2");
  }
  for (unsigned dim : operand.required)
    if (!own.test(dim))
      return report(Twine("use ") + kDimNames[dim], "C2");
  used |= own;
  return success();
}

LogicalResult verifyMaps(LinearAttentionOp op) {
  SmallVector<Operand> operands = describeOperands(op);
  if (op.getIndexingMaps().size() != operands.size())
    return op.emitOpError()
           << "expected " << operands.size() << " indexing maps (C1), got "
           << op.getIndexingMaps().size();
  llvm::SmallBitVector read(D::kNumDims), written(D::kNumDims);
  for (auto [operand, attr] : llvm::zip_equal(operands, op.getIndexingMaps())) {
    bool isOutput = operand.name == "output";
    if (failed(verifyMap(op, operand, cast<AffineMapAttr>(attr).getValue(),
                         isOutput ? written : read)))
      return failure();
  }
  for (unsigned dim : {D::kBatch, D::kHead})
    if (read.test(dim) && !written.test(dim))
      return op.emitOpError()
             << "expected the map of output to use " << kDimNames[dim]
             << ", as another operand does (C2)";
  return success();
}

/// C3: extents that agree, and head sizes in range.
LogicalResult verifyExtents(LinearAttentionOp op) {
  int64_t extents[D::kNumDims], sharing = 0;
  std::fill(std::begin(extents), std::end(extents), ShapedType::kDynamic);
  for (auto [operand, attr] :
       llvm::zip_equal(describeOperands(op), op.getIndexingMaps())) {
    AffineMap map = cast<AffineMapAttr>(attr).getValue();
    for (auto [expr, extent] :
         llvm::zip_equal(map.getResults(), typeOf(operand.value).getShape())) {
      auto [dim, divisor] = matchResult(expr);
      if (operand.mayShareHeads && dim == D::kHead) {
        if (sharing != 0 && sharing != divisor)
          return op.emitOpError()
                 << "expected the same head sharing in key and value (C3), got "
                 << sharing << " and " << divisor;
        sharing = divisor;
      }
      if (ShapedType::isDynamic(extent))
        continue;
      if (!ShapedType::isDynamic(extents[dim]) &&
          extents[dim] != extent * divisor)
        return op.emitOpError() << "expected extent " << extents[dim] << " for "
                                << kDimNames[dim] << " in " << operand.name
                                << " (C3), got " << extent * divisor;
      extents[dim] = extent * divisor;
    }
  }
  for (unsigned dim : {D::kHeadSize, D::kValueSize})
    if (extents[dim] < 1 || extents[dim] > kMaxHeadSize)
      return op.emitOpError() << "expected a static extent of "
                              << kDimNames[dim] << " in [1, 1024] (C3), got "
                              << (ShapedType::isDynamic(extents[dim])
                                      ? std::string("a dynamic one")
                                      : std::to_string(extents[dim]));
  return success();
}

LogicalResult verifyTypes(LinearAttentionOp op) {
  Type type = typeOf(op.getQuery()).getElementType();
  if (!type.isF16() && !type.isBF16() && !type.isF32() && !type.isF64())
    return op.emitOpError()
           << "expected operands of f16, bf16, f32 or f64 (C4), got " << type;
  for (Value value :
       {Value(op.getKey()), Value(op.getValue()), Value(op.getOutput())})
    if (typeOf(value).getElementType() != type)
      return op.emitOpError()
             << "expected query, key, value and output to "
                "have one element type (C4), got "
             << type << " and " << typeOf(value).getElementType();
  if (op.getKeyValid() &&
      !typeOf(op.getKeyValid()).getElementType().isInteger(1))
    return op.emitOpError() << "expected key_valid of i1 (C4), got "
                            << typeOf(op.getKeyValid()).getElementType();
  SmallVector<Type> expected{op.getOutput().getType()};
  llvm::append_range(expected, op.getFinal().getTypes());
  if (!llvm::equal(op->getResultTypes(), expected))
    return op.emitOpError()
           << "expected result types equal to the types of output and final "
              "(C11)";
  return success();
}

/// C5 to C7: what the feature map takes.
LogicalResult verifyFeatures(LinearAttentionOp op) {
  FeatureMap map = op.getFeatureMap();
  StringRef name = stringifyFeatureMap(map);
  bool needs = isSoftmaxMap(map) || map == FeatureMap::GeneralizedRelu;
  bool takesNone = map == FeatureMap::Relu || map == FeatureMap::EluPlusOne;
  Value projection = op.getProjection();
  if ((needs && !projection) || (takesNone && projection))
    return op.emitOpError() << "expected " << (needs ? "a" : "no")
                            << " projection for " << name << " (C6)";
  if (projection) {
    RankedTensorType type = typeOf(projection);
    int64_t rank = type.getRank(), heads = op.getStaticExtent(D::kHead);
    bool isShaped =
        (rank == 2 || rank == 3) && type.hasStaticShape() &&
        type.getElementType() == op.getAccumulatorType() &&
        type.getShape().back() == op.getStaticExtent(D::kHeadSize) &&
        (rank == 2 || type.getDimSize(0) == heads);
    if (!isShaped || type.getDimSize(rank - 2) < 1 ||
        type.getDimSize(rank - 2) > kMaxFeatures)
      return op.emitOpError()
             << "expected a projection [r, D] or [H, r, D] of "
             << op.getAccumulatorType() << " with r in [1, 4096] and D = "
             << op.getStaticExtent(D::kHeadSize) << " (C5), got " << type;
  }
  Region &region = op.getFeature();
  if ((map == FeatureMap::Custom) == region.empty())
    return op.emitOpError() << "expected " << (region.empty() ? "a" : "no")
                            << " region for " << name << " (C7)";
  if (region.empty())
    return success();
  Block &block = region.front();
  Type type = op.getAccumulatorType();
  auto yield =
      dyn_cast_or_null<YieldOp>(block.empty() ? nullptr : &block.back());
  if (!llvm::equal(block.getArgumentTypes(), ArrayRef<Type>(type)) || !yield ||
      yield.getValue().getType() != type)
    return op.emitOpError()
           << "expected a region that takes and yields one " << type << " (C7)";
  for (Operation &inner : block)
    if (!isPure(&inner))
      return inner.emitOpError()
             << "expected only pure operations in the region (C7)";
  return success();
}

LogicalResult verifyNumbers(LinearAttentionOp op) {
  if (op.getScale() && !(op.getScale()->convertToDouble() > 0 &&
                         std::isfinite(op.getScale()->convertToDouble())))
    return op.emitOpError() << "expected a positive, finite scale (C8), got "
                            << op.getScale()->convertToDouble();
  for (std::optional<APFloat> eps :
       {op.getFeatureEps(), op.getDenominatorEps()})
    if (eps &&
        !(eps->convertToDouble() >= 0 && std::isfinite(eps->convertToDouble())))
      return op.emitOpError()
             << "expected finite epsilons of at least 0 (C8), got "
             << eps->convertToDouble();
  if (op.getChunk() && (*op.getChunk() < 1 || *op.getChunk() > 4096))
    return op.emitOpError()
           << "expected a chunk in [1, 4096] (C8), got " << *op.getChunk();
  if (!op.hasSoftmaxMap())
    return success();
  if (op.getEffectiveDenominatorEps() != 0)
    return op.emitOpError()
           << "expected a denominator_eps of 0 for "
           << stringifyFeatureMap(op.getFeatureMap()) << " (C9)";
  if ((op.getCausal() || op.hasState()) && op.getEffectiveFeatureEps() != 0)
    return op.emitOpError()
           << "expected a feature_eps of 0 for causal or stateful "
           << stringifyFeatureMap(op.getFeatureMap()) << " (C9)";
  return success();
}

/// C10, after everything that tells the shapes.
LogicalResult verifyState(LinearAttentionOp op, StringRef name,
                          ValueRange state) {
  if (state.empty())
    return success();
  SmallVector<int64_t> outer;
  for (D dim : {D::kBatch, D::kHead})
    if (op.getOutputMap().isFunctionOfDim(dim))
      outer.push_back(op.getStaticExtent(dim));
  SmallVector<SmallVector<int64_t>> shapes(op.hasSoftmaxMap() ? 3 : 2, outer);
  shapes[0].push_back(op.getNumFeatures());
  shapes[0].push_back(op.getStaticExtent(D::kValueSize));
  shapes[1].push_back(op.getNumFeatures());
  if (state.size() != shapes.size())
    return op.emitOpError() << "expected " << shapes.size() << " tensors in "
                            << name << " (C10), got " << state.size();
  for (auto [value, shape] : llvm::zip_equal(state, shapes)) {
    auto wanted = RankedTensorType::get(shape, op.getAccumulatorType());
    RankedTensorType type = typeOf(value);
    if (type.getElementType() != wanted.getElementType() ||
        failed(verifyCompatibleShape(type, wanted)) ||
        type.getShape().drop_front(outer.size()) !=
            wanted.getShape().drop_front(outer.size()))
      return op.emitOpError() << "expected " << wanted << " in " << name
                              << " (C10), got " << type;
  }
  return success();
}
} // namespace

LogicalResult LinearAttentionOp::verify() {
  if (failed(verifyMaps(*this)) || failed(verifyExtents(*this)) ||
      failed(verifyTypes(*this)) || failed(verifyFeatures(*this)) ||
      failed(verifyNumbers(*this)) ||
      failed(verifyState(*this, "initial", getInitial())))
    return failure();
  return verifyState(*this, "final", getFinal());
}

LogicalResult
LinearAttentionOp::reifyResultShapes(OpBuilder &builder,
                                     ReifiedRankedShapedTypeDims &shapes) {
  for (Value init : getDpsInits())
    shapes.push_back(tensor::getMixedSizes(builder, getLoc(), init));
  return success();
}

int64_t LinearAttentionOp::getStaticExtent(Dim dim) {
  int64_t extent = 1;
  for (auto [operand, attr] :
       llvm::zip_equal(describeOperands(*this), getIndexingMaps()))
    for (auto [expr, size] :
         llvm::zip_equal(cast<AffineMapAttr>(attr).getValue().getResults(),
                         typeOf(operand.value).getShape())) {
      auto [own, divisor] = matchResult(expr);
      if (own != dim)
        continue;
      if (!ShapedType::isDynamic(size))
        return size * divisor;
      extent = ShapedType::kDynamic;
    }
  return extent;
}

OpFoldResult LinearAttentionOp::getExtent(OpBuilder &builder, Location loc,
                                          Dim dim) {
  if (int64_t extent = getStaticExtent(dim); !ShapedType::isDynamic(extent))
    return builder.getIndexAttr(extent);
  for (auto [operand, attr] :
       llvm::zip_equal(describeOperands(*this), getIndexingMaps()))
    for (auto [position, expr] :
         llvm::enumerate(cast<AffineMapAttr>(attr).getValue().getResults()))
      if (matchResult(expr) == std::pair<unsigned, int64_t>(dim, 1))
        return tensor::getMixedSize(builder, loc, operand.value, position);
  llvm_unreachable("output has every batch and head dimension that is used");
}

int64_t LinearAttentionOp::getGroupSize() {
  for (AffineExpr expr : getKeyMap().getResults())
    if (auto [dim, divisor] = matchResult(expr); dim == Dim::kHead)
      return divisor;
  return 1;
}

FloatType LinearAttentionOp::getAccumulatorType() {
  Type type = typeOf(getQuery()).getElementType();
  return type.isF64() ? FloatType(Float64Type::get(getContext()))
                      : FloatType(Float32Type::get(getContext()));
}

int64_t LinearAttentionOp::getNumFeatures() {
  if (!getProjection())
    return getStaticExtent(Dim::kHeadSize);
  ArrayRef<int64_t> shape = typeOf(getProjection()).getShape();
  bool isTwice = getFeatureMap() == FeatureMap::SoftmaxHyperbolic;
  return shape[shape.size() - 2] * (isTwice ? 2 : 1);
}

double LinearAttentionOp::getEffectiveScale() {
  if (getScale())
    return getScale()->convertToDouble();
  double size = static_cast<double>(getStaticExtent(Dim::kHeadSize));
  return getProjection() ? 1 / std::sqrt(size) : 1.0;
}

double LinearAttentionOp::getEffectiveFeatureEps() {
  if (getFeatureEps())
    return getFeatureEps()->convertToDouble();
  if (getFeatureMap() == FeatureMap::GeneralizedRelu)
    return 1e-3;
  return hasSoftmaxMap() && !getCausal() && !hasState() ? 1e-6 : 0.0;
}

double LinearAttentionOp::getEffectiveDenominatorEps() {
  if (getDenominatorEps())
    return getDenominatorEps()->convertToDouble();
  return hasSoftmaxMap() ? 0.0 : 1e-6;
}
