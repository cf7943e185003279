//===- FeedForwardMatcher.cpp - the products around an activation ---------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Looks from the last product through a function of scalars to one product, or
// two with a gate, of the same rows.
//
//===----------------------------------------------------------------------===//

#include "FeedForwardMatch.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::raise;

namespace {
/// Operations of an activation and its gate; beyond, there is more than that.
constexpr unsigned kMostNodes = 64;

class FeedForwardMatcher {
public:
  FeedForwardMatcher(ExprContext &context, bool &attempted, Mismatch &mismatch)
      : context(context), attempted(attempted), mismatch(mismatch) {}

  FailureOr<FeedForwardMatch> match(Value result);

private:
  LogicalResult fail(const Twine &reason, Value culprit = Value()) {
    mismatch = {reason.str(), culprit};
    return failure();
  }

  bool isRowDependent(NodeRef node) {
    llvm::SmallBitVector vars = context.dependencies(node);
    return llvm::any_of(rowVars, [&](unsigned var) {
      return var < vars.size() && vars.test(var);
    });
  }
  /// A sum of products over one variable.
  bool isContraction(NodeRef node) {
    return node->isReduce("arith.addf") && node->bound.size() == 1 &&
           stripCasts(context, node->operands[0])->isApply("arith.mulf");
  }

  void makeIndices(RankedTensorType type);
  std::optional<Preactivation> asPreactivation(NodeRef node);
  LogicalResult collect(NodeRef node);
  std::optional<std::pair<NodeRef, NodeRef>> splitProduct(NodeRef sum);
  LogicalResult matchDown(Value result);
  LogicalResult matchUp(const Preactivation &value, WeightMatch &weight,
                        Value &bias);
  LogicalResult matchWeight(NodeRef node, unsigned firstVar,
                            FeedForwardOp::Dim firstDim, unsigned secondVar,
                            FeedForwardOp::Dim secondDim, WeightMatch &weight);
  LogicalResult matchBias(NodeRef node, unsigned var, Value &bias);
  Value findInput(NodeRef node, unsigned depth);

  ExprContext &context;
  bool &attempted;
  Mismatch &mismatch;
  FeedForwardMatch found;
  RankedTensorType resultType;
  SmallVector<AffineExpr> indices;
  SmallVector<unsigned> rowVars;
  unsigned outputVar = 0, hiddenVar = 0;
  NodeRef hidden = nullptr;
  SmallVector<Preactivation> values;
  unsigned numNodes = 0;
  DenseSet<NodeRef> seen;
};
} // namespace

void FeedForwardMatcher::makeIndices(RankedTensorType type) {
  for (int64_t extent : type.getShape()) {
    unsigned before = context.getExtents().size();
    indices.push_back(context.newLoop(extent));
    for (unsigned var = before; var < context.getExtents().size(); ++var)
      rowVars.push_back(var);
  }
  outputVar = rowVars.pop_back_val();
}

/// The factors of a sum of products: the one that depends on rows, then the
/// other.
std::optional<std::pair<NodeRef, NodeRef>>
FeedForwardMatcher::splitProduct(NodeRef sum) {
  NodeRef product = stripCasts(context, sum->operands[0]);
  for (unsigned side : {0, 1}) {
    NodeRef row = product->operands[side], other = product->operands[1 - side];
    if (isRowDependent(row) && !isRowDependent(other))
      return std::pair(row, other);
  }
  return std::nullopt;
}

/// The last product, with or without a bias.
LogicalResult FeedForwardMatcher::matchDown(Value result) {
  NodeRef node = stripCasts(context, context.access(result, indices));
  NodeRef bias = nullptr;
  if (node->isApply("arith.addf"))
    for (unsigned side : {0, 1}) {
      NodeRef sum = stripCasts(context, node->operands[side]);
      if (isContraction(sum) && !isRowDependent(node->operands[1 - side])) {
        bias = node->operands[1 - side];
        node = sum;
        break;
      }
    }
  if (!isContraction(node))
    return failure();
  auto factors = splitProduct(node);
  if (!factors)
    return failure();
  hiddenVar = node->bound[0];
  hidden = stripCasts(context, factors->first);
  if (hidden->kind != Kind::Apply || failed(collect(hidden)) || values.empty())
    return failure();
  // Something between two products of rows; what is amiss now is worth a
  // remark.
  attempted = true;
  if (failed(matchWeight(factors->second, hiddenVar, FeedForwardOp::kHidden,
                         outputVar, FeedForwardOp::kOutput, found.down)))
    return failure();
  return bias ? matchBias(bias, outputVar, found.downBias) : success();
}

