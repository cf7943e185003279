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

LogicalResult verifyValid(Operation *op, Value valid) {
  if (!valid || (shapedType(valid).getRank() <= 2 &&
                 shapedType(valid).getElementType().isInteger(1)))
    return success();
  return op->emitOpError() << "expected valid of [N] or [B, N] of i1 (C1), got "
                           << valid.getType();
}

/// The type of sums of products of an element type.
Type sumType(Type element) {
  return element.isF64() ? element
                         : Type(Float32Type::get(element.getContext()));
}

/// A matrix of tokens whose vectors are contiguous and whole registers.
LogicalResult verifyTokens(Operation *op, StringRef name, Value value,
                           AffineMap map, unsigned inner) {
  ShapedType type = shapedType(value);
  Type element = type.getElementType();
  bool isReal =
      element.isF16() || element.isBF16() || element.isF32() || element.isF64();
  bool isLast = map.getNumDims() == LshAttentionOp::kNumDims &&
                map.isProjectedPermutation() && map.getNumResults() > 0 &&
                static_cast<int64_t>(map.getNumResults()) == type.getRank() &&
                map.getDimPosition(map.getNumResults() - 1) == inner;
  if (isReal && isLast && type.getShape().back() > 0 &&
      type.getShape().back() % 8 == 0)
    return success();
  return op->emitOpError() << "expected " << name
                           << " of f16, bf16, f32 or f64 with a last dimension "
                              "that is a static multiple of 8 (C1), got "
                           << type;
}
} // namespace

LogicalResult HashOp::verify() {
  Operation *op = getOperation();
  Type element = sumType(shapedType(getX()).getElementType());
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
  if (failed(verifyValid(op, getValid())))
    return failure();
  return verifyTileResults(*this, "C2");
}

LogicalResult RankSortOp::verify() {
  Operation *op = getOperation();
  auto isReal = [](Type type) { return type.isF32() || type.isF64(); };
  auto isCode = [](Type type) {
    return type.isInteger(16) || type.isInteger(32);
  };
  if (failed(verifyOperand(op, "value", getValue(), 4, isReal, "C1")) ||
      failed(verifyOperand(op, "order", getOrder(), 4, isI32, "C1")) ||
      failed(verifyOperand(op, "workspace", getWorkspace(), 4, isI32, "C1")) ||
      failed(verifyOperand(op, "code", getCode(), 4, isCode, "C1")) ||
      failed(verifyValid(op, getValid())))
    return failure();
  if (static_cast<int64_t>(getChunk()) < 1)
    return emitOpError() << "expected a positive chunk (C2), got "
                         << static_cast<int64_t>(getChunk());
  return verifyTileResults(*this, "C3");
}

/// C4: what keys of their own need and exclude.
static LogicalResult verifyOwnKeys(LshChunksOp op) {
  bool hasKeys = op.getKey() != nullptr;
  bool isWhole = hasKeys == op.getKeyChunk().has_value() &&
                 (!hasKeys || static_cast<int64_t>(*op.getKeyChunk()) > 0);
  bool isMatched = hasKeys ? !op.getKeyCode() == !op.getCode() &&
                                 !op.getFirst() && !op.getEnd()
                           : !op.getKeyCode() && !op.getKeyCount();
  if (isWhole && isMatched)
    return success();
  return op.emitOpError() << "expected keys with a key_chunk and without first "
                             "and end, and key_code where there is code, or "
                             "none of them (C4)";
}

LogicalResult LshChunksOp::verify() {
  Operation *op = getOperation();
  unsigned maps = 3 + (getLse() ? 1 : 0) + (getKey() ? 1 : 0);
  if (getIndexingMaps().size() != maps)
    return emitOpError() << "expected " << maps << " maps (C2), got "
                         << getIndexingMaps().size();
  Type element = sumType(shapedType(getX()).getElementType());
  auto isOwn = [&](Type type) { return type == element; };
  using D = LshAttentionOp::Dim;
  if (failed(verifyTokens(op, "x", getX(), getMap(0), D::kHeadSize)) ||
      failed(verifyTokens(op, "value", getValue(), getMap(1), D::kValueSize)) ||
      failed(
          verifyTokens(op, "output", getOutput(), getMap(2), D::kValueSize)) ||
      failed(verifyOperand(op, "output", getOutput(),
                           shapedType(getOutput()).getRank(), isOwn, "C1")) ||
      failed(verifyOperand(op, "unit", getUnit(), 3, isOwn, "C1")) ||
      failed(verifyOperand(op, "state", getState(), 4, isOwn, "C1")) ||
      failed(verifyOperand(op, "order", getOrder(), 4, isI32, "C1")) ||
      failed(verifyOperand(op, "key_order", getKeyOrder(), 4, isI32, "C4")) ||
      failed(verifyOwnKeys(*this)))
    return failure();
  if (getKey() &&
      failed(verifyTokens(op, "key", getKey(), getKeyMap(), D::kHeadSize)))
    return failure();
  return verifyTileResults(*this, "C3");
}

void HashOp::getEffects(TileEffects &effects) {
  addTileEffects(*this, /*readsInits=*/false, effects);
}
void BucketSortOp::getEffects(TileEffects &effects) {
  addTileEffects(*this, /*readsInits=*/false, effects);
}
void RankSortOp::getEffects(TileEffects &effects) {
  addTileEffects(*this, /*readsInits=*/true, effects);
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
Speculation::Speculatability RankSortOp::getSpeculatability() {
  return getTileSpeculatability(*this);
}
Speculation::Speculatability LshChunksOp::getSpeculatability() {
  return getTileSpeculatability(*this);
}
