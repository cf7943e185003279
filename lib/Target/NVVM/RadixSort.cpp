//===- RadixSort.cpp - stable sorts of many segments ----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From the least significant digit on, three launches a digit: tiles of a
// segment count their digits, a block of each segment sums the counts up, and
// tiles place their tokens. The lanes of a warp find those that share a digit
// by a match, and their ranks by their order; nothing is atomic, so that
// results do not depend on who comes first.
//
//===----------------------------------------------------------------------===//

#include "RadixSort.h"

#include "Launch.h"
#include "Lsh.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::nvvm;

namespace {
/// Counters of a digit: with those of 8 warps 8 KiB of shared memory.
constexpr unsigned kDigitBits = 8;
constexpr int64_t kWarps = 8, kItems = 8;
constexpr int64_t kWarpTokens = FragmentBuilder::lanes * kItems,
                  kTileTokens = kWarps * kWarpTokens;

Value equal(BlockBuilder &k, Value x, Value y) {
  return k.compare(arith::CmpIPredicate::eq, x, y);
}

Value countBits(BlockBuilder &k, Value x) {
  return math::CtPopOp::create(k.b, k.loc, x);
}

void syncWarp(BlockBuilder &k) {
  NVVM::SyncWarpOp::create(k.b, k.loc, k.i32(-1));
}

Value loadInteger(BlockBuilder &k, Value memref, ValueRange at) {
  return memref::LoadOp::create(k.b, k.loc, memref, at);
}

void storeInteger(BlockBuilder &k, Value value, Value memref, ValueRange at) {
  memref::StoreOp::create(k.b, k.loc, value, memref, at);
}
} // namespace

/// Per item of a lane; all but `tokens` are i32.
struct RadixSort::Block {
  SmallVector<Value> segment; ///< batch, head, round
  Value number;               ///< of the segment
  Value tile;
  SmallVector<Value> isThere, token, digit, peers;
  Value below;    ///< lanes before this one, as bits
  Value counters; ///< [warps, digits]
};

RadixSort::RadixSort(OpBuilder &b, Location loc, Value order, Value workspace,
                     unsigned keyBits, KeyFn key)
    : b(b), loc(loc), order(order), workspace(workspace),
      passes(llvm::divideCeil(keyBits, kDigitBits)),
      digitBits(llvm::divideCeil(keyBits, passes)), key(std::move(key)),
      digits(int64_t(1) << digitBits) {}

void RadixSort::launch(StringRef name, Value blocks, int64_t warps,
                       function_ref<void(BlockBuilder &, Value block)> body) {
  launchBlocks(b, loc, name, blocks, warps, F32Products::Three,
               [&](Kernel &kernel, Value block) {
                 BlockBuilder k(b, loc, kernel);
                 body(k, block);
               });
}

RadixSort::Block RadixSort::openBlock(BlockBuilder &k, Value number,
                                      unsigned pass, Value from) {
  Block block;
  SmallVector<Value> at = delinearise(k, number, {segments, tiles});
  block.number = at[0], block.tile = at[1];
  block.segment = delinearise(k, block.number, extents);
  block.counters = k.counters(kWarps, digits);
  k.forEach({k.index(kWarps), k.index(digits)}, [&](ValueRange at) {
    storeInteger(k, k.i32(0), block.counters, at);
  });
  Value one = k.i32(1), lane = k.toI32(k.at.lane);
  block.below = k.sub(arith::ShLIOp::create(k.b, k.loc, one, lane), one);
  Value first = k.add(
      k.add(k.mul(block.tile, kTileTokens), k.mul(k.at.warp, kWarpTokens)),
      k.at.lane);
  Value last = k.sub(tokens, k.index(1));
  for (int64_t item = 0; item < kItems; ++item) {
    Value rank = k.add(first, item * FragmentBuilder::lanes);
    Value isThere = k.less(rank, tokens), token = k.min(rank, last);
    if (from) {
      SmallVector<Value> place(block.segment);
      place.push_back(token);
      token = loadIndex(k, from, place);
    }
    Value digit = arith::ShRUIOp::create(
        k.b, k.loc, key(k, block.segment, token), k.i32(pass * digitBits));
    digit = arith::AndIOp::create(k.b, k.loc, digit, k.i32(digits - 1));
    // Lanes without a token share a digit that no token has.
    Value shared = k.select(isThere, digit, k.i32(digits));
    Value peers =
        NVVM::MatchSyncOp::create(k.b, k.loc, k.b.getI32Type(), k.i32(-1),
                                  shared, NVVM::MatchSyncKind::any);
    block.isThere.push_back(isThere);
    block.token.push_back(token);
    block.digit.push_back(k.b.createOrFold<arith::IndexCastUIOp>(
        k.loc, k.b.getIndexType(), digit));
    block.peers.push_back(peers);
  }
  return block;
}

