//===- RewriteToLsh.cpp - exact attention to LSH attention ----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pass attn-rewrite-to-lsh: draws the rotations, and says why not where keys
// are no hashed queries.
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/CounterRandom.h"
#include "attn/Dialect/Attn/Transforms/Forms.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#define DEBUG_TYPE "attn-rewrite-to-lsh"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNREWRITETOLSHPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
using A = AttentionOp;
using L = LshAttentionOp;
/// What the draws are for; other forms have other numbers.
constexpr uint32_t kRotationPurpose = 2;

class LshRewriter {
public:
  LshRewriter(OpBuilder &builder, AttentionOp op, LshFormAttr form,
              int64_t layer)
      : b(builder), op(op), form(form), layer(layer),
        tokens(op.getStaticExtent(A::kQuery)) {}
  FormRewrite rewrite();

private:
  std::string findObstacle();
  std::string findMaskObstacle();
  bool areKeysQueries();
  Value drawRotations(ArrayRef<int64_t> factors);
  AffineMap narrow(AffineMap map);

  OpBuilder &b;
  AttentionOp op;
  LshFormAttr form;
  int64_t layer;
  int64_t tokens; ///< ShapedType::kDynamic if unknown
};
} // namespace

/// From (b, h, i, j, d, e) to (b, h, i, d, e): a key is a token like others.
AffineMap LshRewriter::narrow(AffineMap map) {
  auto dim = [&](unsigned number) { return b.getAffineDimExpr(number); };
  AffineExpr exprs[] = {dim(L::kBatch),    dim(L::kHead),
                        dim(L::kPosition), dim(L::kPosition),
                        dim(L::kHeadSize), dim(L::kValueSize)};
  return map.replaceDimsAndSymbols(exprs, {}, L::kNumDims, 0);
}

bool LshRewriter::areKeysQueries() {
  return op.getQuery() == op.getKey() &&
         narrow(op.getQueryMap()) == narrow(op.getKeyMap());
}

std::string LshRewriter::findMaskObstacle() {
  if (!op.getMaskAttr())
    return "";
  auto causal = dyn_cast<CausalAttr>(op.getMaskAttr());
  if (!causal)
    return "its mask is neither none nor causal";
  if (form.getLookAhead() != 0)
    return "a causal mask has no look_ahead";
  return "";
}

/// Why buckets would not mean what the attention says, or nothing.
std::string LshRewriter::findObstacle() {
  if (!areKeysQueries() && !form.getSharedQk())
    return "its keys are not its queries, and the form does not say shared_qk";
  if (std::string mask = findMaskObstacle(); !mask.empty())
    return mask;
  if (op.getBias())
    return "its bias refers to keys";
  if (op.getSoftcap())
    return "it has a softcap";
  if (op.getRelative())
    return "its relative positions refer to keys";
  if (!op.getSegments().empty())
    return "its keys are in segments";
  if (op.getGroupSize() != 1)
    return "its heads share keys";
  if (ShapedType::isDynamic(op.getStaticExtent(A::kHead)))
    return "its number of heads is not known";
  if (op.getStaticExtent(A::kKey) != tokens)
    return "it has other keys than queries";
  if (!op.getOutputMap().isFunctionOfDim(A::kHead) &&
      op.getStaticExtent(A::kHead) != 1)
    return "its output has no heads";
  if (ShapedType::isDynamic(tokens) && form.getBuckets() == 0)
    return "its length is not known, and the form has no number of buckets";
  if (!ShapedType::isDynamic(tokens) && form.getChunk() > tokens)
    return ("a chunk of " + Twine(form.getChunk()) + " is longer than its " +
            Twine(tokens) + " tokens")
        .str();
  return "";
}

/// [heads, size, rounds, columns]: normal numbers from counters.
Value LshRewriter::drawRotations(ArrayRef<int64_t> factors) {
  int64_t columns = 0;
  for (int64_t factor : factors)
    columns += factor / 2;
  int64_t heads = op.getStaticExtent(A::kHead),
          size = op.getStaticExtent(A::kHeadSize), rounds = form.getRounds();
  RandomKey key{static_cast<uint64_t>(form.getSeed()),
                static_cast<uint32_t>(layer), 0, kRotationPurpose};
  std::vector<float> numbers;
  numbers.reserve(heads * size * rounds * columns);
  for (int64_t head = 0; head < heads; ++head) {
    key.head = head;
    for (int64_t d = 0; d < size; ++d)
      for (int64_t column = 0; column < rounds * columns; ++column)
        numbers.push_back(static_cast<float>(gaussianAt(key, column, d)));
  }
  auto type =
      RankedTensorType::get({heads, size, rounds, columns}, b.getF32Type());
  return arith::ConstantOp::create(
      b, op.getLoc(), DenseElementsAttr::get(type, ArrayRef<float>(numbers)));
}

FormRewrite LshRewriter::rewrite() {
  if (std::string obstacle = findObstacle(); !obstacle.empty())
    return FormRewrite::refuse(obstacle);
  SmallVector<int64_t> factors =
      form.getFactors(ShapedType::isDynamic(tokens) ? 0 : tokens);
  SmallVector<AffineMap> maps{narrow(op.getQueryMap()),
                              narrow(op.getValueMap())};
  if (op.getKeyValid())
    maps.push_back(narrow(op.getKeyValidMap()));
  maps.push_back(narrow(op.getOutputMap()));
  if (op.getLse())
    maps.push_back(narrow(op.getLseMap()));
  // The scale belongs to keys of length 1, not to those of the attention.
  auto made = LshAttentionOp::create(
      b, op.getLoc(), op->getResultTypes(), op.getQuery(), op.getValue(),
      op.getKeyValid(), drawRotations(factors), /*injected=*/Value(),
      op.getOutput(), op.getLse(), b.getAffineMapArrayAttr(maps),
      static_cast<uint64_t>(form.getRounds()),
      static_cast<uint64_t>(form.getChunk()),
      static_cast<uint64_t>(form.getLookBack()),
      static_cast<uint64_t>(form.getLookAhead()), factors,
      /*causal=*/op.getMaskAttr() != nullptr, /*scale=*/APFloat(1.0),
      form.getSameBucket(), /*wrap=*/false, /*key_eps=*/APFloat(1e-6),
      LshDuplicates::Exact, LshSelf::Exclude, /*self_value=*/APFloat(-1e5));
  made.getScoreMod().takeBody(op.getScoreMod());
  return FormRewrite::replace(made);
}

namespace {
struct RewriteToLshPass
    : attn::impl::AttnRewriteToLshPassBase<RewriteToLshPass> {
  void runOnOperation() override {
    int64_t layer = 0;
    FormCounts counts = rewriteForms<LshFormAttr>(
        getOperation(),
        [&](OpBuilder &builder, AttentionOp op, LshFormAttr form) {
          return LshRewriter(builder, op, form, layer++).rewrite();
        });
    numRewritten += counts.rewritten;
    numRefused += counts.refused;
  }
};
} // namespace
