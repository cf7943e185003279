//===- LinearRewrite.cpp - from a softmax to feature maps -----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A sum over features weighs a key by nothing but its own and the query's
// vector. Whatever else has a part in scores is refused, and so are keys that
// low-rank attention would make: sums over positions, whose weights are not
// positive, and which cost nothing less once attention is linear.
//
//===----------------------------------------------------------------------===//

#include "LinearRewrite.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/IR/LinalgInterfaces.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::attn;

/// Whether a bias is known to add nothing.
static bool isAllZero(Value bias) {
  DenseElementsAttr known;
  if (!matchPattern(bias, m_Constant(&known)) ||
      !isa<FloatType>(known.getElementType()))
    return false;
  return llvm::all_of(known.getValues<APFloat>(),
                      [](const APFloat &x) { return x.isZero(); });
}

/// Whether the positions of keys come from a constant or drawn matrix, as where
/// a projection over positions was applied to them.
static bool isMixedAlongPositions(Value keys, unsigned position) {
  auto product = keys.getDefiningOp<linalg::LinalgOp>();
  if (!product || !linalg::isaContractionOpInterface(product))
    return false;
  auto result = cast<OpResult>(keys).getResultNumber();
  AffineMap map =
      product.getMatchingIndexingMap(product.getDpsInitOperand(result));
  unsigned dim = map.getDimPosition(position);
  for (OpOperand *operand : product.getDpsInputOperands()) {
    if (!product.getMatchingIndexingMap(operand).isFunctionOfDim(dim))
      continue;
    Operation *source = operand->get().getDefiningOp();
    if (!source || (!source->hasTrait<OpTrait::ConstantLike>() &&
                    !isa<GaussianProjectionOp>(source)))
      return false;
  }
  return true;
}

std::string mlir::attn::findLinearObstacle(AttentionOp op) {
  if (op.getMaskAttr() && !isa<CausalAttr>(op.getMaskAttr()))
    return "its mask is neither none nor causal, and a sum over features takes "
           "all keys";
  if (op.getBias() && !isAllZero(op.getBias()))
    return "its bias has no place between features";
  if (!op.getScoreMod().empty())
    return "its score mod needs scores";
  if (op.getSoftcap())
    return "its softcap needs scores";
  if (op.getRelative())
    return "its relative positions have no place between features";
  if (!op.getSegments().empty())
    return "its keys are in segments";
  if (op.getLse())
    return "its log-sum-exp is that of scores";
  AffineExpr key = getAffineDimExpr(AttentionOp::kKey, op.getContext());
  if (std::optional<unsigned> position = op.getKeyMap().getResultPosition(key))
    if (isMixedAlongPositions(op.getKey(), *position))
      return "its keys are sums over positions, as low-rank attention makes "
             "them: features of sums are not sums of features";
  return "";
}

LinearAttentionOp mlir::attn::makeLinear(OpBuilder &builder, AttentionOp op,
                                         FeatureMap map, Value projection,
                                         FloatAttr scale) {
  SmallVector<AffineMap> maps{op.getQueryMap(), op.getKeyMap(),
                              op.getValueMap()};
  if (op.getKeyValid())
    maps.push_back(op.getKeyValidMap());
  maps.push_back(op.getOutputMap());
  AlignmentAttr causal;
  if (auto mask = dyn_cast_or_null<CausalAttr>(op.getMaskAttr()))
    causal = AlignmentAttr::get(builder.getContext(), mask.getAlignment());
  return LinearAttentionOp::create(
      builder, op.getLoc(), TypeRange(op.getOutput().getType()),
      FeatureMapAttr::get(builder.getContext(), map), op.getQuery(),
      op.getKey(), op.getValue(), projection, op.getKeyValid(), ValueRange(),
      op.getOutput(), ValueRange(), builder.getAffineMapArrayAttr(maps), causal,
      scale, FloatAttr(), FloatAttr(), IntegerAttr());
}
