//===- AttentionBuilder.cpp - attn.attention for a match ------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Maps loop variables to the dimensions of attn.attention, chooses tensors and
// maps for the operands, and replaces the last value of the program that the
// result is merely rearranged into.
//
//===----------------------------------------------------------------------===//

#include "AttentionMatch.h"
#include "Materialize.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::raise;

using Dim = AttentionOp::Dim;
using Choice = std::optional<std::pair<Operand, LayoutPlan>>;

namespace {
class AttentionBuilder {
public:
  AttentionBuilder(ExprContext &context, const AttentionMatch &match,
                   Mismatch &mismatch)
      : context(context), match(match), mismatch(mismatch),
        builder(match.result.getDefiningOp()), loc(match.result.getLoc()),
        masks(analyzeMasks(context, match.score, match.roles)) {}

  AttentionOp build() {
    if (!mapVariables() || !chooseTensors())
      return {};
    query =
        applyPlan(builder, loc, queryChoice->second, queryChoice->first.tensor);
    key = applyPlan(builder, loc, keyChoice->second, keyChoice->first.tensor);
    value =
        applyPlan(builder, loc, valueChoice->second, valueChoice->first.tensor);
    findSizes();
    MappedTensor bias, keyValid;
    if (!buildKeyValid(keyValid) || !buildBias(bias))
      return {};
    return buildOp(bias, keyValid);
  }

private:
  bool fail(StringRef reason) {
    mismatch.reason = reason.str();
    return false;
  }

  AffineExpr dim(Dim position) {
    return getAffineDimExpr(position, builder.getContext());
  }

  /// Joins variables, outermost first, into one dimension of the attention.
  int64_t join(ArrayRef<unsigned> vars, Dim target) {
    int64_t inner = 1;
    AffineExpr rest = dim(target);
    for (size_t position = vars.size(); position-- > 0;) {
      unsigned var = vars[position];
      int64_t extent = context.getExtent(var);
      dims[var] = position == 0 ? rest : rest % extent;
      if (position == 0)
        return ShapedType::isDynamic(extent) ? extent : inner * extent;
      if (ShapedType::isDynamic(extent))
        return 0;
      rest = rest.floorDiv(extent);
      inner *= extent;
    }
    return inner;
  }

  bool mapVariables() {
    const Roles &roles = match.roles;
    dims.assign(context.getExtents().size(), AffineExpr());
    domain.shape.assign(Dim::kNumDims, 1);
    auto assign = [&](unsigned var, Dim target) {
      dims[var] = dim(target);
      domain.shape[target] = context.getExtent(var);
    };
    if (roles.query)
      assign(*roles.query, Dim::kQuery);
    assign(roles.key, Dim::kKey);
    assign(*roles.headSize, Dim::kHeadSize);
    if (roles.valueSize)
      assign(*roles.valueSize, Dim::kValueSize);
    SmallVector<unsigned> batch = roles.batch;
    size_t heads = std::min<size_t>(batch.size(), 1);
    auto shared = [&](unsigned var) {
      return !context.dependsOn(match.score.key, var) &&
             !context.dependsOn(match.value, var);
    };
    if (batch.size() > 1 && isGrouped(batch.front()))
      std::swap(batch.front(), batch.back());
    else if (batch.size() > 1 && shared(batch.back()))
      heads = 2;
    if (batch.size() == 1 && validityDependsOn(batch.front()))
      heads = 0;
    if (heads == 2 && batch.size() == 2 && !validityDependsOn(batch.front()))
      heads = context.dependsOn(match.score.key, batch.front()) ? 2 : 1;
    else if (heads == 2 && batch.size() == 2)
      heads = 1;
    domain.shape[Dim::kHead] =
        join(ArrayRef(batch).take_back(heads), Dim::kHead);
    domain.shape[Dim::kBatch] =
        join(ArrayRef(batch).drop_back(heads), Dim::kBatch);
    if (domain.shape[Dim::kHead] == 0 || domain.shape[Dim::kBatch] == 0)
      return fail("expected static inner batch dimensions");
    domain.sizes.assign(Dim::kNumDims, OpFoldResult());
    for (unsigned position = 0; position < Dim::kNumDims; ++position)
      if (!ShapedType::isDynamic(domain.shape[position]))
        domain.sizes[position] = builder.getIndexAttr(domain.shape[position]);
    return true;
  }

  /// Whether key heads are a quotient of a variable.
  bool isGrouped(unsigned var) {
    for (const Operand &operand : collectOperands(context, match.score.key))
      for (AffineExpr index : operand.indices)
        if (auto quotient = dyn_cast<AffineBinaryOpExpr>(index);
            quotient && quotient.getKind() == AffineExprKind::FloorDiv &&
            quotient.getLHS() == context.dim(var))
          return true;
    return false;
  }

  bool validityDependsOn(unsigned var) {
    return llvm::any_of(masks.keyValid, [&](NodeRef node) {
      return context.dependsOn(node, var);
    });
  }

