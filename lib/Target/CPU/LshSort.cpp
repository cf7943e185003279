//===- LshSort.cpp - tokens in the order of their buckets -----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits attn.bucket_sort: a counting sort of one round by one thread. Buckets
// are far fewer than tokens, and positions come in order, so that one pass that
// counts and one that places are all there is.
//
//===----------------------------------------------------------------------===//

#include "Gather.h"
#include "attn/Target/CPU/Kernels.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

namespace {
class SortEmitter {
public:
  SortEmitter(KernelBuilder &k, BucketSortOp op) : k(k), op(op) {}
  void emit();

private:
  Value emitBucket(Value token);
  void emitStarts();
  void emitPlaces();
  void storeRank(Value memref, Value rank, Value value) {
    if (memref)
      k.store(toInteger(k, value), memref, {batch, head, round, rank});
  }

  KernelBuilder &k;
  BucketSortOp op;
  Value batch, head, round, tokens;
  Value starts; ///< [buckets + 2]: where buckets start
  Value next;   ///< [buckets + 1]: where the next token of a bucket goes
};
} // namespace

/// The token's bucket, within bounds whatever was given; the last if invalid.
Value SortEmitter::emitBucket(Value token) {
  auto type = cast<MemRefType>(op.getBucket().getType());
  Value zero = k.index(0);
  Value bucket =
      toIndex(k, k.load(op.getBucket(),
                        {type.getDimSize(0) == 1 ? zero : batch,
                         type.getDimSize(1) == 1 ? zero : head, round, token}));
  Value last = k.index(op.getNumBuckets());
  bucket = k.max(zero, k.min(bucket, last));
  if (!op.getValid())
    return bucket;
  bool hasBatch = cast<MemRefType>(op.getValid().getType()).getRank() == 2;
  Value isValid = k.load(op.getValid(), hasBatch ? ValueRange{batch, token}
                                                 : ValueRange{token});
  return k.select(isValid, bucket, last);
}

/// Tokens of each bucket, summed up to where the buckets start.
void SortEmitter::emitStarts() {
  int64_t buckets = op.getNumBuckets() + 1;
  Type i32 = k.b.getI32Type();
  Value zero = arith::ConstantIntOp::create(k.b, k.loc, 0, 32);
  Value one = arith::ConstantIntOp::create(k.b, k.loc, 1, 32);
  (void)i32;
  k.forLoop(k.index(0), k.index(buckets), 1,
            [&](Value bucket) { k.store(zero, next, {bucket}); });
  k.forLoop(k.index(0), tokens, 1, [&](Value token) {
    Value bucket = emitBucket(token);
    Value count = k.load(next, {bucket});
    k.store(arith::AddIOp::create(k.b, k.loc, count, one), next, {bucket});
  });
  SmallVector<Value> total =
      k.forLoop(k.index(0), k.index(buckets), 1, {zero},
                [&](Value bucket, ValueRange sum) {
                  Value count = k.load(next, {bucket});
                  k.store(sum[0], next, {bucket});
                  k.store(sum[0], starts, {bucket});
                  return SmallVector<Value>{
                      arith::AddIOp::create(k.b, k.loc, sum[0], count)};
                });
  k.store(total[0], starts, {k.index(buckets)});
}

void SortEmitter::emitPlaces() {
  k.forLoop(k.index(0), tokens, 1, [&](Value token) {
    Value bucket = emitBucket(token);
    Value rank = toIndex(k, k.load(next, {bucket}));
    k.store(toInteger(k, k.add(rank, 1)), next, {bucket});
    storeRank(op.getOrder(), rank, token);
    if (op.getFirst())
      storeRank(op.getFirst(), rank, toIndex(k, k.load(starts, {bucket})));
    if (op.getEnd())
      storeRank(op.getEnd(), rank,
                toIndex(k, k.load(starts, {k.add(bucket, 1)})));
    if (!op.getCode())
      return;
    Value chunk =
        k.b.createOrFold<arith::DivUIOp>(k.loc, rank, k.index(op.getChunk()));
    Value code = k.add(chunk, k.mul(bucket, op.getStride()));
    int64_t bits =
        cast<MemRefType>(op.getCode().getType()).getElementTypeBitWidth();
    k.store(toInteger(k, code, bits), op.getCode(),
            {batch, head, token, round});
  });
}

void SortEmitter::emit() {
  tokens = k.dim(op.getOrder(), 3);
  parallelLoop(k,
               {k.dim(op.getOrder(), 0), k.dim(op.getOrder(), 1),
                k.dim(op.getOrder(), 2)},
               [&](ValueRange ids) {
                 batch = ids[0], head = ids[1], round = ids[2];
                 int64_t buckets = op.getNumBuckets() + 1;
                 starts = k.scratch({buckets + 1}, k.b.getI32Type());
                 next = k.scratch({buckets}, k.b.getI32Type());
                 emitStarts();
                 emitPlaces();
               });
}

void attn::cpu::emitBucketSort(KernelBuilder &k, BucketSortOp op) {
  SortEmitter(k, op).emit();
}