/// The first of the lanes that share a digit adds their number to the warp's
/// counter. `before` is called with the lane's rank among them and the counter
/// as it was.
static void addToCounter(BlockBuilder &k, Value counters, Value digit,
                         Value peers, Value below, Value isThere,
                         function_ref<void(Value rank, Value count)> before) {
  Value own = arith::AndIOp::create(k.b, k.loc, peers, below);
  Value rank = countBits(k, own), isFirst = equal(k, rank, k.i32(0));
  SmallVector<Value> at{k.at.warp, digit};
  if (before) {
    before(rank, loadInteger(k, counters, at));
    syncWarp(k);
  }
  k.ifThen(k.both(isFirst, isThere), [&] {
    Value count = loadInteger(k, counters, at);
    storeInteger(k, k.add(count, countBits(k, peers)), counters, at);
  });
  syncWarp(k);
}

void RadixSort::emitCount(BlockBuilder &k, Value number, unsigned pass,
                          Value from) {
  Block block = openBlock(k, number, pass, from);
  for (int64_t item = 0; item < kItems; ++item)
    addToCounter(k, block.counters, block.digit[item], block.peers[item],
                 block.below, block.isThere[item], nullptr);
  k.barrier();
  k.forEach({k.index(digits)}, [&](ValueRange digit) {
    Value sum = k.i32(0);
    for (int64_t warp = 0; warp < kWarps; ++warp)
      sum =
          k.add(sum, loadInteger(k, block.counters, {k.index(warp), digit[0]}));
    storeInteger(k, sum, counts, {block.number, block.tile, digit[0]});
  });
}

/// The sum of what lanes before this one hold.
static Value scanWarp(BlockBuilder &k, Value value) {
  Value sum = value, lane = k.toI32(k.at.lane);
  for (int64_t step = 1; step < FragmentBuilder::lanes; step *= 2) {
    Value other = gpu::ShuffleOp::create(k.b, k.loc, sum, k.i32(step),
                                         k.i32(FragmentBuilder::lanes),
                                         gpu::ShuffleMode::UP)
                      .getShuffleResult();
    Value isThere = k.lessOrEqual(k.i32(step), lane);
    sum = k.add(sum, k.select(isThere, other, k.i32(0)));
  }
  return k.sub(sum, value);
}

/// Calls with the counts of every tile, several at a time, so that their loads
/// are under way together; those of tiles that are not there are 0.
Value RadixSort::foldTiles(
    BlockBuilder &k, Value segment, Value digit, Value initial,
    function_ref<Value(Value tile, Value isThere, Value sum, Value count)>
        body) {
  constexpr int64_t together = 8;
  Value last = k.sub(tiles, k.index(1));
  return k.forLoop(k.index(0), tiles, together, {initial},
                   [&](Value first, ValueRange carried) {
                     SmallVector<Value> numbers, areThere, loaded;
                     for (int64_t i = 0; i < together; ++i) {
                       Value tile = k.add(first, i);
                       areThere.push_back(k.less(tile, tiles));
                       numbers.push_back(k.min(tile, last));
                       loaded.push_back(loadInteger(
                           k, counts, {segment, numbers.back(), digit}));
                     }
                     Value sum = carried[0];
                     for (int64_t i = 0; i < together; ++i)
                       sum = body(numbers[i], areThere[i], sum,
                                  k.select(areThere[i], loaded[i], k.i32(0)));
                     return SmallVector<Value>{sum};
                   })[0];
}