  /// Candidates with their indices in dimensions of the attention; without
  /// those that still need a factor if asked.
  SmallVector<Operand> toDomain(SmallVector<Operand> operands, bool exact) {
    if (exact)
      llvm::erase_if(
          operands, [](const Operand &operand) { return operand.factor != 1; });
    for (Operand &operand : operands)
      for (AffineExpr &index : operand.indices)
        index = translate(index);
    llvm::erase_if(operands, [](const Operand &operand) {
      return llvm::is_contained(operand.indices, AffineExpr());
    });
    return operands;
  }

  AffineExpr translate(AffineExpr index) {
    bool known = true;
    index.walk([&](AffineExpr expr) {
      if (auto var = dyn_cast<AffineDimExpr>(expr))
        known &= var.getPosition() < dims.size() && dims[var.getPosition()];
    });
    return known ? simplifyIndex(index.replaceDims(dims), domain.shape)
                 : AffineExpr();
  }

  bool chooseTensors() {
    auto results =
        collectResults(match.result, match.resultIndices, context.getExtents());
    SmallVector<Operand> outputs = toDomain(results, false);
    SmallVector<Operand> queries =
        toDomain(collectOperands(context, match.score.query), false);
    SmallVector<Operand> keys =
        toDomain(collectOperands(context, match.score.key), false);
    SmallVector<Operand> values =
        toDomain(collectOperands(context, match.value), true);
    SmallVector<Type> types;
    for (const Operand &output : llvm::reverse(outputs))
      if (!llvm::is_contained(types, output.getElementType()))
        types.push_back(output.getElementType());
    for (Type type : types)
      for (bool quotients : {true, false})
        if (chooseTensors(type, quotients, outputs, queries, keys, values))
          return true;
    StringRef culprit = !outputChoice  ? "a result"
                        : !queryChoice ? "queries"
                        : !keyChoice   ? "keys"
                        : !valueChoice ? "values"
                                       : "";
    if (culprit.empty())
      return fail("expected keys and values to share heads alike");
    return fail(("expected " + culprit +
                 " in a layout that an indexing map can describe")
                    .str());
  }

  bool chooseTensors(Type type, bool quotients, ArrayRef<Operand> outputs,
                     ArrayRef<Operand> queries, ArrayRef<Operand> keys,
                     ArrayRef<Operand> values) {
    outputChoice = chooseOperand(
        outputs, type, domain,
        {{Dim::kQuery, Dim::kValueSize}, {Dim::kBatch, Dim::kHead}});
    if (!outputChoice)
      return false;
    // A unit batch or head dimension needs one in the output.
    SmallVector<unsigned> units;
    for (Dim unit : {Dim::kBatch, Dim::kHead})
      if (llvm::is_contained(outputChoice->second.results, dim(unit)))
        units.push_back(unit);
    queryChoice = chooseOperand(queries, type, domain,
                                {{Dim::kQuery, Dim::kHeadSize}, units});
    keyChoice = chooseOperand(keys, type, domain,
                              {{Dim::kKey, Dim::kHeadSize}, units, quotients});
    valueChoice = chooseOperand(
        values, type, domain, {{Dim::kKey, Dim::kValueSize}, units, quotients});
    return queryChoice && keyChoice && valueChoice &&
           headExpr(keyChoice->second) == headExpr(valueChoice->second);
  }

  /// The quotient by which heads are shared, if any.
  AffineExpr headExpr(const LayoutPlan &plan) {
    for (AffineExpr expr : plan.results)
      if (isa<AffineBinaryOpExpr>(expr))
        return expr;
    return {};
  }

  void findSizes() {
    for (auto [tensor, plan] : {std::pair(query, &queryChoice->second),
                                std::pair(key, &keyChoice->second),
                                std::pair(value, &valueChoice->second)})
      for (auto [position, expr] : llvm::enumerate(plan->results)) {
        auto target = dyn_cast<AffineDimExpr>(expr);
        if (target && !domain.sizes[target.getPosition()])
          domain.sizes[target.getPosition()] =
              tensor::DimOp::create(builder, loc, tensor, position).getResult();
      }
  }

  AffineMap mapOf(const LayoutPlan &plan) {
    return AffineMap::get(Dim::kNumDims, 0, plan.results, loc.getContext());
  }

  /// An existing tensor that a node reads, if a map can describe it.
  MappedTensor findTensor(NodeRef node, function_ref<bool(Type)> accepts) {
    SmallVector<Operand> candidates =
        toDomain(collectOperands(context, node), true);
    llvm::erase_if(candidates, [&](const Operand &operand) {
      return !accepts(operand.getElementType());
    });
    // A tile of a bias is read along the keys: no transposition is folded that
    // would scatter them.
    LayoutRules rules;
    rules.innermost = Dim::kKey;
    Choice choice = chooseOperand(candidates, {}, domain, rules);
    if (!choice)
      return {};
    return {applyPlan(builder, loc, choice->second, choice->first.tensor),
            mapOf(choice->second)};
  }

