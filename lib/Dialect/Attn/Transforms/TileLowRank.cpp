//===- TileLowRank.cpp - low-rank attention as tiles ----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pass attn-tile-low-rank: slots by parallel loops (LowRankSlots.cpp), then
// ordinary attention over them, so that every gain of the shared kernel is a
// gain here.
//
//===----------------------------------------------------------------------===//

#include "LowRankTiler.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

#define DEBUG_TYPE "attn-tile-low-rank"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNTILELOWRANKPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

LowRankTiler::LowRankTiler(LowRankAttentionOp op, OpBuilder &builder,
                           const AttnTileLowRankPassOptions &options)
    : op(op), b(builder), loc(op.getLoc()), options(options),
      type(op.getAccumulatorType()),
      keys{&op.getKeyMutable(), &op.getKeyProjectionMutable(), D::kHeadSize},
      values{&op.getValueMutable(), &op.getValueProjectionMutable(),
             D::kValueSize} {
  positions = op.getExtent(b, loc, D::kKey);
  perBlock = op.getStaticExtent(D::kSlot);
  block = op.getBlock().value_or(0);
  AffineExpr s0 = b.getAffineSymbolExpr(0);
  blocks = attr(1);
  if (block)
    blocks = apply(op.getCausal() ? s0.floorDiv(block) : s0.ceilDiv(block),
                   {positions});
  slots = apply(s0 * perBlock, {blocks});
  // Heads of the slots are shared as far as all that they are made of is.
  int64_t sharing = 0;
  for (SlotSide *side : {&keys, &values}) {
    if (op.getKeyValid())
      side->hasBatch = op.getKeyValidMap().isFunctionOfDim(D::kBatch);
    for (OpOperand *operand : {side->source, side->projection})
      for (AffineExpr expr : op.getMapOf(*operand).getResults()) {
        side->hasBatch |= expr == b.getAffineDimExpr(D::kBatch);
        if (!expr.isFunctionOfDim(D::kHead))
          continue;
        side->hasHead = true;
        auto shared = dyn_cast<AffineBinaryOpExpr>(expr);
        int64_t divisor =
            shared ? cast<AffineConstantExpr>(shared.getRHS()).getValue() : 1;
        sharing = sharing == 0 ? divisor : std::min(sharing, divisor);
      }
  }
  slotSharing = std::max<int64_t>(1, sharing);
}

/// C9 and C11 where the extents are not known before.
void LowRankTiler::checkLengths() {
  auto check = [&](arith::CmpIPredicate predicate, OpFoldResult left,
                   OpFoldResult right, StringRef message) {
    if (getConstantIntValue(left) && getConstantIntValue(right))
      return;
    Value holds =
        arith::CmpIOp::create(b, loc, predicate, value(left), value(right));
    cf::AssertOp::create(b, loc, holds, message);
  };
  if (op.getCausal())
    check(arith::CmpIPredicate::eq, op.getExtent(b, loc, D::kQuery), positions,
          "expected as many queries as keys in causal low-rank attention");
  if (block)
    return;
  for (SlotSide *side : {&keys, &values}) {
    unsigned at = *op.getMapOf(*side->projection)
                       .getResultPosition(b.getAffineDimExpr(D::kKey));
    check(arith::CmpIPredicate::uge,
          tensor::getMixedSize(b, loc, side->projection->get(), at), positions,
          "expected a column of the projections for every key, got a longer "
          "sequence");
  }
}

/// A map of the operation as one of attn.attention, which has no slots: keys
/// take their place.
AffineMap LowRankTiler::attentionMap(AffineMap map) {
  using A = AttentionOp;
  SmallVector<AffineExpr> dims;
  for (unsigned dim : {A::kBatch, A::kHead, A::kQuery, A::kKey, A::kKey,
                       A::kHeadSize, A::kValueSize})
    dims.push_back(b.getAffineDimExpr(dim));
  return map.replaceDimsAndSymbols(dims, {}, A::kNumDims, 0);
}

