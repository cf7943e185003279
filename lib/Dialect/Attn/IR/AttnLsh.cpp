//===- AttnLsh.cpp - attn.lsh_attention -----------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifier and queries of attn.lsh_attention. The constraints C1 to C11 are
// those of its description.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "ScoreMod.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;

namespace {
using D = LshAttentionOp::Dim;
constexpr const char *kDimNames[] = {"b", "h", "i", "d", "e"};
constexpr int64_t kMaxRounds = 64, kMaxWindow = 65536, kMaxBuckets = 1 << 20;

/// What an operand's map must use and may use besides (C2).
struct OperandRule {
  StringRef name;
  SmallVector<unsigned> required;
  bool mayUseHead = true;
};

OperandRule getRule(LshAttentionOp op, OpOperand &operand) {
  Value value = operand.get();
  if (operand.getOperandNumber() == 0)
    return {"x", {D::kPosition, D::kHeadSize}};
  if (operand.getOperandNumber() == 1)
    return {"value", {D::kPosition, D::kValueSize}};
  if (operand.getOperandNumber() == op.getOutputMutable().getOperandNumber())
    return {"output", {D::kPosition, D::kValueSize}};
  if (value == op.getLse())
    return {"lse", {D::kPosition}};
  return {"valid", {D::kPosition}, /*mayUseHead=*/false};
}

RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

/// C2 for one operand.
LogicalResult verifyMap(LshAttentionOp op, const OperandRule &rule,
                        AffineMap map) {
  if (!map.isProjectedPermutation())
    return op.emitOpError() << "expected the map of " << rule.name
                            << " to have distinct dimensions as results (C2), "
                               "got "
                            << AffineMapAttr::get(map);
  for (unsigned dim = 0; dim < D::kNumDims; ++dim) {
    bool isRequired = llvm::is_contained(rule.required, dim);
    bool isAllowed =
        isRequired || dim == D::kBatch || (dim == D::kHead && rule.mayUseHead);
    bool isUsed = map.isFunctionOfDim(dim);
    if (isUsed && !isAllowed)
      return op.emitOpError() << "expected the map of " << rule.name
                              << " not to use " << kDimNames[dim] << " (C2)";
    if (!isUsed && isRequired)
      return op.emitOpError() << "expected the map of " << rule.name
                              << " to use " << kDimNames[dim] << " (C2)";
  }
  return success();
}

/// C1 and C2.
LogicalResult verifyMaps(LshAttentionOp op) {
  SmallVector<OpOperand *> operands = op.getMappedOperands();
  if (op.getIndexingMaps().size() != operands.size())
    return op.emitOpError()
           << "expected " << operands.size() << " indexing maps (C1), got "
           << op.getIndexingMaps().size();
  for (OpOperand *operand : operands) {
    OperandRule rule = getRule(op, *operand);
    AffineMap map = op.getMapOf(*operand);
    int64_t rank = typeOf(operand->get()).getRank();
    if (map.getNumDims() != D::kNumDims || map.getNumSymbols() != 0 ||
        map.getNumResults() != rank)
      return op.emitOpError()
             << "expected the map of " << rule.name << " to take 5 dimensions "
             << "to " << rank << " results (C1), got "
             << AffineMapAttr::get(map);
    if (failed(verifyMap(op, rule, map)))
      return failure();
  }
  for (unsigned dim : {D::kBatch, D::kHead}) {
    for (OpOperand *operand : operands)
      if (op.getMapOf(*operand).isFunctionOfDim(dim) &&
          !op.getOutputMap().isFunctionOfDim(dim))
        return op.emitOpError()
               << "expected the map of output to use " << kDimNames[dim]
               << ", as that of " << getRule(op, *operand).name << " does (C2)";
    if (op.getLse() && op.getOutputMap().isFunctionOfDim(dim) !=
                           op.getLseMap().isFunctionOfDim(dim))
      return op.emitOpError() << "expected the maps of output and lse to agree "
                                 "in "
                              << kDimNames[dim] << " (C2)";
  }
  return success();
}

LogicalResult verifyExtents(LshAttentionOp op) {
  int64_t extents[D::kNumDims];
  std::fill(std::begin(extents), std::end(extents), ShapedType::kDynamic);
  for (OpOperand *operand : op.getMappedOperands()) {
    AffineMap map = op.getMapOf(*operand);
    for (auto [position, extent] :
         llvm::enumerate(typeOf(operand->get()).getShape())) {
      int64_t &known = extents[map.getDimPosition(position)];
      if (ShapedType::isDynamic(extent) || known == extent)
        continue;
      if (!ShapedType::isDynamic(known))
        return op.emitOpError()
               << "expected extent " << known << " for "
               << kDimNames[map.getDimPosition(position)] << " in "
               << getRule(op, *operand).name << " (C3), got " << extent;
      known = extent;
    }
  }
  for (unsigned dim : {D::kHeadSize, D::kValueSize})
    if (extents[dim] < 1 || extents[dim] > 1024)
      return op.emitOpError() << "expected a static extent of "
                              << kDimNames[dim] << " in [1, 1024] (C3)";
  return success();
}

LogicalResult verifyTypes(LshAttentionOp op) {
  Type type = typeOf(op.getX()).getElementType();
  auto isOne = [&](Value value, auto predicate, StringRef what) {
    if (!value || predicate(typeOf(value).getElementType()))
      return success();
    return LogicalResult(op.emitOpError()
                         << "expected " << what << " (C4), got "
                         << typeOf(value).getElementType());
  };
  auto isOwn = [&](Type other) { return other == type; };
  auto isReal = [](Type t) {
    return t.isF16() || t.isBF16() || t.isF32() || t.isF64();
  };
  auto isBucket = [](Type t) {
    return t.isInteger(16) || t.isInteger(32) || t.isInteger(64);
  };
  if (failed(isOne(op.getX(), isReal, "x of f16, bf16, f32 or f64")) ||
      failed(isOne(op.getValue(), isOwn, "value of the type of x")) ||
      failed(isOne(op.getOutput(), isOwn, "output of the type of x")) ||
      failed(isOne(
          op.getLse(), [&](Type t) { return t == op.getAccumulatorType(); },
          "lse of the accumulator's type")) ||
      failed(isOne(
          op.getValid(), [](Type t) { return t.isInteger(1); },
          "valid of i1")) ||
      failed(isOne(op.getInjected(), isBucket,
                   "injected buckets of i16, i32 or i64")) ||
      failed(isOne(
          op.getRotations(), [&](Type t) { return t.isF32() || t == type; },
          "rotations of f32 or the type of x")))
    return failure();
  if (!llvm::equal(op->getResultTypes(),
                   TypeRange(ValueRange(op.getDpsInits()))))
    return op.emitOpError() << "expected result types equal to the types of "
                               "output and lse (C11)";
  return success();
}

/// C5, C6, C8, C10.
LogicalResult verifyNumbers(LshAttentionOp op) {
  int64_t n = op.getStaticExtent(D::kPosition), chunk = op.getChunk();
  int64_t rounds = op.getRounds(), back = op.getLookBack(),
          ahead = op.getLookAhead();
  if (rounds < 1 || rounds > kMaxRounds)
    return op.emitOpError() << "expected rounds in [1, " << kMaxRounds
                            << "] (C5), got " << rounds;
  if (chunk < 1 || (!ShapedType::isDynamic(n) && chunk > n))
    return op.emitOpError() << "expected a chunk of at least 1 and at most the "
                            << "sequence's length (C5), got " << chunk;
  if (back < 0 || ahead < 0 || back > kMaxWindow || ahead > kMaxWindow ||
      1 + back + ahead > kMaxWindow / chunk)
    return op.emitOpError()
           << "expected look_back and look_ahead of at least 0 and a window of "
              "at most "
           << kMaxWindow << " keys (C5), got " << back << " and " << ahead
           << " with a chunk of " << chunk;
  int64_t product = 1;
  for (int64_t factor : op.getBuckets()) {
    if (factor < 2 || factor % 2 != 0)
      return op.emitOpError() << "expected even, positive numbers of buckets "
                                 "(C6), got "
                              << factor;
    if (factor > kMaxBuckets / product)
      return op.emitOpError()
             << "expected at most " << kMaxBuckets << " buckets (C6)";
    product *= factor;
  }
  if (op.getBuckets().empty())
    return op.emitOpError() << "expected a number of buckets (C6)";
  if (op.getCausal() && ahead != 0)
    return op.emitOpError()
           << "expected look_ahead of 0 under causal (C8), got " << ahead;
  if (!std::isfinite(op.getScale().convertToDouble()) ||
      !std::isfinite(op.getSelfValue().convertToDouble()))
    return op.emitOpError() << "expected a finite scale and self_value (C10)";
  double eps = op.getKeyEps().convertToDouble();
  if (!std::isfinite(eps) || eps < 0)
    return op.emitOpError() << "expected a finite key_eps of at least 0 (C10), "
                               "got "
                            << eps;
  return success();
}

/// C7.
LogicalResult verifyHash(LshAttentionOp op) {
  if ((op.getRotations() != nullptr) == (op.getInjected() != nullptr))
    return op.emitOpError()
           << "expected either rotations or injected buckets (C7)";
  // `extent` fits `wanted` where one of them is not known.
  auto fits = [](int64_t extent, int64_t wanted) {
    return ShapedType::isDynamic(extent) || ShapedType::isDynamic(wanted) ||
           extent == wanted;
  };
  int64_t heads = op.getStaticExtent(D::kHead);
  if (Value rotations = op.getRotations()) {
    int64_t columns = 0;
    for (int64_t factor : op.getBuckets())
      columns += factor / 2;
    RankedTensorType type = typeOf(rotations);
    if (type.getRank() == 4 && type.hasStaticShape() &&
        (type.getDimSize(0) == 1 || fits(type.getDimSize(0), heads)) &&
        type.getDimSize(1) == op.getStaticExtent(D::kHeadSize) &&
        type.getDimSize(2) == static_cast<int64_t>(op.getRounds()) &&
        type.getDimSize(3) == columns)
      return success();
    return op.emitOpError()
           << "expected rotations of " << heads << "x"
           << op.getStaticExtent(D::kHeadSize) << "x" << op.getRounds() << "x"
           << columns << " (C7), got " << type;
  }
  RankedTensorType type = typeOf(op.getInjected());
  if (type.getRank() == 4 &&
      (type.getDimSize(0) == 1 ||
       fits(type.getDimSize(0), op.getStaticExtent(D::kBatch))) &&
      (type.getDimSize(1) == 1 || fits(type.getDimSize(1), heads)) &&
      fits(type.getDimSize(2), static_cast<int64_t>(op.getRounds())) &&
      fits(type.getDimSize(3), op.getStaticExtent(D::kPosition)))
    return success();
  return op.emitOpError()
         << "expected injected buckets of batch x heads x rounds x positions "
            "(C7), got "
         << type;
}
} // namespace

