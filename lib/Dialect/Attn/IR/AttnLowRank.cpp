//===- AttnLowRank.cpp - attention over projected keys --------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifiers and queries of attn.low_rank_attention. The constraints C1 to C12
// are those of its description.
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
using D = LowRankAttentionOp::Dim;
constexpr const char *kDimNames[] = {"b", "h", "i", "j", "s", "d", "e"};
constexpr int64_t kMaxSlots = int64_t(1) << 16;

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
  if (!dim || dim.getPosition() != D::kHead || !divisor ||
      divisor.getValue() < 1)
    return std::nullopt;
  return MapResult{dim.getPosition(), divisor.getValue()};
}

OperandRule getRule(LowRankAttentionOp op, OpOperand &operand) {
  SmallVector<unsigned> outer{D::kBatch, D::kHead};
  switch (operand.getOperandNumber()) {
  case 0:
    return {"query", {D::kQuery, D::kHeadSize}, outer};
  case 1:
    return {"key", {D::kKey, D::kHeadSize}, outer, true};
  case 2:
    return {"value", {D::kKey, D::kValueSize}, outer, true};
  case 3:
    return {"key_projection", {D::kSlot, D::kKey}, {D::kHead}, true};
  case 4:
    return {"value_projection", {D::kSlot, D::kKey}, {D::kHead}, true};
  default:
    break;
  }
  unsigned output = op.getOutputMutable().getOperandNumber();
  if (operand.getOperandNumber() == output)
    return {"output", {D::kQuery, D::kValueSize}, outer};
  if (operand.getOperandNumber() > output)
    return {"lse", {D::kQuery}, outer};
  return {"key_valid", {D::kKey}, {D::kBatch}};
}

