//===- TileBox.cpp - attention as the tiling interfaces ask for it --------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A box of batches, heads and queries whose place and size somebody else chose.
// Loops over tiles are theirs; what is inside is built as attn-tile builds it.
//
//===----------------------------------------------------------------------===//

#include "Tiler.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"

#include <limits>

using namespace mlir;
using namespace mlir::attn;

SlicePosition mlir::attn::positionIn(OpBuilder &builder, AffineMap map,
                                     ArrayRef<Span> box,
                                     function_ref<unsigned(AffineExpr)> dimOf) {
  SlicePosition at;
  for (AffineExpr expr : map.getResults()) {
    at.offsets.push_back(box[dimOf(expr)].offset);
    at.sizes.push_back(box[dimOf(expr)].size);
  }
  at.strides.assign(at.sizes.size(), builder.getIndexAttr(1));
  return at;
}

Span mlir::attn::getRelativeSpan(OpBuilder &builder, Location loc,
                                 OpFoldResult extent, OpFoldResult queries,
                                 const Span &ofQueries, const Span &ofKeys) {
  AffineExpr s0 = builder.getAffineSymbolExpr(0),
             s1 = builder.getAffineSymbolExpr(1),
             s2 = builder.getAffineSymbolExpr(2),
             s3 = builder.getAffineSymbolExpr(3);
  auto first = AffineMap::get(
      0, 4 + 1, {s0 - s1 - s2 + s3, builder.getAffineSymbolExpr(4)},
      builder.getContext());
  OpFoldResult offset = affine::makeComposedFoldedAffineMin(
      builder, loc, first,
      {queries, ofQueries.offset, ofQueries.size, ofKeys.offset, extent});
  auto size =
      AffineMap::get(0, 4, {s0 + s1 - 1, s2 - s3}, builder.getContext());
  return {offset, affine::makeComposedFoldedAffineMin(
                      builder, loc, size,
                      {ofQueries.size, ofKeys.size, extent, offset})};
}

Value mlir::attn::buildIdentity(OpBuilder &builder, Location loc, unsigned part,
                                Value empty) {
  Type element = cast<RankedTensorType>(empty.getType()).getElementType();
  double start = part == 1 ? -std::numeric_limits<double>::infinity() : 0;
  Value constant = arith::ConstantOp::create(
      builder, loc, builder.getFloatAttr(element, start));
  return linalg::FillOp::create(builder, loc, constant, empty).getResult(0);
}

/// Whether a loop's variable, or an affine function of it, is known to be a
/// multiple of `number`.
static bool isMultipleOf(OpFoldResult folded, int64_t number) {
  if (std::optional<int64_t> constant = getConstantIntValue(folded))
    return *constant % number == 0;
  auto value = cast<Value>(folded);
  if (auto apply = value.getDefiningOp<affine::AffineApplyOp>())
    return apply.getAffineMap().getResult(0).isMultipleOf(number);
  auto argument = dyn_cast<BlockArgument>(value);
  if (!argument)
    return false;
  auto loop = dyn_cast<LoopLikeOpInterface>(argument.getOwner()->getParentOp());
  std::optional<SmallVector<Value>> ivs =
      loop ? loop.getLoopInductionVars() : std::nullopt;
  auto steps = ivs ? loop.getLoopSteps() : std::nullopt;
  auto lowers = ivs ? loop.getLoopLowerBounds() : std::nullopt;
  if (!steps || !lowers)
    return false;
  for (auto [iv, step, lower] : llvm::zip_equal(*ivs, *steps, *lowers))
    if (iv == value)
      return getConstantIntValue(step).value_or(1) % number == 0 &&
             getConstantIntValue(lower).value_or(1) % number == 0;
  return false;
}

/// The tile of one batch and one group of heads within `box`.
void Tiler::placeBox(const Box &box) {
  AffineExpr s0 = b.getAffineSymbolExpr(0);
  batch = box[D::kBatch].offset;
  head = box[D::kHead].offset;
  keyHead = apply(s0.floorDiv(sharing), {head});
  firstQuery = box[D::kQuery].offset;
  count = box[D::kQuery].size;
}

FailureOr<TiledBox> Tiler::tileBox(const Box &box) {
  chooseSizes();
  check();
  mask = op.getMaskAttr();
  const Span &ofHeads = box[D::kHead];
  if (!isMultipleOf(ofHeads.offset, group) ||
      !isMultipleOf(ofHeads.size, group))
    group = 1; // heads of a tile that begins within a group stand alone
  FailureOr<int64_t> bound = ValueBoundsConstraintSet::computeConstantBound(
      presburger::BoundType::UB, box[D::kQuery].size,
      /*stopCondition=*/nullptr, /*closedUB=*/true);
  if (failed(bound) || *bound < 1)
    return failure();
  rows = llvm::alignTo(*bound, rowAlign());
  keyTile = kAllKeys;
  outputBox = box;

  SmallVector<AffineMap> maps{op.getOutputMap()};
  if (op.getLse())
    maps.push_back(op.getLseMap());
  SmallVector<Value> outputs;
  for (auto [init, map] : llvm::zip_equal(op.getDpsInits(), maps)) {
    SlicePosition at = positionIn(map, box);
    outputs.push_back(tensor::ExtractSliceOp::create(b, loc, init, at.offsets,
                                                     at.sizes, at.strides));
  }
  auto buildState = [&] {
    SmallVector<Value> state = buildInitialState();
    for (const KeyRange &range : buildKeyRanges())
      state = buildKeyLoop(range, state);
    return state;
  };

  AffineExpr s0 = b.getAffineSymbolExpr(0), s1 = b.getAffineSymbolExpr(1);
  OpFoldResult groups = apply(s0.floorDiv(group), {ofHeads.size});
  if (getConstantIntValue(box[D::kBatch].size) == 1 &&
      getConstantIntValue(groups) == 1) {
    placeBox(box);
    SmallVector<SlicePosition> positions;
    FinalizeOp finalize = buildOutputs(buildState(), outputs, positions);
    for (auto [part, output, at] :
         llvm::zip_equal(finalize.getResults(), outputs, positions))
      output = tensor::InsertSliceOp::create(b, loc, part, output, at.offsets,
                                             at.sizes, at.strides);
    return TiledBox{{finalize}, outputs};
  }
  auto forall = buildForall(
      {box[D::kBatch].size, groups}, outputs, [&](scf::ForallOp loop) {
        SmallVector<Value> ids = loop.getInductionVars();
        Box one = box;
        one[D::kBatch].offset =
            apply(s0 + s1, {box[D::kBatch].offset, OpFoldResult(ids[0])});
        one[D::kHead].offset =
            apply(s0 + s1 * group, {ofHeads.offset, OpFoldResult(ids[1])});
        placeBox(one);
        buildFinish(buildState(), loop.getRegionOutArgs());
      });
  return TiledBox{{forall}, SmallVector<Value>(forall.getResults())};
}
