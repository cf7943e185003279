//===- DecomposeLowRank.cpp - attn.low_rank_attention as linalg -----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Slots by one sum over all positions, then the softmax over them; with causal
// blocks a second set of scores, of the query's own block, in the same softmax.
//
//===----------------------------------------------------------------------===//

#include "Decompositions.h"
#include "ScoreBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;

using D = LowRankAttentionOp::Dim;
static constexpr double kInfinity = std::numeric_limits<double>::infinity();

namespace {
class LowRankBuilder {
public:
  LowRankBuilder(OpBuilder &builder, LowRankAttentionOp op);
  SmallVector<Value> build();

private:
  Value index(OpFoldResult value) {
    return getValueOrCreateConstantIndexOp(b, loc, value);
  }
  AffineMap mapOf(ArrayRef<unsigned> dims) {
    auto exprs = llvm::map_to_vector(
        dims, [&](unsigned dim) { return b.getAffineDimExpr(dim); });
    return AffineMap::get(D::kNumDims, 0, exprs, b.getContext());
  }
  void checkLengths();
  Value firstColumns(OpOperand &projection);
  Value buildSlots(OpOperand &source, OpOperand &projection, unsigned size);
  Value buildBlockTerm(OpBuilder &nested, ArrayRef<unsigned> dims,
                       OpOperand &projection, Value element);
  Value buildSlotValidity();
  ScoreBuilder slotScores(Value keys, Value values);
  ScoreBuilder ownScores();
  ScoreBuilder baseScores();
  SmallVector<Value> finish(ScoreBuilder &score, Value max, Value sum,
                            Value acc);

  OpBuilder &b;
  LowRankAttentionOp op;
  Location loc;
  FloatType type;
  SmallVector<unsigned> rowDims, outerDims; ///< of (b, h, i), of (b, h)
  SmallVector<OpFoldResult> extents;        ///< that of s counts all slots
  int64_t block = 0, slotsPerBlock = 0;
};
} // namespace

LowRankBuilder::LowRankBuilder(OpBuilder &builder, LowRankAttentionOp op)
    : b(builder), op(op), loc(op.getLoc()), type(op.getAccumulatorType()) {
  AffineMap output = op.getMapOf(op.getOutputMutable());
  for (unsigned dim : {D::kBatch, D::kHead})
    if (output.isFunctionOfDim(dim))
      outerDims.push_back(dim);
  rowDims = outerDims;
  rowDims.push_back(D::kQuery);
  for (unsigned dim = 0; dim < D::kNumDims; ++dim)
    extents.push_back(op.getExtent(b, loc, D(dim)));
  slotsPerBlock = op.getStaticExtent(D::kSlot);
  if (!op.getBlock())
    return;
  block = *op.getBlock();
  Value keys = index(extents[D::kKey]), size = index(b.getIndexAttr(block));
  Value blocks = op.getCausal()
                     ? b.createOrFold<arith::DivUIOp>(loc, keys, size)
                     : b.createOrFold<arith::CeilDivUIOp>(loc, keys, size);
  Value slots = b.createOrFold<arith::MulIOp>(
      loc, blocks, index(b.getIndexAttr(slotsPerBlock)));
  extents[D::kSlot] = getAsOpFoldResult(slots);
}

/// C9 and C11 where the extents are not known before.
void LowRankBuilder::checkLengths() {
  auto check = [&](arith::CmpIPredicate predicate, OpFoldResult left,
                   OpFoldResult right, const Twine &message) {
    if (getConstantIntValue(left) && getConstantIntValue(right))
      return;
    Value holds =
        arith::CmpIOp::create(b, loc, predicate, index(left), index(right));
    cf::AssertOp::create(b, loc, holds, message.str());
  };
  if (op.getCausal())
    check(arith::CmpIPredicate::eq, extents[D::kQuery], extents[D::kKey],
          "expected as many queries as keys in causal low-rank attention");
  if (block)
    return;
  for (OpOperand *projection :
       {&op.getKeyProjectionMutable(), &op.getValueProjectionMutable()}) {
    unsigned at = *op.getMapOf(*projection)
                       .getResultPosition(b.getAffineDimExpr(D::kKey));
    check(arith::CmpIPredicate::uge,
          tensor::getMixedSize(b, loc, projection->get(), at), extents[D::kKey],
          "expected a column of the projections for every key, got a longer "
          "sequence");
  }
}

