//===- TileParts.cpp - parts of the keys, and relative positions ----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Keys that come in several tensors are walked one after the other, the state
// of the softmax carried on; their positions are those of the whole. Operands
// by relative position are cut to what a tile meets, and tiles to what targets
// have room for beside these.
//
//===----------------------------------------------------------------------===//

#include "Tiler.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;

/// Lengths that only the running program knows must fit those of the keys.
void Tiler::checkLengths() {
  auto check = [&](Value source, AffineMap map, D dim,
                   arith::CmpIPredicate predicate, StringRef message) {
    for (unsigned position = 0; source && position < map.getNumResults();
         ++position) {
      if (AttentionOp::getDimOf(map.getResult(position)) != dim)
        continue;
      Value extent = value(tensor::getMixedSize(b, loc, source, position));
      Value holds =
          b.createOrFold<arith::CmpIOp>(loc, predicate, extent, value(keys));
      if (!matchPattern(holds, m_One()))
        cf::AssertOp::create(b, loc, holds, message);
    }
  };
  StringRef isLess = "expected a relative position for each key";
  auto uge = arith::CmpIPredicate::uge, eq = arith::CmpIPredicate::eq;
  check(op.getRelative(), op.getRelativeMap(), D::kRelative, uge, isLess);
  check(op.getBias(), op.getBiasMap(), D::kRelative, uge, isLess);
  if (op.getSegments().empty())
    return;
  StringRef isOther = "expected as many keys in bias and key_valid as in the "
                      "segments together";
  check(op.getBias(), op.getBiasMap(), D::kKey, eq, isOther);
  check(op.getKeyValid(), op.getKeyValidMap(), D::kKey, eq, isOther);
}

/// The relative positions of a tile that an operand has.
Span Tiler::relativeSpan(Value source, AffineMap map, OpFoldResult firstKey,
                         OpFoldResult keyCount) {
  unsigned position = 0;
  while (AttentionOp::getDimOf(map.getResult(position)) != D::kRelative)
    ++position;
  OpFoldResult extent = tensor::getMixedSize(b, loc, source, position);
  return getRelativeSpan(b, loc, extent, queries, {firstQuery, count},
                         {firstKey, keyCount});
}

/// A loop over the keys of a range for each part that they come in, the state
/// carried from one to the next.
SmallVector<Value> Tiler::buildKeyLoop(const KeyRange &range,
                                       ValueRange initial) {
  SmallVector<Value> state(initial);
  auto parts = op.getKeyParts();
  partFirst = attr(0);
  for (unsigned number = 0; number < parts.size(); ++number) {
    std::tie(partKey, partValue) = parts[number];
    if (parts.size() == 1)
      return buildPartLoop(range, state);
    OpFoldResult partEnd =
        apply(b.getAffineSymbolExpr(0) + b.getAffineSymbolExpr(1),
              {partFirst, op.getPartExtent(b, loc, number)});
    KeyRange own = range;
    own.begin =
        b.createOrFold<arith::MaxSIOp>(loc, range.begin, value(partFirst));
    own.end = b.createOrFold<arith::MinSIOp>(loc, range.end, value(partEnd));
    if (keyTile ==
        kAllKeys) // a slice begins within its part, even an empty one
      own.begin =
          b.createOrFold<arith::MinSIOp>(loc, own.begin, value(partEnd));
    state = buildPartLoop(own, state);
    partFirst = partEnd;
  }
  return state;
}

/// Rows whose relative positions a tile has room for.
int64_t Tiler::mostRelativeRows() {
  if (!op.getRelative() || options.relativeBytes == 0)
    return std::numeric_limits<int64_t>::max();
  int64_t columns = std::max(op.getStaticExtent(D::kHeadSize),
                             op.getStaticExtent(D::kValueSize));
  int64_t bits =
      getElementTypeOrSelf(op.getKey().getType()).getIntOrFloatBitWidth();
  return options.relativeBytes / (columns * bits / 8) / group;
}

/// Tiles that lie within the blocks of a mask.
void Tiler::chooseBlockTile() {
  AffineExpr s0 = b.getAffineSymbolExpr(0), s1 = b.getAffineSymbolExpr(1),
             s2 = b.getAffineSymbolExpr(2);
  int64_t parts = 1,
          limit = std::max<int64_t>(
              1, std::min(options.queryTile / group, mostRelativeRows()));
  while (queryBlock / parts > limit || queryBlock % parts != 0)
    ++parts;
  queryBlock /= parts;
  // Strips of 8 rows fit many blocks that those of the target do not.
  bool needsFragments = op.getRelative() && options.relativeBytes != 0;
  rows = queryBlock % (needsFragments ? 16 : 8) == 0
             ? queryBlock
             : static_cast<int64_t>(llvm::alignTo(queryBlock, rowAlign()));
  step = attr(queryBlock);
  tileOrigin = apply(s0.floorDiv(queryBlock) * queryBlock, {firstOfPiece});
  tiles = apply((s0 + s1 - s2).ceilDiv(queryBlock),
                {firstOfPiece, pieceQueries, tileOrigin});
}
