//===- TileLinearStep.cpp - one token of every head -----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Part of the pass attn-tile. A head is a task. A state that is updated in
// place is read through its destination, so that no copy of it is made.
//
//===----------------------------------------------------------------------===//

#include "TileLinear.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
class StepTiler {
public:
  StepTiler(OpBuilder &b, LinearStepOp op) : b(b), loc(op.getLoc()), op(op) {}
  SmallVector<Value> tile();

private:
  /// Where one head lies in an operand.
  struct Place {
    SmallVector<OpFoldResult> offsets, sizes, strides;
    RankedTensorType type;
  };
  Place placeOf(Value whole, ArrayRef<OpFoldResult> outer);
  Value slice(Value whole, ArrayRef<OpFoldResult> outer);
  void buildHead(scf::ForallOp loop);

  OpBuilder &b;
  Location loc;
  LinearStepOp op;
};
} // namespace

StepTiler::Place StepTiler::placeOf(Value whole, ArrayRef<OpFoldResult> outer) {
  auto type = cast<RankedTensorType>(whole.getType());
  ArrayRef<int64_t> own = type.getShape().drop_front(outer.size());
  Place place;
  place.offsets.assign(outer.begin(), outer.end());
  place.offsets.append(own.size(), b.getIndexAttr(0));
  place.sizes.assign(outer.size(), b.getIndexAttr(1));
  for (int64_t extent : own)
    place.sizes.push_back(b.getIndexAttr(extent));
  place.strides.assign(type.getRank(), b.getIndexAttr(1));
  place.type = RankedTensorType::get(own, type.getElementType());
  return place;
}

Value StepTiler::slice(Value whole, ArrayRef<OpFoldResult> outer) {
  if (outer.empty())
    return whole;
  Place place = placeOf(whole, outer);
  return tensor::ExtractSliceOp::create(
      b, loc, place.type, whole, place.offsets, place.sizes, place.strides);
}

void StepTiler::buildHead(scf::ForallOp loop) {
  SmallVector<Value> ids = loop.getInductionVars();
  SmallVector<OpFoldResult> outer(ids.begin(), ids.end()), shared(outer);
  if (op.getGroupSize() > 1)
    shared.back() = getAsOpFoldResult(b.createOrFold<arith::DivUIOp>(
        loc, ids.back(),
        arith::ConstantIndexOp::create(b, loc, op.getGroupSize())));
  Value projection = op.getProjection(), valid = op.getKeyValid();
  if (projection && cast<ShapedType>(projection.getType()).getRank() == 3)
    projection = slice(projection, outer.back());
  if (valid && op.hasBatch())
    valid = slice(valid, outer.front());
  SmallVector<Value> dests, initial;
  for (Value whole : loop.getRegionOutArgs())
    dests.push_back(slice(whole, outer));
  for (auto [source, final, dest] : llvm::zip_equal(
           op.getInitial(), op.getFinal(), ArrayRef(dests).drop_front()))
    initial.push_back(source == final ? dest : slice(source, outer));
  SmallVector<Type> types;
  for (Value dest : dests)
    types.push_back(dest.getType());
  auto made = LinearStepOp::create(
      b, loc, types, op.getFeatureMapAttr(), slice(op.getQuery(), outer),
      slice(op.getKey(), shared), slice(op.getValue(), shared), projection,
      valid, initial, dests.front(), ArrayRef(dests).drop_front(),
      op.getScaleAttr(), op.getFeatureEpsAttr(), op.getDenominatorEpsAttr());
  IRMapping mapping;
  op.getFeature().cloneInto(&made.getFeature(), mapping);
  auto terminator = scf::InParallelOp::create(b, loc);
  b.setInsertionPointToStart(terminator.getBody());
  for (auto [result, whole] :
       llvm::zip_equal(made.getResults(), loop.getRegionOutArgs())) {
    Place place = placeOf(whole, outer);
    tensor::ParallelInsertSliceOp::create(b, loc, result, whole, place.offsets,
                                          place.sizes, place.strides);
  }
}

SmallVector<Value> StepTiler::tile() {
  SmallVector<OpFoldResult> bounds =
      tensor::getMixedSizes(b, loc, op.getQuery());
  bounds.pop_back();
  auto loop = scf::ForallOp::create(b, loc, bounds,
                                    SmallVector<Value>(op.getDpsInits()),
                                    /*mapping=*/std::nullopt);
  OpBuilder::InsertionGuard guard(b);
  loop.getTerminator()->erase();
  b.setInsertionPointToStart(loop.getBody());
  buildHead(loop);
  return SmallVector<Value>(loop.getResults());
}

SmallVector<Value> mlir::attn::tileLinearStep(OpBuilder &builder,
                                              LinearStepOp op) {
  return StepTiler(builder, op).tile();
}