/// The columns of a projection that there are keys for.
Value LowRankBuilder::firstColumns(OpOperand &projection) {
  Value source = projection.get();
  auto sizes = tensor::getMixedSizes(b, loc, source);
  unsigned at =
      *op.getMapOf(projection).getResultPosition(b.getAffineDimExpr(D::kKey));
  sizes[at] = extents[D::kKey];
  SmallVector<OpFoldResult> offsets(sizes.size(), b.getIndexAttr(0)),
      strides(sizes.size(), b.getIndexAttr(1));
  return tensor::ExtractSliceOp::create(b, loc, source, offsets, sizes,
                                        strides);
}

/// The weight of a position in a slot times its element, where the two are of
/// one block.
Value LowRankBuilder::buildBlockTerm(OpBuilder &nested, ArrayRef<unsigned> dims,
                                     OpOperand &projection, Value element) {
  SmallVector<Value> at(D::kNumDims);
  for (auto [place, dim] : llvm::enumerate(dims))
    at[dim] = linalg::IndexOp::create(nested, loc, place);
  auto constant = [&](int64_t value) {
    return arith::ConstantIndexOp::create(nested, loc, value);
  };
  Value size = constant(block), perBlock = constant(slotsPerBlock);
  Value isSame = arith::CmpIOp::create(
      nested, loc, arith::CmpIPredicate::eq,
      arith::DivUIOp::create(nested, loc, at[D::kSlot], perBlock),
      arith::DivUIOp::create(nested, loc, at[D::kKey], size));
  at[D::kSlot] = arith::RemUIOp::create(nested, loc, at[D::kSlot], perBlock);
  at[D::kKey] = arith::RemUIOp::create(nested, loc, at[D::kKey], size);
  SmallVector<Value> indices;
  for (AffineExpr expr : op.getMapOf(projection).getResults()) {
    int64_t divisor = 1;
    if (auto shared = dyn_cast<AffineBinaryOpExpr>(expr)) {
      divisor = cast<AffineConstantExpr>(shared.getRHS()).getValue();
      expr = shared.getLHS();
    }
    Value place = at[cast<AffineDimExpr>(expr).getPosition()];
    indices.push_back(divisor == 1 ? place
                                   : arith::DivUIOp::create(nested, loc, place,
                                                            constant(divisor))
                                         .getResult());
  }
  Value weight = convertFloat(
      nested, loc,
      tensor::ExtractOp::create(nested, loc, projection.get(), indices), type);
  Value product = arith::MulFOp::create(nested, loc, weight, element);
  return arith::SelectOp::create(nested, loc, isSame, product,
                                 floatConstant(nested, loc, type, 0));
}

/// [b, h, s, `size`]: the slots of a source whose rows are zero where they are
/// not valid.
Value LowRankBuilder::buildSlots(OpOperand &source, OpOperand &projection,
                                 unsigned size) {
  SmallVector<unsigned> dims(outerDims);
  dims.append({unsigned(D::kSlot), size});
  AffineMap map = mapOf(dims);
  auto sizes =
      llvm::map_to_vector(dims, [&](unsigned dim) { return extents[dim]; });
  Value zero = filledTensor(b, loc, sizes, type, 0);
  SmallVector<Value> inputs{source.get()};
  SmallVector<AffineMap> maps{op.getMapOf(source)};
  if (op.getKeyValid()) {
    inputs.push_back(op.getKeyValid());
    maps.push_back(op.getKeyValidMap());
  }
  if (!block) {
    inputs.push_back(firstColumns(projection));
    maps.push_back(op.getMapOf(projection));
  }
  maps.push_back(map);
  dims.push_back(D::kKey);
  return buildGeneric(
      b, loc, dims, inputs, maps, zero,
      [&](OpBuilder &nested, Location l, ValueRange arguments) -> Value {
        Value element = convertFloat(nested, l, arguments[0], type);
        if (op.getKeyValid())
          element = arith::SelectOp::create(nested, l, arguments[1], element,
                                            floatConstant(nested, l, type, 0));
        Value term;
        if (block) {
          term = buildBlockTerm(nested, dims, projection, element);
        } else {
          Value weight =
              convertFloat(nested, l, arguments[inputs.size() - 1], type);
          term = arith::MulFOp::create(nested, l, weight, element);
        }
        return arith::AddFOp::create(nested, l, arguments.back(), term);
      });
}

