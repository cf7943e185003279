//===- RewriteToFavor.cpp - the pass attn-rewrite-to-favor ----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weights of a pretrained model run unchanged: features estimate the softmax's
// own kernel. Directions are drawn here and become a constant, so that a
// library gives the same however it is run.
//
//===----------------------------------------------------------------------===//

#include "LinearRewrite.h"

#include "attn/Dialect/Attn/IR/RandomFeatures.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/Support/FormatVariadic.h"

#define DEBUG_TYPE "attn-rewrite-to-favor"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNREWRITETOFAVORPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
class FavorRewriter {
public:
  FavorRewriter(OpBuilder &builder, AttentionOp op, FavorFormAttr form,
                int64_t layer)
      : b(builder), op(op), form(form), layer(layer),
        heads(op.getStaticExtent(AttentionOp::kHead)),
        size(op.getStaticExtent(AttentionOp::kHeadSize)) {}

  FormRewrite rewrite();

private:
  Value draw();
  FailureOr<Value> takeWeights();
  RankedTensorType typeOf(bool isPerHead, Type element);

  OpBuilder &b;
  AttentionOp op;
  FavorFormAttr form;
  int64_t layer;
  int64_t heads; ///< ShapedType::kDynamic if unknown
  int64_t size;
  std::string reason;
};
} // namespace

/// [H, r, D], or [r, D].
RankedTensorType FavorRewriter::typeOf(bool isPerHead, Type element) {
  SmallVector<int64_t> shape{form.getFeatures(), size};
  if (isPerHead)
    shape.insert(shape.begin(), heads);
  return RankedTensorType::get(shape, element);
}

/// Directions of every head, or for all of them where heads are not counted;
/// in f32's precision for all types, so that every target and the reference
/// work with the same numbers.
Value FavorRewriter::draw() {
  bool isPerHead = !ShapedType::isDynamic(heads) && heads > 1;
  FloatType element = op.getAccumulatorType();
  std::vector<float> narrow;
  RandomKey key;
  key.seed = static_cast<uint64_t>(form.getSeed());
  key.layer = static_cast<uint32_t>(layer);
  for (int64_t head = 0; head < (isPerHead ? heads : 1); ++head) {
    key.head = static_cast<uint32_t>(head);
    for (double x :
         orthogonalFeatures(key, static_cast<uint32_t>(form.getDraw()),
                            form.getFeatures(), size, form.getRegularized()))
      narrow.push_back(static_cast<float>(x));
  }
  RankedTensorType type = typeOf(isPerHead, element);
  DenseElementsAttr numbers;
  if (element.isF64())
    numbers = DenseElementsAttr::get(type, ArrayRef<double>(std::vector<double>(
                                               narrow.begin(), narrow.end())));
  else
    numbers = DenseElementsAttr::get(type, ArrayRef<float>(narrow));
  return arith::ConstantOp::create(b, op.getLoc(), numbers);
}

/// The dense resource that the form names: [features, D] of f32, or that for
/// every head.
FailureOr<Value> FavorRewriter::takeWeights() {
  StringRef name = form.getWeights().getValue();
  auto &interface =
      DenseResourceElementsHandle::getManagerInterface(b.getContext());
  auto *entry = interface.getBlobManager().lookup(name);
  if (!entry || !entry->getBlob()) {
    reason = llvm::formatv("there is no dense resource '{0}'", name);
    return failure();
  }
  int64_t bytes = entry->getBlob()->getData().size();
  int64_t shared = form.getFeatures() * size * int64_t(sizeof(float));
  bool isPerHead = !ShapedType::isDynamic(heads) && bytes == shared * heads &&
                   bytes != shared;
  if (bytes != shared && !isPerHead) {
    reason =
        llvm::formatv("the dense resource '{0}' has {1} bytes, where {2} x "
                      "{3} f32 have {4}",
                      name, bytes, form.getFeatures(), size, shared);
    return failure();
  }
  if (op.getAccumulatorType().isF64()) {
    reason = "weights are f32, and its operands f64";
    return failure();
  }
  DenseResourceElementsHandle handle(
      entry, cast<BuiltinDialect>(interface.getDialect()));
  return Value(arith::ConstantOp::create(
      b, op.getLoc(),
      DenseResourceElementsAttr::get(typeOf(isPerHead, b.getF32Type()),
                                     handle)));
}

FormRewrite FavorRewriter::rewrite() {
  if (std::string obstacle = findLinearObstacle(op); !obstacle.empty())
    return FormRewrite::refuse(obstacle);
  double scale = op.getEffectiveScale();
  if (!(scale > 0))
    return FormRewrite::refuse(
        llvm::formatv("its scale of {0} is not positive", scale).str());
  FailureOr<Value> projection =
      form.getWeights() ? takeWeights() : FailureOr<Value>(draw());
  if (failed(projection))
    return FormRewrite::refuse(reason);
  FeatureMap map = form.getHyperbolic() ? FeatureMap::SoftmaxHyperbolic
                                        : FeatureMap::SoftmaxPositive;
  return FormRewrite::replace(
      makeLinear(b, op, map, *projection, b.getF64FloatAttr(scale)));
}

namespace {
struct RewriteToFavorPass
    : attn::impl::AttnRewriteToFavorPassBase<RewriteToFavorPass> {
  void runOnOperation() override {
    int64_t layer = 0;
    FormCounts counts = rewriteForms<FavorFormAttr>(
        getOperation(),
        [&](OpBuilder &builder, AttentionOp op, FavorFormAttr form) {
          return rewriteWithoutPadding(builder, op, [&](AttentionOp padded) {
            return FavorRewriter(builder, padded, form, layer++).rewrite();
          });
        });
    numRewritten += counts.rewritten;
    numRefused += counts.refused;
  }
};
} // namespace
