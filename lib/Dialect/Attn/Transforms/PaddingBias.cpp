//===- PaddingBias.cpp - additive padding as key validity -----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Encoders hide padding by a bias of 0 and the lowest number. For forms that
// give keys another order or mix them that is no bias but says which keys there
// are. The two differ only in rows that see nothing: they give the mean of all
// values with a finite lowest number, and 0 with validity. So this is done for
// rewrites alone.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/Transforms/Forms.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::attn;

/// What is added to a score leaves nothing of its weight below this.
static constexpr double kLowest = -1e30;

/// The number that all elements of a value in a linalg body have.
static std::optional<double> getNumber(linalg::GenericOp generic, Value value) {
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    if (argument.getOwner() != generic.getBody() ||
        argument.getArgNumber() >= generic.getNumDpsInputs())
      return std::nullopt;
    value = generic.getDpsInputOperand(argument.getArgNumber())->get();
  }
  if (auto fill = value.getDefiningOp<linalg::FillOp>())
    value = fill.getInputs().front();
  Attribute attr;
  if (!matchPattern(value, m_Constant(&attr)))
    return std::nullopt;
  if (auto splat = dyn_cast<SplatElementsAttr>(attr))
    attr = splat.getSplatValue<Attribute>();
  if (auto number = dyn_cast<FloatAttr>(attr))
    return number.getValueAsDouble();
  return std::nullopt;
}

/// Whether every element is 0 or so low that nothing is left of a weight.
static bool isPadding(Value bias) {
  Operation *source = bias.getDefiningOp();
  while (isa_and_nonnull<tensor::CollapseShapeOp, tensor::ExpandShapeOp,
                         tensor::CastOp, tensor::ExtractSliceOp>(source))
    source = source->getOperand(0).getDefiningOp();
  auto generic = dyn_cast_or_null<linalg::GenericOp>(source);
  if (!generic || generic.getNumDpsInits() != 1 ||
      generic.getNumLoops() != generic.getNumParallelLoops())
    return false;
  Value yielded = generic.getBody()->getTerminator()->getOperand(0);
  auto select = yielded.getDefiningOp<arith::SelectOp>();
  if (!select)
    return false;
  std::optional<double> kept = getNumber(generic, select.getTrueValue()),
                        hidden = getNumber(generic, select.getFalseValue());
  if (!kept || !hidden)
    return false;
  return (*kept == 0 && *hidden < kLowest) || (*hidden == 0 && *kept < kLowest);
}

/// Whether a bias is over keys, of one batch or of each.
static bool isOverKeys(AffineMap map) {
  using D = AttentionOp::Dim;
  bool hasKey = false;
  for (AffineExpr expr : map.getResults()) {
    auto dim = dyn_cast<AffineDimExpr>(expr);
    if (!dim ||
        (dim.getPosition() != D::kBatch && dim.getPosition() != D::kKey))
      return false;
    hasKey |= dim.getPosition() == D::kKey;
  }
  return hasKey;
}

/// i1 where the bias is 0.
static linalg::GenericOp buildValidity(OpBuilder &b, Location loc, Value bias) {
  auto type = cast<RankedTensorType>(bias.getType());
  Value init = tensor::EmptyOp::create(
      b, loc, tensor::getMixedSizes(b, loc, bias), b.getI1Type());
  AffineMap identity = b.getMultiDimIdentityMap(type.getRank());
  SmallVector<utils::IteratorType> iterators(type.getRank(),
                                             utils::IteratorType::parallel);
  return linalg::GenericOp::create(
      b, loc, init.getType(), bias, init, ArrayRef{identity, identity},
      iterators, [](OpBuilder &inner, Location l, ValueRange in) {
        Value zero = arith::ConstantOp::create(
            inner, l, inner.getZeroAttr(in[0].getType()));
        Value isKept = arith::CmpFOp::create(
            inner, l, arith::CmpFPredicate::OEQ, in[0], zero);
        linalg::YieldOp::create(inner, l, isKept);
      });
}

/// The same attention with `valid` in place of its bias.
static AttentionOp cloneWithValidity(OpBuilder &builder, AttentionOp op,
                                     Value valid) {
  auto twin = cast<AttentionOp>(builder.clone(*op));
  SmallVector<Attribute> maps(op.getIndexingMaps().getValue());
  // Bias comes fourth, key_valid in its place.
  twin.getBiasMutable().clear();
  twin.getKeyValidMutable().assign(valid);
  twin.setIndexingMapsAttr(builder.getArrayAttr(maps));
  return twin;
}

FormRewrite mlir::attn::rewriteWithoutPadding(
    OpBuilder &builder, AttentionOp op,
    llvm::function_ref<FormRewrite(AttentionOp)> rewrite) {
  if (!op.getBias() || op.getKeyValid() || !isOverKeys(op.getBiasMap()) ||
      !isPadding(op.getBias()))
    return rewrite(op);
  linalg::GenericOp valid = buildValidity(builder, op.getLoc(), op.getBias());
  AttentionOp twin = cloneWithValidity(builder, op, valid.getResult(0));
  FormRewrite made = rewrite(twin);
  twin->erase();
  if (made.op)
    op->emitRemark() << describeOp(op)
                     << " reads its padding bias as key validity: queries "
                        "without any valid key give 0";
  else
    valid->erase();
  return made;
}
