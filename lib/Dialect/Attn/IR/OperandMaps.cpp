//===- OperandMaps.cpp - operands read through maps -----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Checks of indexing maps, extents and element types of the attentions on whole
// sequences. Messages carry the number that the operation's description gives
// to the constraint.
//
//===----------------------------------------------------------------------===//

#include "OperandMaps.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::attn;

static ShapedType typeOf(Value value) {
  return cast<ShapedType>(value.getType());
}

static bool isKnown(int64_t extent) { return !ShapedType::isDynamic(extent); }

std::optional<MapResult> Domain::match(AffineExpr expr) const {
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return MapResult{dim.getPosition(), 1};
  MLIRContext *context = expr.getContext();
  if (relative && expr == getAffineDimExpr(AttentionOp::kKey, context) -
                              getAffineDimExpr(AttentionOp::kQuery, context))
    return MapResult{*relative, 1};
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary || binary.getKind() != AffineExprKind::FloorDiv)
    return std::nullopt;
  auto dim = dyn_cast<AffineDimExpr>(binary.getLHS());
  auto divisor = dyn_cast<AffineConstantExpr>(binary.getRHS());
  if (!dim || dim.getPosition() != kHead || !divisor || divisor.getValue() < 1)
    return std::nullopt;
  return MapResult{kHead, divisor.getValue()};
}

LogicalResult OperandMaps::verifyOne(const MappedOperand &operand,
                                     const MapConstraints &constraints,
                                     llvm::SmallBitVector &used) const {
  auto report = [&](const Twine &expected, StringRef constraint) {
    return op->emitOpError()
           << "expected " << expected << " (" << constraint << ")";
  };
  llvm::SmallBitVector own(domain.names.size());
  for (AffineExpr expr : operand.map.getResults()) {
    std::optional<MapResult> result = domain.match(expr);
    if (!result)
      return report("the map of " + operand.name +
                        " to have dimensions or `h floordiv g` as results",
                    constraints.results)
             << ", got " << AffineMapAttr::get(operand.map);
    StringRef dim = domain.names[result->dim];
    if (own.test(result->dim))
      return report("distinct dimensions in the map of " + operand.name,
                    constraints.results)
             << ", got " << dim << " twice";
    if (result->divisor != 1 && operand.headSharing == HeadSharing::None)
      return report("no `floordiv` in the map of " + operand.name,
                    constraints.uses);
    if (!llvm::is_contained(operand.required, result->dim) &&
        !llvm::is_contained(operand.allowed, result->dim))
      return report("the map of " + operand.name + " not to use " + dim,
                    constraints.uses);
    own.set(result->dim);
  }
  for (unsigned dim : operand.required)
    if (!own.test(dim))
      return report("the map of " + operand.name + " to use " +
                        domain.names[dim],
                    constraints.uses);
  used |= own;
  return success();
}

LogicalResult OperandMaps::verify(const MapConstraints &constraints) const {
  llvm::SmallBitVector read(domain.names.size());
  for (const MappedOperand &operand : operands) {
    AffineMap map = operand.map;
    int64_t rank = typeOf(operand.value).getRank();
    if (map.getNumDims() != domain.getNumDims() || map.getNumSymbols() != 0 ||
        map.getNumResults() != rank)
      return op->emitOpError()
             << "expected the map of " << operand.name << " to take "
             << domain.getNumDims() << " dimensions to " << rank << " results ("
             << constraints.count << "), got " << AffineMapAttr::get(map);
    if (failed(verifyOne(operand, constraints, read)))
      return failure();
  }
  for (const MappedOperand &operand : operands)
    for (unsigned dim : {Domain::kBatch, Domain::kHead})
      if (operand.isOutput && read.test(dim) &&
          !operand.map.isFunctionOfDim(dim))
        return op->emitOpError()
               << "expected the map of " << operand.name << " to use "
               << domain.names[dim] << ", as another operand does ("
               << constraints.uses << ")";
  return success();
}

LogicalResult
OperandMaps::verifyExtents(const MapConstraints &constraints,
                           ArrayRef<unsigned> sizes,
                           SmallVectorImpl<int64_t> &extents) const {
  extents.assign(domain.names.size(), ShapedType::kDynamic);
  const MappedOperand *sharer = nullptr;
  for (const MappedOperand &operand : operands) {
    for (auto [expr, size] : llvm::zip_equal(operand.map.getResults(),
                                             typeOf(operand.value).getShape()))
      if (MapResult result = *domain.match(expr);
          isKnown(size) && result.dim != operand.ownExtent) {
        int64_t &known = extents[result.dim], extent = size * result.divisor;
        if (isKnown(known) && known != extent)
          return op->emitOpError()
                 << "expected extent " << known << " for "
                 << domain.names[result.dim] << " in " << operand.name << " ("
                 << constraints.extents << "), got " << extent;
        known = extent;
      }
    int64_t group = getGroupSize(operand.map);
    if (operand.headSharing == HeadSharing::None ||
        !operand.map.isFunctionOfDim(Domain::kHead) ||
        (operand.headSharing == HeadSharing::SameOrOwn && group == 1))
      continue;
    if (sharer && getGroupSize(sharer->map) != group)
      return op->emitOpError()
             << "expected the same head sharing in " << sharer->name << " and "
             << operand.name << " (" << constraints.uses << "), got "
             << getGroupSize(sharer->map) << " and "
             << getGroupSize(operand.map);
    sharer = &operand;
  }
  for (unsigned dim : sizes)
    if (failed(verifySize(op, domain.names[dim], extents[dim], 1024, "1024",
                          constraints.sizes)))
      return failure();
  return success();
}

