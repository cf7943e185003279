//===- RewriteToLowRank.cpp - exact attention to attention over slots -----===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pass attn-rewrite-to-low-rank: finds or draws the projections and says why
// not where slots would mean something else.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/Transforms/Forms.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

#define DEBUG_TYPE "attn-rewrite-to-low-rank"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNREWRITETOLOWRANKPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
using A = AttentionOp;
using L = LowRankAttentionOp;

class LowRankRewriter {
public:
  LowRankRewriter(OpBuilder &builder, AttentionOp op, LowRankFormAttr form,
                  int64_t layer)
      : b(builder), op(op), form(form), loc(op.getLoc()), layer(layer),
        element(op.getAccumulatorType()), keys(op.getStaticExtent(A::kKey)) {}

  FormRewrite rewrite();

private:
  std::string findObstacle();
  std::string findCausalObstacle();
  Value constantOf(ArrayRef<int64_t> shape,
                   function_ref<double(int64_t, int64_t)> at);
  FailureOr<Value> resource(StringAttr name);
  bool chooseProjections();
  FormRewrite buildLowRank();
  FormRewrite buildMaxPool();
  Value maxPool(OpOperand &source);

  OpBuilder &b;
  AttentionOp op;
  LowRankFormAttr form;
  Location loc;
  int64_t layer;
  FloatType element;
  int64_t keys;        ///< ShapedType::kDynamic if unknown
  int64_t columns = 0; ///< of the projections
  int64_t block = 0;
  Value keyProjection, valueProjection;
  std::string reason;
};
} // namespace

std::string LowRankRewriter::findCausalObstacle() {
  bool isCausal = isa_and_nonnull<CausalAttr>(op.getMaskAttr());
  if (!isCausal)
    return form.getCausalBlocks() ? "causal_blocks is for causal masks" : "";
  if (!form.getCausalBlocks())
    return "a causal mask needs causal_blocks, as every slot mixes all "
           "positions";
  if (form.getProjection() == ProjectionKind::MaxPool)
    return "maximum pooling has no causal form";
  int64_t queries = op.getStaticExtent(A::kQuery);
  if (queries != keys)
    return "causal blocks need as many queries as keys";
  if (ShapedType::isDynamic(keys) &&
      cast<CausalAttr>(op.getMaskAttr()).getAlignment() ==
          Alignment::BottomRight)
    return "causal blocks need as many queries as keys, which dynamic lengths "
           "do not promise";
  return "";
}

/// Why slots would not mean what the attention says, or nothing.
std::string LowRankRewriter::findObstacle() {
  if (op.getMaskAttr() && !isa<CausalAttr>(op.getMaskAttr()))
    return "its mask refers to keys, which slots mix";
  if (op.getBias())
    return "its bias refers to keys, which slots mix";
  if (!op.getScoreMod().empty())
    return "its score mod refers to keys, which slots mix";
  if (op.getRelative())
    return "its relative positions refer to keys, which slots mix";
  if (!op.getSegments().empty())
    return "its keys are in segments";
  if (op.getDocuments())
    return "its sequence is one of documents";
  if (op.getSoftcap())
    return "it has a softcap";
  if (std::string causal = findCausalObstacle(); !causal.empty())
    return causal;
  if (form.getCausalBlocks()) {
    columns = form.getCausalBlocks();
    return "";
  }
  bool isUnknown = ShapedType::isDynamic(keys);
  columns = form.getLength() ? form.getLength() : isUnknown ? 0 : keys;
  if (columns == 0)
    return "its length is dynamic, and the form has no length";
  if (!isUnknown && keys > columns)
    return llvm::formatv("its {0} keys are more than the form's length, {1}",
                         keys, columns);
  if (form.getK() > (isUnknown ? columns : keys))
    return llvm::formatv("{0} slots are more than its {1} keys", form.getK(),
                         isUnknown ? columns : keys);
  return "";
}

Value LowRankRewriter::constantOf(ArrayRef<int64_t> shape,
                                  function_ref<double(int64_t, int64_t)> at) {
  SmallVector<Attribute> values;
  for (int64_t row = 0; row < shape[0]; ++row)
    for (int64_t column = 0; column < shape[1]; ++column)
      values.push_back(b.getFloatAttr(element, at(row, column)));
  auto type = RankedTensorType::get(shape, element);
  return arith::ConstantOp::create(b, loc,
                                   DenseElementsAttr::get(type, values));
}