/// C2 and C3 for one operand; on success adds the dimensions that it uses to
/// `used`.
LogicalResult verifyMap(LowRankAttentionOp op, const OperandRule &rule,
                        AffineMap map, llvm::SmallBitVector &used) {
  llvm::SmallBitVector own(D::kNumDims);
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
      return op.emitOpError()
             << "expected no `floordiv` in the map of " << rule.name << " (C3)";
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

/// C1 to C3.
LogicalResult verifyMaps(LowRankAttentionOp op) {
  ArrayAttr maps = op.getIndexingMaps();
  if (maps.size() != op->getNumOperands())
    return op.emitOpError()
           << "expected one indexing map per operand (C1), got " << maps.size()
           << " maps for " << op->getNumOperands() << " operands";
  llvm::SmallBitVector read(D::kNumDims), written(D::kNumDims);
  for (OpOperand &operand : op->getOpOperands()) {
    AffineMap map = op.getMapOf(operand);
    OperandRule rule = getRule(op, operand);
    int64_t rank = cast<RankedTensorType>(operand.get().getType()).getRank();
    if (map.getNumDims() != D::kNumDims || map.getNumSymbols() != 0 ||
        map.getNumResults() != rank)
      return op.emitOpError()
             << "expected the map of " << rule.name
             << " to take 7 dimensions to " << rank << " results (C1), got "
             << AffineMapAttr::get(map);
    bool isOutput =
        operand.getOperandNumber() == op.getOutputMutable().getOperandNumber();
    if (failed(verifyMap(op, rule, map, isOutput ? written : read)))
      return failure();
  }
  for (unsigned dim : {D::kBatch, D::kHead})
    if (read.test(dim) && !written.test(dim))
      return op.emitOpError()
             << "expected the map of output to use " << kDimNames[dim]
             << ", as another operand does (C3)";
  return success();
}

/// Gathers the static extents of all dimensions while it compares them (C4).
class ExtentChecker {
public:
  explicit ExtentChecker(LowRankAttentionOp op) : op(op) {
    std::fill(std::begin(extents), std::end(extents), ShapedType::kDynamic);
  }
  LogicalResult run();

private:
  LogicalResult addOperand(OpOperand &operand);
  LogicalResult merge(StringRef name, unsigned dim, int64_t extent);
  LogicalResult checkSizes();
  LogicalResult checkSlots();
  LogicalResult checkColumns(OpOperand &projection);

  LowRankAttentionOp op;
  int64_t extents[D::kNumDims];
  int64_t divisor = 1;
};

LogicalResult ExtentChecker::merge(StringRef name, unsigned dim,
                                   int64_t extent) {
  if (ShapedType::isDynamic(extent) || extents[dim] == extent)
    return success();
  if (!ShapedType::isDynamic(extents[dim]))
    return op.emitOpError()
           << "expected extent " << extents[dim] << " for " << kDimNames[dim]
           << " in " << name << " (C4), got " << extent;
  extents[dim] = extent;
  return success();
}

LogicalResult ExtentChecker::addOperand(OpOperand &operand) {
  auto type = cast<RankedTensorType>(operand.get().getType());
  OperandRule rule = getRule(op, operand);
  bool isProjection = llvm::is_contained(rule.required, unsigned(D::kSlot));
  for (auto [expr, extent] :
       llvm::zip_equal(op.getMapOf(operand).getResults(), type.getShape())) {
    MapResult result = *matchMapResult(expr);
    if (result.divisor != 1) {
      if (divisor != 1 && divisor != result.divisor)
        return op.emitOpError()
               << "expected the same head sharing everywhere (C3), got "
               << divisor << " and " << result.divisor;
      divisor = result.divisor;
    }
    if (isProjection && result.dim == D::kKey)
      continue;
    bool isDynamic = ShapedType::isDynamic(extent);
    if (failed(merge(rule.name, result.dim,
                     isDynamic ? extent : extent * result.divisor)))
      return failure();
  }
  return success();
}

/// C5.
LogicalResult ExtentChecker::checkSizes() {
  auto describe = [](int64_t extent) {
    return ShapedType::isDynamic(extent) ? std::string("a dynamic one")
                                         : std::to_string(extent);
  };
  for (unsigned dim : {D::kHeadSize, D::kValueSize})
    if (extents[dim] < 1 || extents[dim] > 1024)
      return op.emitOpError()
             << "expected a static extent of " << kDimNames[dim]
             << " in [1, 1024] (C5), got " << describe(extents[dim]);
  if (extents[D::kSlot] < 1 || extents[D::kSlot] > kMaxSlots)
    return op.emitOpError() << "expected a static extent of s in [1, 2^16] "
                               "(C5), got "
                            << describe(extents[D::kSlot]);
  return success();
}

/// C8, C10 and C11.
LogicalResult ExtentChecker::checkSlots() {
  if (op.getCausal() && !op.getBlock())
    return op.emitOpError()
           << "expected `block` with `causal` (C10): without blocks every slot "
              "mixes all positions, later ones too";
  if (op.getBlock() && static_cast<int64_t>(*op.getBlock()) < 1)
    return op.emitOpError() << "expected a positive block (C11), got "
                            << static_cast<int64_t>(*op.getBlock());
  int64_t queries = extents[D::kQuery], keys = extents[D::kKey];
  if (op.getCausal() && !ShapedType::isDynamic(queries) &&
      !ShapedType::isDynamic(keys) && queries != keys)
    return op.emitOpError() << "expected as many queries as keys with `causal` "
                               "(C11), got "
                            << queries << " and " << keys;
  int64_t most = op.getBlock() ? static_cast<int64_t>(*op.getBlock()) : keys;
  if (!ShapedType::isDynamic(most) && extents[D::kSlot] > most)
    return op.emitOpError()
           << "expected at most as many slots as "
           << (op.getBlock() ? "positions of a block" : "keys") << " (C8), got "
           << extents[D::kSlot] << " for " << most;
  return success();
}

/// C9.
LogicalResult ExtentChecker::checkColumns(OpOperand &projection) {
  AffineMap map = op.getMapOf(projection);
  unsigned at =
      *map.getResultPosition(getAffineDimExpr(D::kKey, op.getContext()));
  int64_t columns =
      cast<RankedTensorType>(projection.get().getType()).getDimSize(at);
  StringRef name = getRule(op, projection).name;
  if (op.getBlock()) {
    if (columns != static_cast<int64_t>(*op.getBlock()))
      return op.emitOpError()
             << "expected a column of " << name << " for each of the "
             << static_cast<int64_t>(*op.getBlock())
             << " positions of a block (C9), got "
             << (ShapedType::isDynamic(columns)
                     ? std::string("a dynamic extent")
                     : std::to_string(columns));
    return success();
  }
  if (!ShapedType::isDynamic(columns) &&
      !ShapedType::isDynamic(extents[D::kKey]) && columns < extents[D::kKey])
    return op.emitOpError()
           << "expected a column of " << name << " for each of the "
           << extents[D::kKey] << " keys (C9), got " << columns;
  return success();
}

LogicalResult ExtentChecker::run() {
  for (OpOperand &operand : op->getOpOperands())
    if (failed(addOperand(operand)))
      return failure();
  if (failed(checkSizes()) || failed(checkSlots()))
    return failure();
  if (failed(checkColumns(op.getKeyProjectionMutable())))
    return failure();
  return checkColumns(op.getValueProjectionMutable());
}

/// C6 and C7.
LogicalResult verifyTypes(LowRankAttentionOp op) {
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
  for (Value value : {op.getKeyProjection(), op.getValueProjection()})
    if (!isa<FloatType>(element(value)))
      return op.emitOpError() << "expected floating-point projections (C6), "
                                 "got "
                              << element(value);
  if (op.getLse() && element(op.getLse()) != op.getAccumulatorType())
    return op.emitOpError() << "expected lse of " << op.getAccumulatorType()
                            << " (C6), got " << element(op.getLse());
  if (op.getKeyValid() && !element(op.getKeyValid()).isInteger(1))
    return op.emitOpError() << "expected key_valid of i1 (C6), got "
                            << element(op.getKeyValid());
  auto inits = op.getDpsInits();
  if (op->getNumResults() != inits.size() ||
      !llvm::equal(op->getResultTypes(), TypeRange(inits)))
    return op.emitOpError()
           << "expected result types equal to the types of output and lse (C7)";
  return success();
}
} // namespace

