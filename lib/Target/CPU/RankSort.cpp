//===- RankSort.cpp - tokens in the order of a number ---------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Emits attn.rank_sort: a radix sort of one round by one thread, from the least
// significant digit on. Floats become unsigned integers of the same order;
// positions move between two buffers, and values are read through them.
//
//===----------------------------------------------------------------------===//

#include "Gather.h"
#include "attn/Target/CPU/Kernels.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::cpu;

namespace {
/// Bits of a digit: its counters stay in the first cache, and three passes sort
/// an f32.
constexpr int64_t kDigitBits = 11;

class RankSortEmitter {
public:
  RankSortEmitter(KernelBuilder &k, RankSortOp op)
      : k(k), op(op),
        element(cast<FloatType>(
            cast<MemRefType>(op.getValue().getType()).getElementType())),
        bits(element.getWidth()), bitsType(k.b.getIntegerType(bits)) {}
  void emit();

private:
  Value integer(int64_t value) {
    return arith::ConstantIntOp::create(k.b, k.loc, bitsType, value);
  }
  Value emitKey(Value token);
  Value emitDigit(Value token, int64_t pass);
  void emitPass(int64_t pass, Value from, Value to);
  void emitCodes();

  KernelBuilder &k;
  RankSortOp op;
  FloatType element;
  int64_t bits;
  Type bitsType;
  Value batch, head, round, tokens;
  Value next; ///< [digits]: tokens of a digit, then where its next one goes
};
} // namespace

/// An unsigned integer that is larger where the token comes later.
Value RankSortEmitter::emitKey(Value token) {
  Value value = k.load(op.getValue(), {batch, head, round, token});
  // -0 is 0.
  value = k.addf(value, k.constant(element, 0));
  Value raw = arith::BitcastOp::create(k.b, k.loc, bitsType, value);
  // Negative numbers: all bits turn around; others: the sign does.
  Value isNegative = arith::ShRSIOp::create(k.b, k.loc, raw, integer(bits - 1));
  Value flips = arith::OrIOp::create(k.b, k.loc, isNegative,
                                     integer(int64_t(-1) << (bits - 1)));
  Value key = arith::XOrIOp::create(k.b, k.loc, raw, flips);
  if (!op.getValid())
    return key;
  bool hasBatch = cast<MemRefType>(op.getValid().getType()).getRank() == 2;
  Value isValid = k.load(op.getValid(), hasBatch ? ValueRange{batch, token}
                                                 : ValueRange{token});
  return k.select(isValid, key, integer(-1));
}

Value RankSortEmitter::emitDigit(Value token, int64_t pass) {
  Value shifted = arith::ShRUIOp::create(k.b, k.loc, emitKey(token),
                                         integer(pass * kDigitBits));
  Value digit = arith::AndIOp::create(k.b, k.loc, shifted,
                                      integer((1 << kDigitBits) - 1));
  return arith::IndexCastUIOp::create(k.b, k.loc, k.b.getIndexType(), digit);
}

/// Stable by one digit. `from` is null for the order of positions.
void RankSortEmitter::emitPass(int64_t pass, Value from, Value to) {
  int64_t digits = int64_t(1) << kDigitBits;
  Value zero = arith::ConstantIntOp::create(k.b, k.loc, 0, 32);
  Value one = arith::ConstantIntOp::create(k.b, k.loc, 1, 32);
  k.forLoop(k.index(0), k.index(digits), 1,
            [&](Value digit) { k.store(zero, next, {digit}); });
  k.forLoop(k.index(0), tokens, 1, [&](Value token) {
    Value digit = emitDigit(token, pass);
    Value count = k.load(next, {digit});
    k.store(arith::AddIOp::create(k.b, k.loc, count, one), next, {digit});
  });
  k.forLoop(k.index(0), k.index(digits), 1, {zero},
            [&](Value digit, ValueRange sum) {
              Value count = k.load(next, {digit});
              k.store(sum[0], next, {digit});
              return SmallVector<Value>{
                  arith::AddIOp::create(k.b, k.loc, sum[0], count)};
            });
  k.forLoop(k.index(0), tokens, 1, [&](Value at) {
    Value token =
        from ? toIndex(k, k.load(from, {batch, head, round, at})) : at;
    Value digit = emitDigit(token, pass);
    Value rank = k.load(next, {digit});
    k.store(arith::AddIOp::create(k.b, k.loc, rank, one), next, {digit});
    k.store(toInteger(k, token), to, {batch, head, round, toIndex(k, rank)});
  });
}

void RankSortEmitter::emitCodes() {
  int64_t width =
      cast<MemRefType>(op.getCode().getType()).getElementTypeBitWidth();
  k.forLoop(k.index(0), tokens, 1, [&](Value rank) {
    Value token = toIndex(k, k.load(op.getOrder(), {batch, head, round, rank}));
    Value chunk =
        k.b.createOrFold<arith::DivUIOp>(k.loc, rank, k.index(op.getChunk()));
    k.store(toInteger(k, chunk, width), op.getCode(),
            {batch, head, token, round});
  });
}

void RankSortEmitter::emit() {
  tokens = k.dim(op.getOrder(), 3);
  int64_t passes = llvm::divideCeil(bits, kDigitBits);
  parallelLoop(k,
               {k.dim(op.getOrder(), 0), k.dim(op.getOrder(), 1),
                k.dim(op.getOrder(), 2)},
               [&](ValueRange ids) {
                 batch = ids[0], head = ids[1], round = ids[2];
                 next = k.scratch({int64_t(1) << kDigitBits}, k.b.getI32Type());
                 // The last pass writes the order.
                 Value from;
                 for (int64_t pass = 0; pass < passes; ++pass) {
                   Value to = (passes - pass) % 2 == 1 ? op.getOrder()
                                                       : op.getWorkspace();
                   emitPass(pass, from, to);
                   from = to;
                 }
                 if (op.getCode())
                   emitCodes();
               });
}

void attn::cpu::emitRankSort(KernelBuilder &k, RankSortOp op) {
  RankSortEmitter(k, op).emit();
}