/// A sum of products with rows, alone or with a bias.
std::optional<Preactivation> FeedForwardMatcher::asPreactivation(NodeRef node) {
  if (isContraction(node) && splitProduct(node))
    return Preactivation{node, node, nullptr};
  if (!node->isApply("arith.addf"))
    return std::nullopt;
  for (unsigned side : {0, 1}) {
    NodeRef sum = stripCasts(context, node->operands[side]);
    NodeRef bias = node->operands[1 - side];
    if (isContraction(sum) && splitProduct(sum) && !isRowDependent(bias) &&
        context.dependsOn(bias, hiddenVar))
      return Preactivation{node, sum, bias};
  }
  return std::nullopt;
}

/// Finds the products that the function begins with; fails on anything that is
/// no function of them alone.
LogicalResult FeedForwardMatcher::collect(NodeRef node) {
  node = context.head(node);
  if (!seen.insert(node).second || getFloat(node) || getInteger(node))
    return success();
  if (auto value = asPreactivation(node)) {
    values.push_back(*value);
    return success(values.size() <= 2);
  }
  if (node->kind != Kind::Apply || ++numNodes > kMostNodes)
    return failure();
  for (NodeRef operand : node->operands)
    if (failed(collect(operand)))
      return failure();
  return success();
}

LogicalResult FeedForwardMatcher::matchWeight(NodeRef node, unsigned firstVar,
                                              FeedForwardOp::Dim firstDim,
                                              unsigned secondVar,
                                              FeedForwardOp::Dim secondDim,
                                              WeightMatch &weight) {
  AffineExpr first = context.dim(firstVar), second = context.dim(secondVar);
  MLIRContext *mlirContext = context.getContext();
  for (const Operand &operand : collectOperands(context, node)) {
    bool inOrder = operand.indices == SmallVector<AffineExpr>{first, second};
    if (operand.factor != 1 ||
        (!inOrder && operand.indices != SmallVector<AffineExpr>{second, first}))
      continue;
    SmallVector<unsigned> dims = {firstDim, secondDim};
    if (!inOrder)
      std::swap(dims[0], dims[1]);
    // The last one that fits is the one behind most copies.
    weight = {operand.tensor, AffineMap::getMultiDimMapWithTargets(
                                  FeedForwardOp::kNumDims, dims, mlirContext)};
  }
  if (weight.tensor &&
      cast<RankedTensorType>(weight.tensor.getType()).hasStaticShape())
    return success();
  return fail("expected a static matrix as weights, got " + describe(node),
              node->value);
}

LogicalResult FeedForwardMatcher::matchBias(NodeRef node, unsigned var,
                                            Value &bias) {
  for (const Operand &operand : collectOperands(context, node))
    if (operand.factor == 1 &&
        operand.indices == SmallVector<AffineExpr>{context.dim(var)})
      bias = operand.tensor;
  if (bias)
    return success();
  return fail("expected a vector as bias, got " + describe(node), node->value);
}

/// The tensor [rows..., k] that a factor is read from, outermost first.
Value FeedForwardMatcher::findInput(NodeRef node, unsigned depth) {
  SmallVector<AffineExpr> wanted(indices);
  wanted.back() = context.dim(depth);
  for (const Operand &operand : collectOperands(context, node))
    if (operand.factor == 1 && operand.indices == wanted &&
        operand.getElementType() == resultType.getElementType())
      return operand.tensor;
  return {};
}

LogicalResult FeedForwardMatcher::matchUp(const Preactivation &value,
                                          WeightMatch &weight, Value &bias) {
  auto factors = splitProduct(value.sum);
  unsigned depth = value.sum->bound[0];
  Value input = findInput(factors->first, depth);
  if (!input)
    return fail("expected rows of the result's type and shape as input, got " +
                    describe(factors->first),
                factors->first->value);
  if (found.input && found.input != input)
    return fail("expected the gate to read the same input", input);
  found.input = input;
  if (failed(matchWeight(factors->second, hiddenVar, FeedForwardOp::kHidden,
                         depth, FeedForwardOp::kInput, weight)))
    return failure();
  return value.bias ? matchBias(value.bias, hiddenVar, bias) : success();
}

FailureOr<FeedForwardMatch> FeedForwardMatcher::match(Value result) {
  resultType = cast<RankedTensorType>(result.getType());
  if (resultType.getRank() < 2 || resultType.getShape().back() == 1)
    return failure();
  makeIndices(resultType);
  if (failed(matchDown(result)))
    return failure();
  auto activation = matchActivation(context, hidden, values);
  if (!activation)
    return fail("expected gelu, relu or silu between two products, or one of "
                "them times a third, got " +
                describe(hidden));
  found.activation = *activation;
  if (values.size() == 2 &&
      failed(matchUp(values[0], found.gate, found.gateBias)))
    return failure();
  if (failed(matchUp(values.back(), found.up, found.upBias)))
    return failure();
  return found;
}

FailureOr<FeedForwardMatch>
mlir::attn::raise::matchFeedForward(ExprContext &context, Value result,
                                    bool &attempted, Mismatch &mismatch) {
  return FeedForwardMatcher(context, attempted, mismatch).match(result);
}