LogicalResult LowRankAttentionOp::verify() {
  if (failed(verifyMaps(*this)) || failed(ExtentChecker(*this).run()) ||
      failed(verifyTypes(*this)))
    return failure();
  if (getScale() && !std::isfinite(getScale()->convertToDouble()))
    return emitOpError() << "expected a finite scale (C12)";
  return success();
}

LogicalResult
LowRankAttentionOp::reifyResultShapes(OpBuilder &builder,
                                      ReifiedRankedShapedTypeDims &shapes) {
  for (Value init : getDpsInits())
    shapes.push_back(tensor::getMixedSizes(builder, getLoc(), init));
  return success();
}

/// Calls `visit(operand, position, divisor)` for every place where an operand
/// has the dimension, until it returns true.
static bool
findExtent(LowRankAttentionOp op, D dim,
           function_ref<bool(OpOperand &, unsigned, int64_t)> visit) {
  for (OpOperand &operand : op->getOpOperands()) {
    bool isProjection =
        operand.getOperandNumber() == 3 || operand.getOperandNumber() == 4;
    if (isProjection && dim == D::kKey)
      continue;
    for (auto [position, expr] :
         llvm::enumerate(op.getMapOf(operand).getResults()))
      if (MapResult result = *matchMapResult(expr); result.dim == dim)
        if (visit(operand, position, result.divisor))
          return true;
  }
  return false;
}

int64_t LowRankAttentionOp::getStaticExtent(Dim dim) {
  int64_t extent = 1;
  findExtent(*this, dim,
             [&](OpOperand &operand, unsigned position, int64_t divisor) {
               int64_t size = cast<RankedTensorType>(operand.get().getType())
                                  .getDimSize(position);
               extent = ShapedType::isDynamic(size) ? size : size * divisor;
               return !ShapedType::isDynamic(size);
             });
  return extent;
}

OpFoldResult LowRankAttentionOp::getExtent(OpBuilder &builder, Location loc,
                                           Dim dim) {
  if (int64_t extent = getStaticExtent(dim); !ShapedType::isDynamic(extent))
    return builder.getIndexAttr(extent);
  OpFoldResult extent;
  findExtent(
      *this, dim, [&](OpOperand &operand, unsigned position, int64_t divisor) {
        OpFoldResult size =
            tensor::getMixedSize(builder, loc, operand.get(), position);
        extent = affine::makeComposedFoldedAffineApply(
            builder, loc, builder.getAffineSymbolExpr(0) * divisor, {size});
        return divisor == 1;
      });
  return extent;
}

double LowRankAttentionOp::getEffectiveScale() {
  if (getScale())
    return getScale()->convertToDouble();
  return 1.0 / std::sqrt(static_cast<double>(getStaticExtent(kHeadSize)));
}

FloatType LowRankAttentionOp::getAccumulatorType() {
  Type type = cast<RankedTensorType>(getQuery().getType()).getElementType();
  return type.isF64() ? FloatType(Float64Type::get(getContext()))
                      : FloatType(Float32Type::get(getContext()));
}