AffineMap LowRankTiler::slotMap(const SlotSide &side) {
  SmallVector<AffineExpr> results;
  if (side.hasBatch)
    results.push_back(b.getAffineDimExpr(D::kBatch));
  if (side.hasHead)
    results.push_back(b.getAffineDimExpr(D::kHead).floorDiv(slotSharing));
  results.push_back(b.getAffineDimExpr(D::kSlot));
  results.push_back(b.getAffineDimExpr(side.sizeDim));
  return AffineMap::get(D::kNumDims, 0, results, b.getContext());
}

/// attn.attention to some keys, with the operation's queries and destinations.
SmallVector<Value> LowRankTiler::attend(Value key, Value values,
                                        AffineMap keyMap, AffineMap valueMap,
                                        Value valid, AffineMap validMap,
                                        Attribute mask, bool needsLse) {
  SmallVector<AffineMap> maps{op.getMapOf(op.getQueryMutable()), keyMap,
                              valueMap};
  if (valid)
    maps.push_back(validMap);
  AffineMap outputMap = op.getMapOf(op.getOutputMutable());
  maps.push_back(outputMap);
  Value lse = op.getLse();
  if (lse) {
    maps.push_back(op.getLseMap());
  } else if (needsLse) {
    SmallVector<AffineExpr> rows;
    SmallVector<OpFoldResult> sizes;
    for (D dim : {D::kBatch, D::kHead, D::kQuery})
      if (outputMap.isFunctionOfDim(dim)) {
        rows.push_back(b.getAffineDimExpr(dim));
        sizes.push_back(op.getExtent(b, loc, dim));
      }
    lse = tensor::EmptyOp::create(b, loc, sizes, type);
    maps.push_back(AffineMap::get(D::kNumDims, 0, rows, b.getContext()));
  }
  SmallVector<Attribute> attributes;
  for (AffineMap map : maps)
    attributes.push_back(AffineMapAttr::get(attentionMap(map)));
  SmallVector<Value> destinations{op.getOutput()};
  if (lse)
    destinations.push_back(lse);
  auto attention = AttentionOp::create(
      b, loc, ValueRange(destinations).getTypes(), op.getQuery(), key, values,
      /*bias=*/Value(), valid, op.getOutput(), lse, b.getArrayAttr(attributes),
      cast_if_present<MaskAttrInterface>(mask),
      b.getF64FloatAttr(op.getEffectiveScale()), /*softcap=*/FloatAttr());
  SmallVector<Value> results(attention->getResults());
  if (lse)
    lseMap = maps.back();
  return results;
}

