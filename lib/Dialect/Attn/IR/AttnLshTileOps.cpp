//===- AttnLshTileOps.cpp - hash, sort, gathered chunks -------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Verifiers and memory effects of what LSH attention lowers to.
//
//===----------------------------------------------------------------------===//

#include "TileOps.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
ShapedType shapedType(Value value) { return cast<ShapedType>(value.getType()); }

/// Rank and element type of an operand that may be missing.
LogicalResult verifyOperand(Operation *op, StringRef name, Value value,
                            int64_t rank, function_ref<bool(Type)> isAllowed,
                            StringRef constraint) {
  if (!value)
    return success();
  ShapedType type = shapedType(value);
  if (type.getRank() == rank && isAllowed(type.getElementType()))
    return success();
  return op->emitOpError() << "expected " << name << " of rank " << rank
                           << " and a type that fits (" << constraint
                           << "), got " << type;
}

bool isI32(Type type) { return type.isInteger(32); }

/// A matrix of tokens whose vectors are contiguous and whole registers.
LogicalResult verifyTokens(Operation *op, StringRef name, Value value,
                           AffineMap map, unsigned inner) {
  ShapedType type = shapedType(value);
  bool isReal = type.getElementType().isF32() || type.getElementType().isF64();
  bool isLast = map.getNumDims() == LshAttentionOp::kNumDims &&
                map.isProjectedPermutation() && map.getNumResults() > 0 &&
                static_cast<int64_t>(map.getNumResults()) == type.getRank() &&
                map.getDimPosition(map.getNumResults() - 1) == inner;
  if (isReal && isLast && type.getShape().back() > 0 &&
      type.getShape().back() % 8 == 0)
    return success();
  return op->emitOpError() << "expected " << name
                           << " of f32 or f64 with a last dimension that is a "
                              "static multiple of 8 (C1), got "
                           << type;
}
} // namespace

LogicalResult HashOp::verify() {
  Operation *op = getOperation();
  Type element = shapedType(getX()).getElementType();
  auto isOwn = [&](Type type) { return type == element; };
  if (failed(
          verifyTokens(op, "x", getX(), getMap(), LshAttentionOp::kHeadSize)) ||
      failed(verifyOperand(op, "unit", getUnit(), 3, isOwn, "C1")) ||
      failed(verifyOperand(op, "bucket", getBucket(), 4, isI32, "C2")) ||
      failed(verifyOperand(op, "rotations", getRotations(), 4, isOwn, "C2")))
    return failure();
  if ((getBucket() != nullptr) != (getRotations() != nullptr))
    return emitOpError() << "expected rotations and bucket to go together (C2)";
  return verifyTileResults(*this, "C3");
}

LogicalResult BucketSortOp::verify() {
  Operation *op = getOperation();
  auto isInteger = [](Type type) { return isa<IntegerType>(type); };
  auto isCode = [](Type type) {
    return type.isInteger(16) || type.isInteger(32);
  };
  if (failed(verifyOperand(op, "bucket", getBucket(), 4, isInteger, "C1")) ||
      failed(verifyOperand(op, "order", getOrder(), 4, isI32, "C1")) ||
      failed(verifyOperand(op, "first", getFirst(), 4, isI32, "C1")) ||
      failed(verifyOperand(op, "end", getEnd(), 4, isI32, "C1")) ||
      failed(verifyOperand(op, "code", getCode(), 4, isCode, "C1")))
    return failure();
  if (getValid() && (shapedType(getValid()).getRank() > 2 ||
                     !shapedType(getValid()).getElementType().isInteger(1)))
    return emitOpError() << "expected valid of [N] or [B, N] of i1 (C1), got "
                         << getValid().getType();
  return verifyTileResults(*this, "C2");
}

LogicalResult LshChunksOp::verify() {
  Operation *op = getOperation();
  if (getIndexingMaps().size() != (getLse() ? 4u : 3u))
    return emitOpError() << "expected " << (getLse() ? 4 : 3)
                         << " maps (C2), got " << getIndexingMaps().size();
  Type element = shapedType(getX()).getElementType();
  auto isOwn = [&](Type type) { return type == element; };
  using D = LshAttentionOp::Dim;
  if (failed(verifyTokens(op, "x", getX(), getMap(0), D::kHeadSize)) ||
      failed(verifyTokens(op, "value", getValue(), getMap(1), D::kValueSize)) ||
      failed(
          verifyTokens(op, "output", getOutput(), getMap(2), D::kValueSize)) ||
      failed(verifyOperand(op, "unit", getUnit(), 3, isOwn, "C1")) ||
      failed(verifyOperand(op, "state", getState(), 4, isOwn, "C1")) ||
      failed(verifyOperand(op, "order", getOrder(), 4, isI32, "C1")))
    return failure();
  return verifyTileResults(*this, "C3");
}

void HashOp::getEffects(TileEffects &effects) {
  addTileEffects(*this, /*readsInits=*/false, effects);
}
void BucketSortOp::getEffects(TileEffects &effects) {
  addTileEffects(*this, /*readsInits=*/false, effects);
}
void LshChunksOp::getEffects(TileEffects &effects) {
  addTileEffects(*this, /*readsInits=*/true, effects);
}
Speculation::Speculatability HashOp::getSpeculatability() {
  return getTileSpeculatability(*this);
}
Speculation::Speculatability BucketSortOp::getSpeculatability() {
  return getTileSpeculatability(*this);
}
Speculation::Speculatability LshChunksOp::getSpeculatability() {
  return getTileSpeculatability(*this);
}