/// The blob of that name as k rows of f32.
FailureOr<Value> LowRankRewriter::resource(StringAttr name) {
  auto &interface =
      DenseResourceElementsHandle::getManagerInterface(b.getContext());
  auto *entry = interface.getBlobManager().lookup(name.getValue());
  if (!entry || !entry->getBlob()) {
    reason = llvm::formatv("there is no dense resource '{0}'", name.getValue());
    return failure();
  }
  int64_t bytes = entry->getBlob()->getData().size();
  int64_t wanted = form.getK() * columns * int64_t(sizeof(float));
  if (bytes != wanted) {
    reason = llvm::formatv(
        "the dense resource '{0}' has {1} bytes, where {2} x {3} f32 have {4}",
        name.getValue(), bytes, form.getK(), columns, wanted);
    return failure();
  }
  auto type = RankedTensorType::get({form.getK(), columns}, b.getF32Type());
  DenseResourceElementsHandle handle(
      entry, cast<BuiltinDialect>(interface.getDialect()));
  return Value(arith::ConstantOp::create(
      b, loc, DenseResourceElementsAttr::get(type, handle)));
}

/// Makes the two projections; false with a reason if there are none.
bool LowRankRewriter::chooseProjections() {
  ProjectionSharing sharing = form.getSharing();
  bool isOne = sharing == ProjectionSharing::KeyValue ||
               sharing == ProjectionSharing::Layerwise;
  block = form.getCausalBlocks();
  int64_t slots = form.getK();
  switch (form.getProjection()) {
  case ProjectionKind::Gaussian: {
    SmallVector<int64_t> shape{slots, columns};
    if (sharing == ProjectionSharing::Unshared &&
        op.getOutputMap().isFunctionOfDim(A::kHead))
      shape.insert(shape.begin(), op.getStaticExtent(A::kHead));
    if (ShapedType::isDynamic(shape.front())) {
      reason = "projections of every head need a static number of heads";
      return false;
    }
    auto type = RankedTensorType::get(shape, element);
    int64_t own = sharing == ProjectionSharing::Layerwise ? 0 : layer;
    keyProjection = GaussianProjectionOp::create(b, loc, type, form.getSeed(),
                                                 own, /*purpose=*/0);
    valueProjection =
        isOne ? keyProjection
              : GaussianProjectionOp::create(b, loc, type, form.getSeed(), own,
                                             /*purpose=*/1)
                    .getResult();
    return true;
  }
  case ProjectionKind::MeanPool: {
    int64_t width = llvm::divideCeil(columns, slots);
    if (!block) {
      block = width;
      slots = 1;
    }
    keyProjection = valueProjection =
        constantOf({slots, block}, [&](int64_t slot, int64_t column) {
          return column / width == slot ? 1.0 / static_cast<double>(width) : 0;
        });
    return true;
  }
  case ProjectionKind::Weights: {
    FailureOr<Value> key = resource(form.getKeyWeights()),
                     value =
                         failed(key) ? key : resource(form.getValueWeights());
    if (failed(value))
      return false;
    keyProjection = *key;
    valueProjection = *value;
    return true;
  }
  case ProjectionKind::MaxPool:
    break;
  }
  reason = "maximum pooling has no projection";
  return false;
}

FormRewrite LowRankRewriter::buildLowRank() {
  SmallVector<AffineExpr> dims;
  for (unsigned dim :
       {L::kBatch, L::kHead, L::kQuery, L::kKey, L::kHeadSize, L::kValueSize})
    dims.push_back(b.getAffineDimExpr(dim));
  auto widen = [&](AffineMap map) {
    return map.replaceDimsAndSymbols(dims, {}, L::kNumDims, 0);
  };
  SmallVector<AffineMap> maps{widen(op.getQueryMap()), widen(op.getKeyMap()),
                              widen(op.getValueMap())};
  for (Value projection : {keyProjection, valueProjection}) {
    SmallVector<AffineExpr> results{b.getAffineDimExpr(L::kSlot),
                                    b.getAffineDimExpr(L::kKey)};
    if (cast<RankedTensorType>(projection.getType()).getRank() == 3)
      results.insert(results.begin(), b.getAffineDimExpr(L::kHead));
    maps.push_back(AffineMap::get(L::kNumDims, 0, results, b.getContext()));
  }
  if (op.getKeyValid())
    maps.push_back(widen(op.getKeyValidMap()));
  maps.push_back(widen(op.getOutputMap()));
  if (op.getLse())
    maps.push_back(widen(op.getLseMap()));
  auto made = LowRankAttentionOp::create(
      b, loc, op->getResultTypes(), op.getQuery(), op.getKey(), op.getValue(),
      keyProjection, valueProjection, op.getKeyValid(), op.getOutput(),
      op.getLse(), b.getAffineMapArrayAttr(maps),
      block ? b.getI64IntegerAttr(block) : IntegerAttr(),
      form.getCausalBlocks() ? b.getUnitAttr() : UnitAttr(), op.getScaleAttr());
  return FormRewrite::replace(made);
}