/// [b, s]: whether a slot's block has a valid key.
Value LowRankBuilder::buildSlotValidity() {
  SmallVector<unsigned> dims;
  if (op.getKeyValidMap().isFunctionOfDim(D::kBatch))
    dims.push_back(D::kBatch);
  dims.push_back(D::kSlot);
  AffineMap map = mapOf(dims);
  auto sizes =
      llvm::map_to_vector(dims, [&](unsigned dim) { return extents[dim]; });
  Value none = arith::ConstantIntOp::create(b, loc, 0, /*width=*/1);
  Value empty = tensor::EmptyOp::create(b, loc, sizes, b.getI1Type());
  Value init = linalg::FillOp::create(b, loc, none, empty).getResult(0);
  dims.push_back(D::kKey);
  unsigned slotPlace = dims.size() - 2, keyPlace = dims.size() - 1;
  return buildGeneric(
      b, loc, dims, op.getKeyValid(), {op.getKeyValidMap(), map}, init,
      [&](OpBuilder &nested, Location l, ValueRange arguments) -> Value {
        auto blockOf = [&](unsigned place, int64_t size) -> Value {
          Value at = linalg::IndexOp::create(nested, l, place);
          return arith::DivUIOp::create(
              nested, l, at, arith::ConstantIndexOp::create(nested, l, size));
        };
        Value isSame = arith::CmpIOp::create(
            nested, l, arith::CmpIPredicate::eq,
            blockOf(slotPlace, slotsPerBlock), blockOf(keyPlace, block));
        Value counts = arith::AndIOp::create(nested, l, isSame, arguments[0]);
        return arith::OrIOp::create(nested, l, arguments[1], counts);
      });
}

ScoreBuilder LowRankBuilder::baseScores() {
  ScoreBuilder score(b, loc);
  score.query = op.getQuery();
  score.queryMap = op.getMapOf(op.getQueryMutable());
  score.headSizeDim = D::kHeadSize;
  score.valueSizeDim = D::kValueSize;
  score.rowDims = rowDims;
  score.extents = extents;
  score.scale = op.getEffectiveScale();
  score.type = type;
  score.numQueries = index(extents[D::kQuery]);
  return score;
}

/// The scores of slots.
ScoreBuilder LowRankBuilder::slotScores(Value keys, Value values) {
  ScoreBuilder score = baseScores();
  score.key = keys, score.value = values;
  SmallVector<unsigned> dims(outerDims);
  dims.append({D::kSlot, D::kHeadSize});
  score.keyMap = mapOf(dims);
  dims.back() = D::kValueSize;
  score.valueMap = mapOf(dims);
  score.keyDim = D::kSlot;
  score.numKeys = index(extents[D::kSlot]);
  if (!op.getCausal())
    return score;
  score.mask = FinishedBlocksAttr::get(b.getContext(), block, slotsPerBlock);
  score.position = [](OpBuilder &, ArrayRef<Value> at) {
    return PairPosition{{}, {}, at[D::kQuery], at[D::kSlot]};
  };
  if (op.getKeyValid()) {
    score.keyValid = buildSlotValidity();
    score.keyValidMap = op.getKeyValidMap().isFunctionOfDim(D::kBatch)
                            ? mapOf({D::kBatch, D::kSlot})
                            : mapOf({D::kSlot});
  }
  return score;
}