/// Two results of disjoint keys as one: weights e^(lse - max), empty ones 0.
SmallVector<Value> LowRankTiler::merge(ArrayRef<Value> left,
                                       ArrayRef<Value> right) {
  AffineMap outputMap = op.getMapOf(op.getOutputMutable());
  // Over the output's own dimensions, the value size last but wherever it is.
  SmallVector<AffineExpr> place(D::kNumDims, b.getAffineConstantExpr(0));
  for (auto [position, expr] : llvm::enumerate(outputMap.getResults()))
    place[cast<AffineDimExpr>(expr).getPosition()] =
        b.getAffineDimExpr(position);
  unsigned rank = outputMap.getNumResults();
  AffineMap rowMap = lseMap.replaceDimsAndSymbols(place, {}, rank, 0);
  AffineMap identity = b.getMultiDimIdentityMap(rank);
  auto weights = [&](OpBuilder &nested, Location l, Value x, Value y) {
    auto constant = [&](double number) -> Value {
      return arith::ConstantOp::create(nested, l,
                                       nested.getFloatAttr(type, number));
    };
    Value max = arith::MaximumFOp::create(nested, l, x, y);
    Value isEmpty = arith::CmpFOp::create(
        nested, l, arith::CmpFPredicate::OEQ, max,
        constant(-std::numeric_limits<double>::infinity()));
    max = arith::SelectOp::create(nested, l, isEmpty, constant(0), max);
    SmallVector<Value> made;
    for (Value lse : {x, y})
      made.push_back(math::ExpOp::create(
          nested, l, arith::SubFOp::create(nested, l, lse, max)));
    made.push_back(arith::AddFOp::create(nested, l, made[0], made[1]));
    made.push_back(max);
    made.push_back(isEmpty);
    made.push_back(constant(0));
    return made;
  };
  Type element = getElementTypeOrSelf(op.getOutput());
  auto widen = [&](OpBuilder &nested, Location l, Value x) -> Value {
    return element == type ? x : arith::ExtFOp::create(nested, l, type, x);
  };
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  auto output = linalg::GenericOp::create(
      b, loc, op.getOutput().getType(),
      ValueRange{left[0], right[0], left[1], right[1]}, op.getOutput(),
      ArrayRef<AffineMap>{identity, identity, rowMap, rowMap, identity},
      iterators, [&](OpBuilder &nested, Location l, ValueRange in) {
        SmallVector<Value> w = weights(nested, l, in[2], in[3]);
        Value sum = arith::AddFOp::create(
            nested, l,
            arith::MulFOp::create(nested, l, w[0], widen(nested, l, in[0])),
            arith::MulFOp::create(nested, l, w[1], widen(nested, l, in[1])));
        Value ratio = arith::DivFOp::create(nested, l, sum, w[2]);
        Value result = arith::SelectOp::create(nested, l, w[4], w[5], ratio);
        if (element != type)
          result = arith::TruncFOp::create(nested, l, element, result);
        linalg::YieldOp::create(nested, l, result);
      });
  SmallVector<Value> results{output.getResult(0)};
  if (!op.getLse())
    return results;
  unsigned rows = lseMap.getNumResults();
  SmallVector<AffineMap> maps(3, b.getMultiDimIdentityMap(rows));
  auto lse = linalg::GenericOp::create(
      b, loc, op.getLse().getType(), ValueRange{left[1], right[1]}, op.getLse(),
      maps,
      SmallVector<utils::IteratorType>(rows, utils::IteratorType::parallel),
      [&](OpBuilder &nested, Location l, ValueRange in) {
        SmallVector<Value> w = weights(nested, l, in[0], in[1]);
        Value log = math::LogOp::create(nested, l, w[2]);
        linalg::YieldOp::create(
            nested, l, ValueRange{arith::AddFOp::create(nested, l, w[3], log)});
      });
  results.push_back(lse.getResult(0));
  return results;
}