  bool buildKeyValid(MappedTensor &keyValid) {
    if (masks.keyValid.empty())
      return true;
    NodeRef all = masks.keyValid.front();
    for (NodeRef other : ArrayRef(masks.keyValid).drop_front())
      all = context.apply("arith.andi", all->type, {}, {all, other});
    auto allowed = [](const MappedTensor &mapped) {
      return mapped.tensor &&
             llvm::all_of(mapped.map.getResults(), [](AffineExpr expr) {
               auto dim = dyn_cast<AffineDimExpr>(expr);
               return dim && (dim.getPosition() == Dim::kBatch ||
                              dim.getPosition() == Dim::kKey);
             });
    };
    keyValid = findTensor(all, [](Type type) { return type.isInteger(1); });
    if (!allowed(keyValid))
      keyValid = materialize(builder, loc, context, all, domain, dims);
    if (allowed(keyValid))
      return true;
    keyValid = {};
    Type type = Float32Type::get(loc.getContext());
    masks.biases.push_back(
        {context.apply("arith.select", type, {},
                       {all, context.floatConstant(type, 0),
                        context.floatConstant(
                            type, -std::numeric_limits<double>::infinity())}),
         1.0});
    return true;
  }

  bool buildBias(MappedTensor &bias) {
    if (masks.biases.empty())
      return true;
    if (masks.biases.size() == 1 && masks.biases[0].factor == 1) {
      bias = findTensor(masks.biases[0].value,
                        [](Type type) { return isa<FloatType>(type); });
      if (bias.tensor)
        return true;
    }
    NodeRef sum = nullptr;
    for (const BiasTerm &term : masks.biases) {
      NodeRef node = term.value;
      Type type = Float32Type::get(loc.getContext());
      if (isa<FloatType>(node->type) &&
          cast<FloatType>(node->type).getWidth() < 32)
        node = context.apply("arith.extf", type, {}, {node});
      if (node->type != type && !node->type.isF64())
        return fail("expected a floating-point bias");
      if (sum && sum->type != node->type)
        return fail("expected biases of one type");
      if (term.factor != 1)
        node = context.apply(
            "arith.mulf", node->type, {},
            {node, context.floatConstant(node->type, term.factor)});
      sum =
          sum ? context.apply("arith.addf", node->type, {}, {sum, node}) : node;
    }
    bias = materialize(builder, loc, context, sum, domain, dims);
    return bias.tensor ||
           fail("expected a bias that can be computed element by element");
  }

  AttentionOp buildOp(const MappedTensor &bias, const MappedTensor &keyValid) {
    const auto &[output, plan] = *outputChoice;
    auto type = cast<RankedTensorType>(output.tensor.getType());
    SmallVector<int64_t> shape;
    SmallVector<Value> dynamic;
    for (AffineExpr expr : plan.results) {
      unsigned position = cast<AffineDimExpr>(expr).getPosition();
      shape.push_back(domain.shape[position]);
      if (ShapedType::isDynamic(shape.back()))
        dynamic.push_back(cast<Value>(domain.sizes[position]));
    }
    Value init = tensor::EmptyOp::create(builder, loc, shape,
                                         type.getElementType(), dynamic);
    SmallVector<AffineMap> maps{mapOf(queryChoice->second),
                                mapOf(keyChoice->second),
                                mapOf(valueChoice->second)};
    if (bias.tensor)
      maps.push_back(bias.map);
    if (keyValid.tensor)
      maps.push_back(keyValid.map);
    maps.push_back(mapOf(plan));
    double scale =
        match.score.scale * queryChoice->first.factor * keyChoice->first.factor;
    FloatAttr softcap;
    if (match.score.softcap)
      softcap = builder.getF64FloatAttr(*match.score.softcap);
    auto op = AttentionOp::create(
        builder, loc, TypeRange{init.getType()}, query, key, value, bias.tensor,
        keyValid.tensor, init, Value(), builder.getAffineMapArrayAttr(maps),
        masks.mask, builder.getF64FloatAttr(scale), softcap);
    Value replacement =
        undoPlan(builder, loc, plan, op->getResult(0), type, domain);
    Value(output.tensor).replaceAllUsesWith(replacement);
    return op;
  }

  ExprContext &context;
  const AttentionMatch &match;
  Mismatch &mismatch;
  OpBuilder builder;
  Location loc;
  MaskResult masks;
  SmallVector<AffineExpr> dims;
  Domain domain;
  Choice queryChoice, keyChoice, valueChoice, outputChoice;
  Value query, key, value;
};
} // namespace

AttentionOp mlir::attn::raise::buildAttention(ExprContext &context,
                                              const AttentionMatch &match,
                                              Mismatch &mismatch) {
  return AttentionBuilder(context, match, mismatch).build();
}