/// The scores of the keys of the query's own block.
ScoreBuilder LowRankBuilder::ownScores() {
  ScoreBuilder score = baseScores();
  score.key = op.getKey(), score.value = op.getValue();
  score.keyMap = op.getMapOf(op.getKeyMutable());
  score.valueMap = op.getMapOf(op.getValueMutable());
  score.keyDim = D::kKey;
  score.numKeys = index(extents[D::kKey]);
  score.keyValid = op.getKeyValid();
  score.keyValidMap = op.getKeyValidMap();
  score.mask = getOwnCausalMask(b.getContext(), block);
  score.position = [](OpBuilder &, ArrayRef<Value> at) {
    return PairPosition{{}, {}, at[D::kQuery], at[D::kKey]};
  };
  return score;
}

SmallVector<Value> LowRankBuilder::finish(ScoreBuilder &score, Value max,
                                          Value sum, Value acc) {
  SmallVector<unsigned> dims = score.rowsAnd(D::kValueSize);
  AffineMap rowMap = score.mapOf(rowDims);
  auto element = cast<FloatType>(getElementTypeOrSelf(op.getOutput()));
  SmallVector<Value> results{buildGeneric(
      b, loc, dims, {acc, sum},
      {score.mapOf(dims), rowMap, op.getMapOf(op.getOutputMutable())},
      op.getOutput(),
      [&](OpBuilder &nested, Location l, ValueRange arguments) -> Value {
        Value zero = floatConstant(nested, l, type, 0);
        Value isEmpty = arith::CmpFOp::create(
            nested, l, arith::CmpFPredicate::OEQ, arguments[1], zero);
        Value ratio =
            arith::DivFOp::create(nested, l, arguments[0], arguments[1]);
        Value result = arith::SelectOp::create(nested, l, isEmpty, zero, ratio);
        return convertFloat(nested, l, result, element);
      })};
  if (op.getLse())
    results.push_back(buildGeneric(
        b, loc, rowDims, {max, sum}, {rowMap, rowMap, op.getLseMap()},
        op.getLse(),
        [&](OpBuilder &nested, Location l, ValueRange arguments) -> Value {
          Value log = math::LogOp::create(nested, l, arguments[1]);
          return arith::AddFOp::create(nested, l,
                                       finiteMax(nested, l, arguments[0]), log);
        }));
  return results;
}

SmallVector<Value> LowRankBuilder::build() {
  checkLengths();
  Value keys = buildSlots(op.getKeyMutable(), op.getKeyProjectionMutable(),
                          D::kHeadSize);
  Value values = buildSlots(op.getValueMutable(),
                            op.getValueProjectionMutable(), D::kValueSize);
  SmallVector<ScoreBuilder, 0> sources{slotScores(keys, values)};
  if (op.getCausal())
    sources.push_back(ownScores());

  auto sizes = sources[0].sizesOf(rowDims);
  Value max = filledTensor(b, loc, sizes, type, -kInfinity);
  Value sum = filledTensor(b, loc, sizes, type, 0);
  Value acc = filledTensor(
      b, loc, sources[0].sizesOf(sources[0].rowsAnd(D::kValueSize)), type, 0);
  SmallVector<Value> scores;
  for (ScoreBuilder &source : sources) {
    scores.push_back(source.buildScores());
    max = source.buildMax(scores.back(), max);
  }
  for (auto [source, score] : llvm::zip_equal(sources, scores)) {
    Value weights = source.buildWeights(score, max);
    sum = source.buildSum(weights, sum);
    acc = source.buildAccumulator(score, weights, acc);
  }
  return finish(sources[0], max, sum, acc);
}

SmallVector<Value>
mlir::attn::decomposeLowRankAttention(OpBuilder &builder,
                                      LowRankAttentionOp op) {
  return LowRankBuilder(builder, op).build();
}
