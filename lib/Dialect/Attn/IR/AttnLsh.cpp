//===- AttnLsh.cpp - attn.lsh_attention -----------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifier and queries of attn.lsh_attention. The constraints C1 to C11 are
// those of its description.
//
//===----------------------------------------------------------------------===//

#include "OperandDescriber.h"
#include "ScoreMod.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;

namespace {
using D = LshAttentionOp::Dim;
constexpr StringRef kDimNames[] = {"b", "h", "i", "d", "e"};
constexpr MapConstraints kConstraints{"C1", "C2", "C2", "C3", "C3"};
constexpr int64_t kMaxRounds = 64, kMaxWindow = 65536, kMaxBuckets = 1 << 20;

RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

} // namespace

/// Describes the operands with maps (C2).
OperandMaps mlir::attn::getOperandMaps(LshAttentionOp op) {
  OperandDescriber<LshAttentionOp> describer(op);
  describer.add("x", op.getXMutable(), {D::kPosition, D::kHeadSize});
  describer.add("value", op.getValueMutable(), {D::kPosition, D::kValueSize});
  describer.add("valid", op.getValidMutable(), {D::kPosition}, {D::kBatch});
  describer.add("output", op.getOutputMutable(), {D::kPosition, D::kValueSize});
  describer.add("lse", op.getLseMutable(), {D::kPosition});
  return OperandMaps(op, Domain{kDimNames}, describer.take());
}

namespace {
/// C1 to C3.
LogicalResult verifyMaps(LshAttentionOp op) {
  SmallVector<int64_t> extents;
  if (failed(verifyMapCount(op, op.getIndexingMaps(),
                            op.getMappedOperands().size(), "C1")) ||
      failed(getOperandMaps(op).verify(kConstraints)))
    return failure();
  return getOperandMaps(op).verifyExtents(
      kConstraints, {D::kHeadSize, D::kValueSize}, extents);
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
  return verifyResultTypes(op, ValueRange(op.getDpsInits()), "output and lse",
                           "C11");
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
  if (failed(verifyMaps(*this)) || failed(verifyTypes(*this)) ||
      failed(verifyNumbers(*this)) || failed(verifyHash(*this)) ||
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
  return getOperandMaps(*this).getStaticExtent(dim);
}

OpFoldResult LshAttentionOp::getExtent(OpBuilder &builder, Location loc,
                                       Dim dim) {
  return getOperandMaps(*this).getExtent(builder, loc, dim);
}

int64_t LshAttentionOp::getNumBuckets() {
  int64_t product = 1;
  for (int64_t factor : getBuckets())
    product *= factor;
  return product;
}

FloatType LshAttentionOp::getAccumulatorType() { return getSumType(getX()); }
