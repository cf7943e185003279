//===- AttnAsymmetricLsh.cpp - attn.asymmetric_lsh_attention --------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifier and queries of attn.asymmetric_lsh_attention. The constraints C1 to
// C9 are those of its description.
//
//===----------------------------------------------------------------------===//

#include "OperandDescriber.h"
#include "ScoreMod.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;

namespace {
using LshOp = AsymmetricLshAttentionOp;
using D = LshOp::Dim;
constexpr StringRef kDimNames[] = {"b", "h", "i", "j", "d", "e"};
constexpr MapConstraints kConstraints{"C1", "C2", "C2", "C3", "C3"};
constexpr int64_t kMaxRounds = 64, kMaxWindow = 65536;

RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}
} // namespace

/// Describes the operands with maps (C2).
OperandMaps mlir::attn::getOperandMaps(LshOp op) {
  OperandDescriber<LshOp> describer(op);
  describer.add("query", op.getQueryMutable(), {D::kQuery, D::kHeadSize});
  describer.add("key", op.getKeyMutable(), {D::kKey, D::kHeadSize});
  describer.add("value", op.getValueMutable(), {D::kKey, D::kValueSize});
  describer.add("query_valid", op.getQueryValidMutable(), {D::kQuery},
                {D::kBatch});
  describer.add("key_valid", op.getKeyValidMutable(), {D::kKey}, {D::kBatch});
  describer.add("output", op.getOutputMutable(), {D::kQuery, D::kValueSize});
  describer.add("lse", op.getLseMutable(), {D::kQuery});
  return OperandMaps(op, Domain{kDimNames}, describer.take());
}

namespace {
/// C1 to C3.
LogicalResult verifyMaps(LshOp op) {
  SmallVector<int64_t> extents;
  OperandMaps maps = getOperandMaps(op);
  if (failed(verifyMapCount(op, op.getIndexingMaps(),
                            op.getMappedOperands().size(), "C1")) ||
      failed(maps.verify(kConstraints)))
    return failure();
  return maps.verifyExtents(kConstraints, {D::kHeadSize, D::kValueSize},
                            extents);
}

LogicalResult verifyTypes(LshOp op) {
  Type type = typeOf(op.getQuery()).getElementType();
  if (failed(verifyElementTypes(
          op, {op.getQuery(), op.getKey(), op.getValue(), op.getOutput()},
          op.getLse(), op.getKeyValid(), "C4")))
    return failure();
  if (Value valid = op.getQueryValid();
      valid && !typeOf(valid).getElementType().isInteger(1))
    return op.emitOpError() << "expected query_valid of i1 (C4), got "
                            << typeOf(valid).getElementType();
  SmallVector<Value> hashes(op.getHashes());
  if (op.getDirections())
    hashes.push_back(op.getDirections());
  for (Value hash : hashes)
    if (Type own = typeOf(hash).getElementType(); !own.isF32() && own != type)
      return op.emitOpError() << "expected directions and hashes of f32 or the "
                                 "type of query (C4), got "
                              << own;
  return verifyResultTypes(op, ValueRange(op.getDpsInits()), "output and lse",
                           "C9");
}

/// C5, C7, and scale of C8.
LogicalResult verifyNumbers(LshOp op) {
  int64_t n = op.getStaticExtent(D::kQuery), m = op.getStaticExtent(D::kKey);
  int64_t rounds = op.getRounds(), chunk = op.getChunk(),
          back = op.getLookBack(), ahead = op.getLookAhead();
  bool areKnown = !ShapedType::isDynamic(n) && !ShapedType::isDynamic(m);
  if (rounds < 1 || rounds > kMaxRounds)
    return op.emitOpError() << "expected rounds in [1, " << kMaxRounds
                            << "] (C5), got " << rounds;
  if (chunk < 1 || (!ShapedType::isDynamic(n) && chunk > n))
    return op.emitOpError() << "expected a chunk of at least 1 and at most the "
                               "number of queries (C5), got "
                            << chunk;
  if (back < 0 || ahead < 0 || back > kMaxWindow || ahead > kMaxWindow ||
      1 + back + ahead > kMaxWindow / std::max(chunk, op.getKeyChunk()))
    return op.emitOpError()
           << "expected look_back and look_ahead of at least 0 and a window of "
              "at most "
           << kMaxWindow << " queries or keys (C5), got " << back << " and "
           << ahead << " with a chunk of " << chunk;
  if (op.getCausal() && ahead != 0)
    return op.emitOpError()
           << "expected look_ahead of 0 under causal (C7), got " << ahead;
  if (op.getCausal() && areKnown && n != m)
    return op.emitOpError() << "expected as many queries as keys under causal "
                               "(C7), got "
                            << n << " and " << m;
  if (op.getScale() && !std::isfinite(op.getScale()->convertToDouble()))
    return op.emitOpError() << "expected a finite scale (C8)";
  return success();
}

/// C6.
LogicalResult verifyHashes(LshOp op) {
  auto fits = [](int64_t extent, int64_t wanted) {
    return ShapedType::isDynamic(extent) || ShapedType::isDynamic(wanted) ||
           extent == wanted;
  };
  int64_t heads = op.getStaticExtent(D::kHead), rounds = op.getRounds();
  if ((op.getDirections() != nullptr) == !op.getHashes().empty())
    return op.emitOpError() << "expected either directions or hashes (C6)";
  if (Value directions = op.getDirections()) {
    int64_t lifted = op.getStaticExtent(D::kHeadSize) + 2;
    RankedTensorType type = typeOf(directions);
    if (type.getRank() == 3 && type.hasStaticShape() &&
        (type.getDimSize(0) == 1 || fits(type.getDimSize(0), heads)) &&
        type.getDimSize(1) == rounds && type.getDimSize(2) == lifted)
      return success();
    return op.emitOpError() << "expected directions of heads x " << rounds
                            << " x " << lifted << " (C6), got " << type;
  }
  if (op.getHashes().size() != 2)
    return op.emitOpError() << "expected hashes of queries and of keys (C6), "
                               "got "
                            << op.getHashes().size() << " tensors";
  D sides[] = {D::kQuery, D::kKey};
  for (auto [side, hash] : llvm::zip_equal(sides, op.getHashes())) {
    RankedTensorType type = typeOf(hash);
    int64_t batches = op.getStaticExtent(D::kBatch);
    if (type.getRank() != 4 ||
        (type.getDimSize(0) != 1 && !fits(type.getDimSize(0), batches)) ||
        (type.getDimSize(1) != 1 && !fits(type.getDimSize(1), heads)) ||
        !fits(type.getDimSize(2), rounds) ||
        !fits(type.getDimSize(3), op.getStaticExtent(side)))
      return op.emitOpError() << "expected hashes of batch x heads x rounds x "
                                 "positions (C6), got "
                              << type;
  }
  return success();
}
} // namespace