/// Maxima over stretches of positions; rows that are not valid count as zero.
Value LowRankRewriter::maxPool(OpOperand &source) {
  AffineMap map = op.getMapOf(source);
  unsigned at = *map.getResultPosition(b.getAffineDimExpr(A::kKey));
  auto type = cast<RankedTensorType>(source.get().getType());
  int64_t width = keys / form.getK(), rank = type.getRank();
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, source.get());
  sizes[at] = b.getIndexAttr(form.getK());
  Value empty = tensor::EmptyOp::create(b, loc, sizes, type.getElementType());
  Value lowest = arith::ConstantOp::create(
      b, loc,
      b.getFloatAttr(type.getElementType(),
                     -std::numeric_limits<double>::infinity()));
  Value init = linalg::FillOp::create(b, loc, lowest, empty).getResult(0);
  Value stretch = tensor::EmptyOp::create(b, loc, ArrayRef<int64_t>{width},
                                          type.getElementType());
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  iterators.push_back(utils::IteratorType::reduction);
  AffineMap to = b.getMultiDimIdentityMap(rank + 1).getMajorSubMap(rank);
  AffineMap extent =
      AffineMap::get(rank + 1, 0, b.getAffineDimExpr(rank), b.getContext());
  auto body = [&](OpBuilder &nested, Location l, ValueRange in) {
    SmallVector<Value> indices;
    for (int64_t dim = 0; dim < rank; ++dim)
      indices.push_back(linalg::IndexOp::create(nested, l, dim));
    Value first =
        arith::MulIOp::create(nested, l, indices[at],
                              arith::ConstantIndexOp::create(nested, l, width));
    indices[at] = arith::AddIOp::create(
        nested, l, first, linalg::IndexOp::create(nested, l, rank));
    Value element = tensor::ExtractOp::create(nested, l, source.get(), indices);
    if (op.getKeyValid()) {
      SmallVector<Value> where;
      for (AffineExpr expr : op.getKeyValidMap().getResults())
        where.push_back(indices[*map.getResultPosition(expr)]);
      Value flag =
          tensor::ExtractOp::create(nested, l, op.getKeyValid(), where);
      Value zero = arith::ConstantOp::create(
          nested, l, nested.getFloatAttr(type.getElementType(), 0));
      element = arith::SelectOp::create(nested, l, flag, element, zero);
    }
    linalg::YieldOp::create(
        nested, l,
        ValueRange{arith::MaximumFOp::create(nested, l, in[1], element)});
  };
  return linalg::GenericOp::create(b, loc, init.getType(), stretch, init,
                                   ArrayRef<AffineMap>{extent, to}, iterators,
                                   body)
      .getResult(0);
}

FormRewrite LowRankRewriter::buildMaxPool() {
  if (ShapedType::isDynamic(keys) || keys % form.getK() != 0)
    return FormRewrite::refuse(
        "maximum pooling needs a known number of keys that k divides");
  if (op.getKeyValid())
    for (AffineExpr expr : op.getKeyValidMap().getResults())
      if (!op.getKeyMap().getResultPosition(expr) ||
          !op.getValueMap().getResultPosition(expr))
        return FormRewrite::refuse(
            "its validity differs between batches that share keys");
  SmallVector<AffineMap> maps{op.getQueryMap(), op.getKeyMap(),
                              op.getValueMap(), op.getOutputMap()};
  if (op.getLse())
    maps.push_back(op.getLseMap());
  Value key = maxPool(op.getKeyMutable()),
        value = maxPool(op.getValueMutable());
  return FormRewrite::replace(AttentionOp::create(
      b, loc, op->getResultTypes(), op.getQuery(), key, value,
      /*bias=*/Value(), /*keyValid=*/Value(), op.getOutput(), op.getLse(),
      b.getAffineMapArrayAttr(maps), /*mask=*/MaskAttrInterface(),
      op.getScaleAttr(), /*softcap=*/FloatAttr()));
}

FormRewrite LowRankRewriter::rewrite() {
  if (std::string obstacle = findObstacle(); !obstacle.empty())
    return FormRewrite::refuse(obstacle);
  if (form.getProjection() == ProjectionKind::MaxPool)
    return buildMaxPool();
  if (!chooseProjections())
    return FormRewrite::refuse(reason);
  return buildLowRank();
}

namespace {
struct RewriteToLowRankPass
    : attn::impl::AttnRewriteToLowRankPassBase<RewriteToLowRankPass> {
  void runOnOperation() override {
    int64_t layer = 0;
    FormCounts counts = rewriteForms<LowRankFormAttr>(
        getOperation(),
        [&](OpBuilder &builder, AttentionOp op, LowRankFormAttr form) {
          return rewriteWithoutPadding(builder, op, [&](AttentionOp padded) {
            return LowRankRewriter(builder, padded, form, layer++).rewrite();
          });
        });
    numRewritten += counts.rewritten;
    numRefused += counts.refused;
  }
};
} // namespace
