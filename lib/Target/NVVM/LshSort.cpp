//===- LshSort.cpp - tokens in the order of buckets or of numbers ---------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits attn.bucket_sort and attn.rank_sort: the keys of a radix sort, and what
// is published of the order.
//
//===----------------------------------------------------------------------===//

#include "Launch.h"
#include "Lsh.h"
#include "RadixSort.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

namespace {
constexpr int64_t kWarps = 8;

/// `key` of a valid token, else `other`.
Value selectValid(BlockBuilder &k, Value valid, Value batch, Value token,
                  Value key, Value other) {
  if (!valid)
    return key;
  bool hasBatch = cast<MemRefType>(valid.getType()).getRank() == 2;
  SmallVector<Value> at{token};
  if (hasBatch)
    at.insert(at.begin(), batch);
  Value isValid = memref::LoadOp::create(k.b, k.loc, valid, at);
  return k.select(isValid, key, other);
}

/// A thread for every rank of every segment.
void launchRanks(OpBuilder &b, Location loc, StringRef name, Value order,
                 function_ref<void(BlockBuilder &k, ValueRange segment,
                                   Value number, Value rank)>
                     body) {
  IndexMath math(b, loc);
  SmallVector<Value> extents;
  for (int64_t dim = 0; dim < 4; ++dim)
    extents.push_back(b.createOrFold<memref::DimOp>(loc, order, dim));
  Value tokens = extents.pop_back_val();
  constexpr int64_t threads = kWarps * FragmentBuilder::lanes;
  Value tiles = math.ceilDiv(tokens, threads);
  Value segments = math.mul(math.mul(extents[0], extents[1]), extents[2]);
  launchBlocks(b, loc, name, math.mul(segments, tiles), kWarps,
               F32Products::Three, [&](Kernel &kernel, Value block) {
                 BlockBuilder k(b, loc, kernel);
                 SmallVector<Value> at =
                     delinearise(k, block, {segments, tiles});
                 Value rank = k.add(k.mul(at[1], threads), k.at.thread);
                 k.ifThen(k.less(rank, tokens), [&] {
                   body(k, delinearise(k, at[0], extents), at[0], rank);
                 });
               });
}

void storeCode(BlockBuilder &k, Value code, Value memref, ValueRange segment,
               Value token) {
  auto type = cast<MemRefType>(memref.getType());
  if (type.getElementTypeBitWidth() < 32)
    code = arith::TruncIOp::create(k.b, k.loc, type.getElementType(), code);
  memref::StoreOp::create(
      k.b, k.loc, code, memref,
      ValueRange{segment[0], segment[1], token, segment[2]});
}

Value chunkOf(BlockBuilder &k, Value rank, int64_t chunk) {
  return k.toI32(k.b.createOrFold<arith::DivUIOp>(k.loc, rank, k.index(chunk)));
}

class BucketSortEmitter {
public:
  BucketSortEmitter(OpBuilder &b, BucketSortOp op)
      : b(b), loc(op.getLoc()), op(op) {}
  void emit();

private:
  Value emitBucket(BlockBuilder &k, ValueRange segment, Value token);
  Value bucketAt(BlockBuilder &k, ValueRange segment, Value rank) {
    SmallVector<Value> at(segment);
    at.push_back(rank);
    return emitBucket(k, segment, loadIndex(k, op.getOrder(), at));
  }
  void emitBounds();
  void emitPublished();

  OpBuilder &b;
  Location loc;
  BucketSortOp op;
  Value firsts, ends; ///< [segments, buckets]: the ranks of those that occur
};
} // namespace

/// The token's bucket, within bounds whatever was given; the last if invalid.
Value BucketSortEmitter::emitBucket(BlockBuilder &k, ValueRange segment,
                                    Value token) {
  auto type = cast<MemRefType>(op.getBucket().getType());
  SmallVector<Value> at(segment);
  at.push_back(token);
  for (int64_t dim : {0, 1})
    if (type.getDimSize(dim) == 1)
      at[dim] = k.index(0);
  Value bucket = loadIndex(k, op.getBucket(), at);
  Value last = k.index(op.getNumBuckets());
  bucket = k.toI32(k.max(k.index(0), k.min(bucket, last)));
  return selectValid(k, op.getValid(), segment[0], token, bucket,
                     k.toI32(last));
}

