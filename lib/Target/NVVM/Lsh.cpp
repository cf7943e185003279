//===- Lsh.cpp - the kernels of sorted attention --------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which operations they are, what they can do, and views of one head's tokens.
//
//===----------------------------------------------------------------------===//

#include "Lsh.h"

#include "LshChunks.h"
#include "ScoreModifier.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

namespace {
/// Multiples of the depth and of the pairs of columns of products.
constexpr int64_t kColumnAlign = 16;
/// The widest head that there are registers for.
constexpr int64_t kMostColumns = 256;
/// Rounds that a byte counts, and whose codes fit in shared memory.
constexpr int64_t kMostRounds = 64;

LogicalResult verifyTokens(Operation *op, StringRef name, Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  int64_t columns = type.getShape().back();
  if (!type.getElementType().isF64() && columns % kColumnAlign == 0 &&
      columns <= kMostColumns)
    return success();
  return op->emitOpError() << "expected " << name
                           << " of f16, bf16 or f32 with a multiple of "
                           << kColumnAlign << " of at most " << kMostColumns
                           << " columns for this target, got " << type;
}

LogicalResult verifyChunks(LshChunksOp op) {
  if (failed(verifyTokens(op, "x", op.getX())) ||
      failed(verifyTokens(op, "value", op.getValue())) ||
      failed(verifyTokens(op, "output", op.getOutput())))
    return failure();
  if (op.getKey() && failed(verifyTokens(op, "key", op.getKey())))
    return failure();
  auto orderType = cast<MemRefType>(op.getOrder().getType());
  if (orderType.isDynamicDim(2))
    return op.emitOpError()
           << "expected a static number of rounds for this target, got "
           << orderType;
  for (Value code : {op.getCode(), op.getKeyCode()})
    if (code && !getElementTypeOrSelf(code.getType()).isInteger(32))
      return op.emitOpError()
             << "expected codes of i32 for this target, got " << code.getType();
  if (Operation *culprit = findUnsupported(op.getScoreMod()))
    return culprit->emitOpError()
           << "expected only arithmetic in a score_mod for this target";
  if (orderType.getDimSize(2) > kMostRounds)
    return op.emitOpError()
           << "expected at most " << kMostRounds
           << " rounds for this target, got " << orderType.getDimSize(2);
  if (ChunkPlan plan(op); plan.bytes() > kSharedLimit)
    return op.emitOpError()
           << "expected rows of a block and codes of all rounds to fit in "
           << kSharedLimit << " bytes of shared memory, got " << plan.bytes();
  return success();
}
} // namespace

bool attn::nvvm::isSortedOp(Operation *op) {
  return isa<HashOp, BucketSortOp, RankSortOp, LshChunksOp>(op);
}

LogicalResult attn::nvvm::verifySortedOp(Operation *op) {
  for (Value operand : op->getOperands())
    if (isa<RankedTensorType>(operand.getType()))
      return op->emitOpError() << "expected memrefs, got " << operand.getType()
                               << "; bufferise first";
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case([](HashOp one) { return verifyTokens(one, "x", one.getX()); })
      .Case([](RankSortOp one) -> LogicalResult {
        Type element = getElementTypeOrSelf(one.getValue().getType());
        if (element.isF32())
          return success();
        return one.emitOpError()
               << "expected values of f32 for this target, got " << element;
      })
      .Case([](LshChunksOp one) { return verifyChunks(one); })
      .Default([](Operation *) { return success(); });
}

void attn::nvvm::emitSortedOp(OpBuilder &b, Operation *op,
                              F32Products products) {
  TypeSwitch<Operation *>(op)
      .Case([&](HashOp one) { emitHash(b, one, products); })
      .Case([&](BucketSortOp one) { emitBucketSort(b, one); })
      .Case([&](RankSortOp one) { emitRankSort(b, one); })
      .Case([&](LshChunksOp one) { emitLshChunks(b, one, products); });
}

/// `offsets` has the index of every dimension that is dropped, and null for
/// those that stay.
static Value view(FragmentBuilder &f, Value memref, ArrayRef<Value> fixed) {
  auto type = cast<MemRefType>(memref.getType());
  OpFoldResult zero = f.b.getIndexAttr(0), one = f.b.getIndexAttr(1);
  SmallVector<OpFoldResult> offsets, sizes, strides(fixed.size(), one);
  SmallVector<int64_t> shape;
  for (auto [position, index] : llvm::enumerate(fixed)) {
    offsets.push_back(index ? OpFoldResult(index) : zero);
    int64_t extent = type.getDimSize(position);
    if (index) {
      sizes.push_back(one);
      continue;
    }
    shape.push_back(extent);
    sizes.push_back(ShapedType::isDynamic(extent)
                        ? OpFoldResult(f.b.createOrFold<memref::DimOp>(
                              f.loc, memref, int64_t(position)))
                        : f.b.getIndexAttr(extent));
  }
  auto reduced = cast<MemRefType>(memref::SubViewOp::inferRankReducedResultType(
      shape, type, offsets, sizes, strides));
  return memref::SubViewOp::create(f.b, f.loc, reduced, memref, offsets, sizes,
                                   strides);
}

Value attn::nvvm::viewTokens(FragmentBuilder &f, Value memref, AffineMap map,
                             Value batch, Value head) {
  SmallVector<Value> fixed;
  for (unsigned i = 0; i < map.getNumResults(); ++i) {
    unsigned dim = map.getDimPosition(i);
    fixed.push_back(dim == LshAttentionOp::kBatch  ? batch
                    : dim == LshAttentionOp::kHead ? head
                                                   : Value());
  }
  return view(f, memref, fixed);
}

Value attn::nvvm::viewInner(FragmentBuilder &f, Value memref,
                            ValueRange leading) {
  SmallVector<Value> fixed(leading);
  fixed.resize(cast<MemRefType>(memref.getType()).getRank());
  return view(f, memref, fixed);
}

Value attn::nvvm::loadIndex(FragmentBuilder &f, Value memref, ValueRange at) {
  Value integer = memref::LoadOp::create(f.b, f.loc, memref, at);
  return arith::IndexCastOp::create(f.b, f.loc, f.b.getIndexType(), integer);
}