/// A thread has a digit: it sums its counts over the tiles, the block sums
/// digits, and the thread gives every tile its start.
void RadixSort::emitScan(BlockBuilder &k, Value segment) {
  Value digit = k.at.thread, isThere = k.less(digit, k.index(digits));
  digit = k.min(digit, k.index(digits - 1));
  Value zero = k.i32(0);
  Value total = foldTiles(
      k, segment, digit, zero,
      [&](Value, Value, Value sum, Value count) { return k.add(sum, count); });
  total = k.select(isThere, total, zero);
  Value before = scanWarp(k, total);
  Value warpTotals = k.counters(1, k.at.warps);
  Value isLast = equal(k, k.at.lane, k.index(FragmentBuilder::lanes - 1));
  k.ifThen(isLast, [&] {
    storeInteger(k, k.add(before, total), warpTotals, {k.index(0), k.at.warp});
  });
  k.barrier();
  for (int64_t warp = 0; warp + 1 < k.at.warps; ++warp) {
    Value count = loadInteger(k, warpTotals, {k.index(0), k.index(warp)});
    Value isBefore = k.less(k.index(warp), k.at.warp);
    before = k.add(before, k.select(isBefore, count, zero));
  }
  k.ifThen(isThere, [&] {
    foldTiles(k, segment, digit, before,
              [&](Value tile, Value isTile, Value sum, Value count) {
                k.ifThen(isTile, [&] {
                  storeInteger(k, sum, counts, {segment, tile, digit});
                });
                return k.add(sum, count);
              });
  });
}

void RadixSort::emitPlace(BlockBuilder &k, Value number, unsigned pass,
                          Value from, Value to) {
  Block block = openBlock(k, number, pass, from);
  for (int64_t item = 0; item < kItems; ++item)
    addToCounter(k, block.counters, block.digit[item], block.peers[item],
                 block.below, block.isThere[item], nullptr);
  k.barrier();
  // Counts become where the warp's first token of a digit goes.
  k.forEach({k.index(digits)}, [&](ValueRange digit) {
    Value next = loadInteger(k, counts, {block.number, block.tile, digit[0]});
    for (int64_t warp = 0; warp < kWarps; ++warp) {
      SmallVector<Value> at{k.index(warp), digit[0]};
      Value count = loadInteger(k, block.counters, at);
      storeInteger(k, next, block.counters, at);
      next = k.add(next, count);
    }
  });
  for (int64_t item = 0; item < kItems; ++item)
    addToCounter(k, block.counters, block.digit[item], block.peers[item],
                 block.below, block.isThere[item],
                 [&](Value rank, Value count) {
                   k.ifThen(block.isThere[item], [&] {
                     SmallVector<Value> place(block.segment);
                     place.push_back(arith::IndexCastUIOp::create(
                         k.b, k.loc, k.b.getIndexType(), k.add(count, rank)));
                     storeInteger(k, k.toI32(block.token[item]), to, place);
                   });
                 });
}

void RadixSort::emitPass(unsigned pass, Value from, Value to) {
  IndexMath math(b, loc);
  Value blocks = math.mul(segments, tiles);
  launch("sort_count", blocks, kWarps, [&](BlockBuilder &k, Value number) {
    emitCount(k, number, pass, from);
  });
  launch("sort_scan", segments,
         llvm::divideCeil(digits, FragmentBuilder::lanes),
         [&](BlockBuilder &k, Value segment) { emitScan(k, segment); });
  launch("sort_place", blocks, kWarps, [&](BlockBuilder &k, Value number) {
    emitPlace(k, number, pass, from, to);
  });
}

void RadixSort::emit() {
  IndexMath math(b, loc);
  auto type = cast<MemRefType>(order.getType());
  SmallVector<Value> dynamic;
  for (int64_t dim = 0; dim < 4; ++dim) {
    Value extent = b.createOrFold<memref::DimOp>(loc, order, dim);
    if (type.isDynamicDim(dim))
      dynamic.push_back(extent);
    extents.push_back(extent);
  }
  tokens = extents.pop_back_val();
  tiles = math.ceilDiv(tokens, kTileTokens);
  segments = math.mul(math.mul(extents[0], extents[1]), extents[2]);
  auto plain = MemRefType::get(type.getShape(), type.getElementType());
  if (passes > 1 && !workspace)
    workspace = memref::AllocOp::create(b, loc, plain, dynamic);
  counts = memref::AllocOp::create(
      b, loc,
      MemRefType::get({ShapedType::kDynamic, ShapedType::kDynamic, digits},
                      b.getI32Type()),
      ValueRange{segments, tiles});
  // The last pass writes the order.
  Value from;
  for (unsigned pass = 0; pass < passes; ++pass) {
    Value to = (passes - pass) % 2 == 1 ? order : workspace;
    emitPass(pass, from, to);
    from = to;
  }
}
