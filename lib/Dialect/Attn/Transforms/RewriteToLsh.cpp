//===- RewriteToLsh.cpp - exact attention to LSH attention ----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pass attn-rewrite-to-lsh: draws rotations where keys are the queries and
// directions where they are not, and says why not where neither makes sense.
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
constexpr uint32_t kRotationPurpose = 2, kDirectionPurpose = 3;

class LshRewriter {
public:
  LshRewriter(OpBuilder &builder, AttentionOp op, LshFormAttr form,
              int64_t layer)
      : b(builder), op(op), form(form), layer(layer),
        tokens(op.getStaticExtent(A::kQuery)),
        isShared(form.getSharedQk() || areKeysQueries()) {}
  FormRewrite rewrite();

private:
  std::string findObstacle();
  std::string findSharedObstacle();
  std::string findAsymmetricObstacle();
  std::string findMaskObstacle();
  bool areKeysQueries();
  Value drawRotations(ArrayRef<int64_t> factors);
  Value drawDirections();
  FormRewrite buildShared();
  FormRewrite buildAsymmetric();
  AffineMap narrow(AffineMap map);

  OpBuilder &b;
  AttentionOp op;
  LshFormAttr form;
  int64_t layer;
  int64_t tokens; ///< ShapedType::kDynamic if unknown
  bool isShared;  ///< whether keys are the queries
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

/// Why hashing would not mean what the attention says, or nothing.
std::string LshRewriter::findObstacle() {
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
  if (op.getDocuments())
    return "its sequence is one of documents";
  if (op.getGroupSize() != 1)
    return "its heads share keys";
  if (ShapedType::isDynamic(op.getStaticExtent(A::kHead)))
    return "its number of heads is not known";
  if (!op.getOutputMap().isFunctionOfDim(A::kHead) &&
      op.getStaticExtent(A::kHead) != 1)
    return "its output has no heads";
  if (!ShapedType::isDynamic(tokens) && form.getChunk() > tokens)
    return ("a chunk of " + Twine(form.getChunk()) + " is longer than its " +
            Twine(tokens) + " tokens")
        .str();
  return isShared ? findSharedObstacle() : findAsymmetricObstacle();
}

std::string LshRewriter::findSharedObstacle() {
  if (op.getStaticExtent(A::kKey) != tokens)
    return "it has other keys than queries";
  if (ShapedType::isDynamic(tokens) && form.getBuckets() == 0)
    return "its length is not known, and the form has no number of buckets";
  return "";
}

std::string LshRewriter::findAsymmetricObstacle() {
  int64_t keys = op.getStaticExtent(A::kKey);
  if (ShapedType::isDynamic(keys) != ShapedType::isDynamic(tokens))
    return "only one of its lengths is known";
  if (op.getMaskAttr() && keys != tokens)
    return "it is causal and has other keys than queries";
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

/// [heads, rounds, size + 2]: normal numbers from counters.
Value LshRewriter::drawDirections() {
  int64_t heads = op.getStaticExtent(A::kHead),
          lifted = op.getStaticExtent(A::kHeadSize) + 2,
          rounds = form.getRounds();
  RandomKey key{static_cast<uint64_t>(form.getSeed()),
                static_cast<uint32_t>(layer), 0, kDirectionPurpose};
  std::vector<float> numbers;
  numbers.reserve(heads * rounds * lifted);
  for (int64_t head = 0; head < heads; ++head) {
    key.head = head;
    for (int64_t round = 0; round < rounds; ++round)
      for (int64_t d = 0; d < lifted; ++d)
        numbers.push_back(static_cast<float>(gaussianAt(key, round, d)));
  }
  auto type = RankedTensorType::get({heads, rounds, lifted}, b.getF32Type());
  return arith::ConstantOp::create(
      b, op.getLoc(), DenseElementsAttr::get(type, ArrayRef<float>(numbers)));
}

/// Keys that are not valid are padding; where there are as many queries, these
/// are the same tokens.
FormRewrite LshRewriter::buildAsymmetric() {
  SmallVector<AffineMap> maps{op.getQueryMap(), op.getKeyMap(),
                              op.getValueMap()};
  Value queryValid;
  if (op.getKeyValid()) {
    if (op.getStaticExtent(A::kKey) == tokens) {
      queryValid = op.getKeyValid();
      maps.push_back(op.getKeyValidMap().replace(b.getAffineDimExpr(A::kKey),
                                                 b.getAffineDimExpr(A::kQuery),
                                                 A::kNumDims, 0));
    }
    maps.push_back(op.getKeyValidMap());
  }
  maps.push_back(op.getOutputMap());
  if (op.getLse())
    maps.push_back(op.getLseMap());
  auto made = AsymmetricLshAttentionOp::create(
      b, op.getLoc(), op->getResultTypes(), op.getQuery(), op.getKey(),
      op.getValue(), queryValid, op.getKeyValid(), drawDirections(),
      /*hashes=*/ValueRange(), op.getOutput(), op.getLse(),
      b.getAffineMapArrayAttr(maps), static_cast<uint64_t>(form.getRounds()),
      static_cast<uint64_t>(form.getChunk()),
      static_cast<uint64_t>(form.getLookBack()),
      static_cast<uint64_t>(form.getLookAhead()),
      /*causal=*/op.getMaskAttr() != nullptr, op.getScaleAttr());
  made.getScoreMod().takeBody(op.getScoreMod());
  return FormRewrite::replace(made);
}

FormRewrite LshRewriter::buildShared() {
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

FormRewrite LshRewriter::rewrite() {
  if (std::string obstacle = findObstacle(); !obstacle.empty())
    return FormRewrite::refuse(obstacle);
  return isShared ? buildShared() : buildAsymmetric();
}

namespace {
struct RewriteToLshPass
    : attn::impl::AttnRewriteToLshPassBase<RewriteToLshPass> {
  void runOnOperation() override {
    int64_t layer = 0;
    FormCounts counts = rewriteForms<LshFormAttr>(
        getOperation(),
        [&](OpBuilder &builder, AttentionOp op, LshFormAttr form) {
          return rewriteWithoutPadding(builder, op, [&](AttentionOp padded) {
            return LshRewriter(builder, padded, form, layer++).rewrite();
          });
        });
    numRewritten += counts.rewritten;
    numRefused += counts.refused;
  }
};
} // namespace