LogicalResult AsymmetricLshAttentionOp::verify() {
  if (failed(verifyMaps(*this)) || failed(verifyTypes(*this)) ||
      failed(verifyNumbers(*this)) || failed(verifyHashes(*this)))
    return failure();
  return verifyScoreMod(*this, getScoreMod(), getAccumulatorType(), "C8");
}

LogicalResult AsymmetricLshAttentionOp::reifyResultShapes(
    OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {
  for (Value init : getDpsInits())
    shapes.push_back(tensor::getMixedSizes(builder, getLoc(), init));
  return success();
}

SmallVector<OpOperand *> AsymmetricLshAttentionOp::getMappedOperands() {
  // Directions or hashes stand between validity and destinations.
  unsigned first = 3 + (getQueryValid() ? 1 : 0) + (getKeyValid() ? 1 : 0);
  unsigned end = getOutputMutable().getOperandNumber();
  SmallVector<OpOperand *> operands;
  for (OpOperand &operand : (*this)->getOpOperands())
    if (operand.getOperandNumber() < first || operand.getOperandNumber() >= end)
      operands.push_back(&operand);
  return operands;
}

AffineMap AsymmetricLshAttentionOp::getMapOf(OpOperand &operand) {
  SmallVector<OpOperand *> operands = getMappedOperands();
  auto found = llvm::find(operands, &operand);
  return cast<AffineMapAttr>(getIndexingMaps()[found - operands.begin()])
      .getValue();
}

int64_t AsymmetricLshAttentionOp::getStaticExtent(Dim dim) {
  return getOperandMaps(*this).getStaticExtent(dim);
}

OpFoldResult AsymmetricLshAttentionOp::getExtent(OpBuilder &builder,
                                                 Location loc, Dim dim) {
  return getOperandMaps(*this).getExtent(builder, loc, dim);
}

FloatType AsymmetricLshAttentionOp::getAccumulatorType() {
  return getSumType(getQuery());
}

int64_t AsymmetricLshAttentionOp::getKeyChunk() {
  int64_t n = getStaticExtent(kQuery), m = getStaticExtent(kKey);
  // Where a length is dynamic there are as many keys as queries (C7).
  if (ShapedType::isDynamic(n) || ShapedType::isDynamic(m) || n == m)
    return getChunk();
  int64_t clusters = llvm::divideCeil(n, static_cast<int64_t>(getChunk()));
  return std::max<int64_t>(1, llvm::divideCeil(m, clusters));
}

double AsymmetricLshAttentionOp::getScaleValue() {
  if (getScale())
    return getScale()->convertToDouble();
  return 1 / std::sqrt(static_cast<double>(getStaticExtent(kHeadSize)));
}