LogicalResult LshAttentionOp::verify() {
  if (failed(verifyMaps(*this)) || failed(verifyExtents(*this)) ||
      failed(verifyTypes(*this)) || failed(verifyNumbers(*this)) ||
      failed(verifyHash(*this)) ||
      failed(verifyScoreMod(*this, getScoreMod(), getAccumulatorType(), "C9")))
    return failure();
  if (getSelfMode() == LshSelf::Overwrite && !getScoreMod().empty())
    return emitOpError()
           << "expected no score_mod where self_mode is overwrite (C9)";
  return success();
}

LogicalResult
LshAttentionOp::reifyResultShapes(OpBuilder &builder,
                                  ReifiedRankedShapedTypeDims &shapes) {
  for (Value init : getDpsInits())
    shapes.push_back(tensor::getMixedSizes(builder, getLoc(), init));
  return success();
}

SmallVector<OpOperand *> LshAttentionOp::getMappedOperands() {
  SmallVector<OpOperand *> operands{&getXMutable(), &getValueMutable()};
  if (getValid())
    operands.push_back(&*getValidMutable().begin());
  operands.push_back(&getOutputMutable());
  if (getLse())
    operands.push_back(&*getLseMutable().begin());
  return operands;
}

AffineMap LshAttentionOp::getMapOf(OpOperand &operand) {
  SmallVector<OpOperand *> operands = getMappedOperands();
  auto found = llvm::find(operands, &operand);
  return cast<AffineMapAttr>(getIndexingMaps()[found - operands.begin()])
      .getValue();
}

