//===- AttnAttentionVerifier.cpp - what attn.attention may be -------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifier of attn.attention. The constraints C1 to C12 are those of its
// description.
//
//===----------------------------------------------------------------------===//

#include "MapResult.h"
#include "ScoreMod.h"

#include "llvm/ADT/SmallBitVector.h"

#include <array>
#include <cmath>

using namespace mlir;
using namespace mlir::attn;

namespace {
constexpr const char *kDimNames[] = {"b", "h", "i", "j", "d", "e", "j - i"};
constexpr unsigned kNumRead = AttentionOp::kRelative + 1;

/// What one operand's map may and must use, as sets of dimensions (C3).
struct OperandRule {
  StringRef name;
  SmallVector<unsigned> required;
  SmallVector<unsigned> allowed;
  bool maySplitHeads = false;
};

OperandRule getRule(AttentionOp op, OpOperand &operand) {
  using D = AttentionOp::Dim;
  unsigned number = operand.getOperandNumber();
  auto isOperand = [&](MutableOperandRange range) {
    return !range.empty() && range.begin()->getOperandNumber() == number;
  };
  if (number == 0 || isOperand(op.getRelativeQueryMutable()))
    return {"query", {D::kQuery, D::kHeadSize}, {D::kBatch, D::kHead}};
  if (number == 1)
    return {"key", {D::kKey, D::kHeadSize}, {D::kBatch, D::kHead}, true};
  if (number == 2)
    return {"value", {D::kKey, D::kValueSize}, {D::kBatch, D::kHead}, true};
  if (op.getKeyPartOf(operand))
    return {"segments", {D::kKey}, {}, true};
  if (isOperand(op.getRelativeMutable()))
    return {"relative", {D::kRelative, D::kHeadSize}, {D::kHead}, true};
  if (number == op.getOutputMutable().getOperandNumber())
    return {"output", {D::kQuery, D::kValueSize}, {D::kBatch, D::kHead}};
  if (op.getLse() && number == op.getLseMutable().begin()->getOperandNumber())
    return {"lse", {D::kQuery}, {D::kBatch, D::kHead}};
  if (isOperand(op.getBiasMutable())) {
    if (AttentionOp::isRelative(op.getBiasMap()))
      return {"bias", {D::kRelative}, {D::kBatch, D::kHead}};
    return {"bias", {}, {D::kBatch, D::kHead, D::kQuery, D::kKey}};
  }
  return {"key_valid", {D::kKey}, {D::kBatch}};
}

/// C2 and C3 for one operand; on success adds the dimensions that it uses to
/// `used`.
LogicalResult verifyMap(AttentionOp op, const OperandRule &rule, AffineMap map,
                        llvm::SmallBitVector &used) {
  llvm::SmallBitVector own(kNumRead);
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
  // The query of relative and the segments are read through other maps.
  unsigned numMapped = op->getNumOperands() - op.getSegments().size() -
                       (op.getRelativeQuery() ? 1 : 0);
  if (maps.size() != numMapped)
    return op.emitOpError()
           << "expected one indexing map per operand (C1), got " << maps.size()
           << " maps for " << numMapped << " operands";
  llvm::SmallBitVector read(kNumRead), written(kNumRead);
  for (OpOperand &operand : op->getOpOperands().take_front(numMapped)) {
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

/// The extents that operands give to the dimensions, as they are found.
class ExtentVerifier {
public:
  explicit ExtentVerifier(AttentionOp op)
      : op(op), parts(op.getKeyParts().size(), ShapedType::kDynamic) {
    extents.fill(ShapedType::kDynamic);
  }

  LogicalResult verify() {
    for (OpOperand &operand : op->getOpOperands())
      if (failed(addOperand(operand)))
        return failure();
    int64_t keys = 0;
    for (int64_t part : parts)
      keys = ShapedType::isDynamic(part) || ShapedType::isDynamic(keys)
                 ? ShapedType::kDynamic
                 : keys + part;
    StringRef name = parts.size() == 1 ? "key" : "key and segments";
    if (failed(
            merge(name, extents[AttentionOp::kKey], AttentionOp::kKey, keys)))
      return failure();
    return failed(verifyRelative()) ? failure() : verifyHeadSizes();
  }

private:
  LogicalResult merge(StringRef name, int64_t &known, unsigned dim,
                      int64_t extent) {
    if (ShapedType::isDynamic(extent) || known == extent)
      return success();
    if (!ShapedType::isDynamic(known))
      return op.emitOpError()
             << "expected extent " << known << " for " << kDimNames[dim]
             << " in " << name << (name == "segments" ? " (C10)" : " (C4)")
             << ", got " << extent;
    known = extent;
    return success();
  }

  LogicalResult addOperand(OpOperand &operand) {
    auto type = cast<RankedTensorType>(operand.get().getType());
    OperandRule rule = getRule(op, operand);
    std::optional<unsigned> part = op.getKeyPartOf(operand);
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
      if (result.dim == AttentionOp::kRelative) {
        if (!ShapedType::isDynamic(extent))
          relative.emplace_back(rule.name, extent);
        continue;
      }
      bool isDynamic = ShapedType::isDynamic(extent);
      int64_t &known = part && result.dim == AttentionOp::kKey
                           ? parts[*part]
                           : extents[result.dim];
      if (failed(merge(rule.name, known, result.dim,
                       isDynamic ? extent : extent * result.divisor)))
        return failure();
    }
    return success();
  }

  LogicalResult verifyRelative() {
    int64_t keys = extents[AttentionOp::kKey];
    for (auto [name, extent] : relative)
      if (!ShapedType::isDynamic(keys) && extent < std::max<int64_t>(1, keys))
        return op.emitOpError()
               << "expected at least " << std::max<int64_t>(1, keys)
               << " positions of j - i in " << name << " (C12), got " << extent;
    return success();
  }

  LogicalResult verifyHeadSizes() {
    for (unsigned dim : {AttentionOp::kHeadSize, AttentionOp::kValueSize})
      if (extents[dim] < 1 || extents[dim] > 1024)
        return op.emitOpError() << "expected a static extent of "
                                << kDimNames[dim] << " in [1, 1024] (C5), got "
                                << (ShapedType::isDynamic(extents[dim])
                                        ? std::string("a dynamic one")
                                        : std::to_string(extents[dim]));
    return success();
  }

  AttentionOp op;
  std::array<int64_t, kNumRead> extents;
  SmallVector<int64_t> parts; ///< of j, in key and each segment
  SmallVector<std::pair<StringRef, int64_t>> relative;
  int64_t divisor = 0;
};

/// C10 and C11: what is not said by the maps.
LogicalResult verifySegments(AttentionOp op) {
  OperandRange segments = op.getSegments();
  if (segments.size() % 2 != 0)
    return op.emitOpError()
           << "expected pairs of key and value as segments (C10), got "
           << segments.size() << " tensors";
  for (auto [number, segment] : llvm::enumerate(segments)) {
    auto type = cast<RankedTensorType>(segment.getType());
    auto main = cast<RankedTensorType>(
        (number % 2 == 0 ? op.getKey() : op.getValue()).getType());
    if (type.getRank() != main.getRank() ||
        type.getElementType() != main.getElementType())
      return op.emitOpError() << "expected segment " << number
                              << " of the rank and element type of " << main
                              << " (C10), got " << type;
  }
  return success();
}

LogicalResult verifyRelativeTypes(AttentionOp op) {
  if (!op.getRelative() != !op.getRelativeQuery())
    return op.emitOpError() << "expected a query with relative (C11)";
  if (!op.getRelative())
    return success();
  if (op.getRelativeQuery().getType() != op.getQuery().getType())
    return op.emitOpError()
           << "expected the query of relative to have the type of query (C11), "
           << op.getQuery().getType() << ", got "
           << op.getRelativeQuery().getType();
  auto type = cast<RankedTensorType>(op.getRelative().getType());
  if (type.getElementType() !=
      cast<RankedTensorType>(op.getQuery().getType()).getElementType())
    return op.emitOpError()
           << "expected relative of the element type of query (C11), got "
           << type;
  if (op.getSoftcap())
    return op.emitOpError() << "expected no softcap beside relative (C11)";
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
} // namespace

LogicalResult mlir::attn::verifyScoreMod(Operation *op, Region &region,
                                         Type scoreType, StringRef constraint) {
  if (region.empty())
    return success();
  Block &block = region.front();
  Type index = IndexType::get(op->getContext());
  Type expected[] = {scoreType, index, index, index, index};
  if (!llvm::equal(block.getArgumentTypes(), expected))
    return op->emitOpError()
           << "expected score_mod arguments (" << scoreType
           << ", index, index, index, index) (" << constraint << ")";
  auto yield =
      dyn_cast_or_null<YieldOp>(block.empty() ? nullptr : &block.back());
  if (!yield || yield.getValue().getType() != scoreType)
    return op->emitOpError()
           << "expected score_mod to end with an attn.yield of " << scoreType
           << " (" << constraint << ")";
  for (Operation &inner : block)
    if (!isPure(&inner))
      return inner.emitOpError()
             << "expected only pure operations in score_mod (" << constraint
             << ")";
  return success();
}

LogicalResult AttentionOp::verify() {
  if (failed(verifySegments(*this)) || failed(verifyMaps(*this)) ||
      failed(ExtentVerifier(*this).verify()) || failed(verifyTypes(*this)) ||
      failed(verifyRelativeTypes(*this)) ||
      failed(verifyScoreMod(*this, getScoreMod(), getAccumulatorType(), "C8")))
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