/// [b, slot]: whether a slot's block has a valid key.
Value LowRankTiler::buildSlotValidity() {
  bool hasBatch = op.getKeyValidMap().isFunctionOfDim(D::kBatch);
  unsigned keyAt =
      *op.getKeyValidMap().getResultPosition(b.getAffineDimExpr(D::kKey));
  SmallVector<OpFoldResult> sizes;
  if (hasBatch)
    sizes.push_back(op.getExtent(b, loc, D::kBatch));
  sizes.push_back(slots);
  unsigned rank = sizes.size();
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  iterators.push_back(utils::IteratorType::reduction);
  AffineMap map = b.getMultiDimIdentityMap(rank + 1).getMajorSubMap(rank);
  // Says how many positions a block has; its elements are not read.
  Value extent =
      tensor::EmptyOp::create(b, loc, ArrayRef<int64_t>{block}, b.getI1Type());
  AffineMap extentMap =
      AffineMap::get(rank + 1, 0, b.getAffineDimExpr(rank), b.getContext());
  Value none = arith::ConstantIntOp::create(b, loc, 0, /*width=*/1);
  Value empty = tensor::EmptyOp::create(b, loc, sizes, b.getI1Type());
  Value init = linalg::FillOp::create(b, loc, none, empty).getResult(0);
  Value valid = op.getKeyValid();
  auto generic = linalg::GenericOp::create(
      b, loc, init.getType(), extent, init, ArrayRef<AffineMap>{extentMap, map},
      iterators, [&](OpBuilder &nested, Location l, ValueRange in) {
        auto constant = [&](int64_t number) {
          return arith::ConstantIndexOp::create(nested, l, number);
        };
        Value slot = linalg::IndexOp::create(nested, l, rank - 1);
        Value own = arith::DivUIOp::create(nested, l, slot, constant(perBlock));
        Value position = arith::AddIOp::create(
            nested, l, arith::MulIOp::create(nested, l, own, constant(block)),
            linalg::IndexOp::create(nested, l, rank));
        SmallVector<Value> at(rank, position);
        if (hasBatch)
          at[1 - keyAt] = linalg::IndexOp::create(nested, l, 0);
        Value flag = tensor::ExtractOp::create(nested, l, valid, at);
        linalg::YieldOp::create(
            nested, l,
            ValueRange{arith::OrIOp::create(nested, l, in[1], flag)});
      });
  return generic.getResult(0);
}

SmallVector<Value> LowRankTiler::tile() {
  checkLengths();
  keys.slots = buildSlots(keys);
  values.slots = buildSlots(values);
  Attribute mask;
  Value valid;
  AffineMap validMap;
  if (op.getCausal()) {
    mask = FinishedBlocksAttr::get(b.getContext(), block, perBlock);
    if (op.getKeyValid()) {
      valid = buildSlotValidity();
      SmallVector<AffineExpr> dims{b.getAffineDimExpr(D::kSlot)};
      if (op.getKeyValidMap().isFunctionOfDim(D::kBatch))
        dims.insert(dims.begin(), b.getAffineDimExpr(D::kBatch));
      validMap = AffineMap::get(D::kNumDims, 0, dims, b.getContext());
    }
  }
  SmallVector<Value> past =
      attend(keys.slots, values.slots, slotMap(keys), slotMap(values), valid,
             validMap, mask, op.getCausal());
  if (!op.getCausal())
    return past;
  SmallVector<Value> own = attend(
      op.getKey(), op.getValue(), op.getMapOf(op.getKeyMutable()),
      op.getMapOf(op.getValueMutable()), op.getKeyValid(), op.getKeyValidMap(),
      getOwnCausalMask(b.getContext(), block), true);
  return merge(past, own);
}

namespace {
struct TileLowRankPass : attn::impl::AttnTileLowRankPassBase<TileLowRankPass> {
  using AttnTileLowRankPassBase::AttnTileLowRankPassBase;

  void runOnOperation() override {
    AttnTileLowRankPassOptions sizes{slotTile,    positionTile, headTile,
                                     columnAlign, rowAlign,     minTiles};
    if (slotTile < 1 || positionTile < 1 || headTile < 1 || columnAlign < 1 ||
        rowAlign < 1 || minTiles < 1) {
      getOperation().emitError()
          << "expected positive tile sizes, got slot-tile="
          << slotTile.getValue() << " position-tile=" << positionTile.getValue()
          << " head-tile=" << headTile.getValue();
      return signalPassFailure();
    }
    SmallVector<LowRankAttentionOp> ops;
    getOperation().walk([&](LowRankAttentionOp op) { ops.push_back(op); });
    for (LowRankAttentionOp op : ops) {
      IRRewriter rewriter(op);
      rewriter.replaceOp(op, LowRankTiler(op, rewriter, sizes).tile());
      ++numTiled;
    }
    getOperation().walk([](GaussianProjectionOp op) {
      IRRewriter rewriter(op);
      rewriter.replaceOpWithNewOp<arith::ConstantOp>(op, op.draw());
    });
  }
};
} // namespace