int64_t LshAttentionOp::getStaticExtent(Dim dim) {
  int64_t extent = 1;
  for (OpOperand *operand : getMappedOperands()) {
    AffineMap map = getMapOf(*operand);
    for (auto [position, size] :
         llvm::enumerate(typeOf(operand->get()).getShape())) {
      if (map.getDimPosition(position) != dim)
        continue;
      if (!ShapedType::isDynamic(size))
        return size;
      extent = ShapedType::kDynamic;
    }
  }
  return extent;
}

OpFoldResult LshAttentionOp::getExtent(OpBuilder &builder, Location loc,
                                       Dim dim) {
  if (int64_t extent = getStaticExtent(dim); !ShapedType::isDynamic(extent))
    return builder.getIndexAttr(extent);
  for (OpOperand *operand : getMappedOperands()) {
    AffineMap map = getMapOf(*operand);
    for (unsigned position = 0; position < map.getNumResults(); ++position)
      if (map.getDimPosition(position) == dim)
        return tensor::getMixedSize(builder, loc, operand->get(), position);
  }
  return builder.getIndexAttr(1);
}

int64_t LshAttentionOp::getNumBuckets() {
  int64_t product = 1;
  for (int64_t factor : getBuckets())
    product *= factor;
  return product;
}

FloatType LshAttentionOp::getAccumulatorType() {
  Type type = typeOf(getX()).getElementType();
  return type.isF64() ? FloatType(Float64Type::get(getContext()))
                      : FloatType(Float32Type::get(getContext()));
}