/// Where buckets begin and end, from neighbours in other buckets.
void BucketSortEmitter::emitBounds() {
  IndexMath math(b, loc);
  Value segments = math.index(1);
  for (int64_t dim = 0; dim < 3; ++dim)
    segments = math.mul(segments,
                        b.createOrFold<memref::DimOp>(loc, op.getOrder(), dim));
  auto type = MemRefType::get(
      {ShapedType::kDynamic, static_cast<int64_t>(op.getNumBuckets()) + 1},
      b.getI32Type());
  firsts = memref::AllocOp::create(b, loc, type, segments);
  if (op.getEnd())
    ends = memref::AllocOp::create(b, loc, type, segments);
  Value tokens = b.createOrFold<memref::DimOp>(loc, op.getOrder(), 3);
  launchRanks(
      b, loc, "bucket_bounds", op.getOrder(),
      [&](BlockBuilder &k, ValueRange segment, Value number, Value rank) {
        Value last = k.sub(tokens, k.index(1));
        auto store = [&](Value value, Value memref, Value bucket) {
          Value at = k.b.createOrFold<arith::IndexCastOp>(
              k.loc, k.b.getIndexType(), bucket);
          memref::StoreOp::create(k.b, k.loc, k.toI32(value), memref,
                                  ValueRange{number, at});
        };
        auto other = [&](Value x, Value y) {
          return k.compare(arith::CmpIPredicate::ne, x, y);
        };
        auto either = [&](Value x, Value y) {
          return k.b.createOrFold<arith::OrIOp>(k.loc, x, y);
        };
        Value own = bucketAt(k, segment, rank);
        Value before =
            bucketAt(k, segment, k.max(k.index(0), k.sub(rank, k.index(1))));
        Value isFirst = either(k.less(rank, k.index(1)), other(own, before));
        k.ifThen(isFirst, [&] { store(rank, firsts, own); });
        if (!ends)
          return;
        Value after = bucketAt(k, segment, k.min(last, k.add(rank, 1)));
        Value isLast = either(k.lessOrEqual(last, rank), other(own, after));
        k.ifThen(isLast, [&] { store(k.add(rank, 1), ends, own); });
      });
}

void BucketSortEmitter::emitPublished() {
  launchRanks(
      b, loc, "bucket_publish", op.getOrder(),
      [&](BlockBuilder &k, ValueRange segment, Value number, Value rank) {
        SmallVector<Value> at(segment);
        at.push_back(rank);
        Value token = loadIndex(k, op.getOrder(), at);
        Value bucket = emitBucket(k, segment, token);
        auto publish = [&](Value bounds, Value memref) {
          Value place = k.b.createOrFold<arith::IndexCastOp>(
              k.loc, k.b.getIndexType(), bucket);
          Value bound = memref::LoadOp::create(k.b, k.loc, bounds,
                                               ValueRange{number, place});
          memref::StoreOp::create(k.b, k.loc, bound, memref, at);
        };
        if (op.getFirst())
          publish(firsts, op.getFirst());
        if (op.getEnd())
          publish(ends, op.getEnd());
        if (op.getCode())
          storeCode(k,
                    k.add(chunkOf(k, rank, op.getChunk()),
                          k.mul(bucket, k.i32(op.getStride()))),
                    op.getCode(), segment, token);
      });
}

void BucketSortEmitter::emit() {
  unsigned keyBits = llvm::Log2_64(op.getNumBuckets()) + 1;
  RadixSort(b, loc, op.getOrder(), /*workspace=*/Value(), keyBits,
            [&](BlockBuilder &k, ValueRange segment, Value token) {
              return emitBucket(k, segment, token);
            })
      .emit();
  if (op.getFirst() || op.getEnd())
    emitBounds();
  if (op.getFirst() || op.getEnd() || op.getCode())
    emitPublished();
}

void attn::nvvm::emitBucketSort(OpBuilder &b, BucketSortOp op) {
  BucketSortEmitter(b, op).emit();
}

/// Floats as integers of the same order, without sign; invalid ones come last.
static Value emitRankKey(BlockBuilder &k, RankSortOp op, ValueRange segment,
                         Value token) {
  SmallVector<Value> at(segment);
  at.push_back(token);
  Value value = memref::LoadOp::create(k.b, k.loc, op.getValue(), at);
  // -0 is 0.
  value = k.addf(value, k.f32(0));
  Value raw = arith::BitcastOp::create(k.b, k.loc, k.b.getI32Type(), value);
  // Negative numbers: all bits turn around; others: the sign does.
  Value isNegative = arith::ShRSIOp::create(k.b, k.loc, raw, k.i32(31));
  Value flips =
      arith::OrIOp::create(k.b, k.loc, isNegative, k.i32(int32_t(1u << 31)));
  Value key = arith::XOrIOp::create(k.b, k.loc, raw, flips);
  return selectValid(k, op.getValid(), segment[0], token, key, k.i32(-1));
}

void attn::nvvm::emitRankSort(OpBuilder &b, RankSortOp op) {
  RadixSort(b, op.getLoc(), op.getOrder(), op.getWorkspace(), 32,
            [&](BlockBuilder &k, ValueRange segment, Value token) {
              return emitRankKey(k, op, segment, token);
            })
      .emit();
  if (!op.getCode())
    return;
  launchRanks(b, op.getLoc(), "rank_publish", op.getOrder(),
              [&](BlockBuilder &k, ValueRange segment, Value, Value rank) {
                SmallVector<Value> at(segment);
                at.push_back(rank);
                Value token = loadIndex(k, op.getOrder(), at);
                storeCode(k, chunkOf(k, rank, op.getChunk()), op.getCode(),
                          segment, token);
              });
}