std::optional<int64_t> OperandMaps::findStaticExtent(unsigned dim) const {
  std::optional<int64_t> extent;
  for (const MappedOperand &operand : operands)
    for (auto [expr, size] : llvm::zip_equal(operand.map.getResults(),
                                             typeOf(operand.value).getShape()))
      if (MapResult result = *domain.match(expr);
          result.dim == dim && operand.ownExtent != dim) {
        if (isKnown(size))
          return size * result.divisor;
        extent = ShapedType::kDynamic;
      }
  return extent;
}

OpFoldResult OperandMaps::getExtent(OpBuilder &builder, Location loc,
                                    unsigned dim) const {
  if (int64_t extent = getStaticExtent(dim); isKnown(extent))
    return builder.getIndexAttr(extent);
  OpFoldResult extent;
  for (const MappedOperand &operand : operands)
    for (auto [position, expr] : llvm::enumerate(operand.map.getResults())) {
      MapResult result = *domain.match(expr);
      if (result.dim != dim || operand.ownExtent == dim)
        continue;
      OpFoldResult size =
          tensor::getMixedSize(builder, loc, operand.value, position);
      if (result.divisor == 1)
        return size;
      // Heads that only shared operands have: h = g * their extent.
      if (!extent)
        extent = affine::makeComposedFoldedAffineApply(
            builder, loc, builder.getAffineSymbolExpr(0) * result.divisor,
            {size});
    }
  return extent;
}

int64_t OperandMaps::getGroupSize(AffineMap map) const {
  for (AffineExpr expr : map.getResults())
    if (MapResult result = *domain.match(expr); result.dim == Domain::kHead)
      return result.divisor;
  return 1;
}

LogicalResult mlir::attn::verifyMapCount(Operation *op, ArrayAttr maps,
                                         unsigned numOperands,
                                         StringRef constraint) {
  if (maps.size() == numOperands)
    return success();
  return op->emitOpError() << "expected one indexing map per operand ("
                           << constraint << "), got " << maps.size()
                           << " maps for " << numOperands << " operands";
}

LogicalResult mlir::attn::verifySize(Operation *op, StringRef dim,
                                     int64_t extent, int64_t limit,
                                     StringRef limitText,
                                     StringRef constraint) {
  if (isKnown(extent) && extent >= 1 && extent <= limit)
    return success();
  return op->emitOpError() << "expected a static extent of " << dim
                           << " in [1, " << limitText << "] (" << constraint
                           << "), got "
                           << (isKnown(extent) ? std::to_string(extent)
                                               : std::string("a dynamic one"));
}

LogicalResult mlir::attn::verifyElementTypes(Operation *op,
                                             ValueRange sequences, Value lse,
                                             Value keyValid,
                                             StringRef constraint) {
  auto element = [](Value value) { return typeOf(value).getElementType(); };
  Type type = element(sequences.front());
  if (!type.isF16() && !type.isBF16() && !type.isF32() && !type.isF64())
    return op->emitOpError() << "expected operands of f16, bf16, f32 or f64 ("
                             << constraint << "), got " << type;
  for (Value value : sequences)
    if (element(value) != type)
      return op->emitOpError()
             << "expected query, key, value and output to have one element "
                "type ("
             << constraint << "), got " << type << " and " << element(value);
  Type sum = getSumType(sequences.front());
  if (lse && element(lse) != sum)
    return op->emitOpError() << "expected lse of " << sum << " (" << constraint
                             << "), got " << element(lse);
  if (keyValid && !element(keyValid).isInteger(1))
    return op->emitOpError() << "expected key_valid of i1 (" << constraint
                             << "), got " << element(keyValid);
  return success();
}

LogicalResult mlir::attn::verifyResultTypes(Operation *op, ValueRange inits,
                                            StringRef what,
                                            StringRef constraint) {
  if (llvm::equal(op->getResultTypes(), TypeRange(inits)))
    return success();
  return op->emitOpError() << "expected result types equal to the types of "
                           << what << " (" << constraint << ")";
}

FloatType mlir::attn::getSumType(Value sequence) {
  MLIRContext *context = sequence.getContext();
  return typeOf(sequence).getElementType().isF64()
             ? FloatType(Float64Type::get(context))
             : FloatType(Float32Type::get(context));
}
