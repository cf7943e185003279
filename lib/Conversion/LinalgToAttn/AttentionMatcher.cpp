//===- AttentionMatcher.cpp - a whole attention ---------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Joins the matchers: weights times values, softmax, score. Then tells the
// roles of the loop variables by which operands they index.
//
//===----------------------------------------------------------------------===//

#include "AttentionMatch.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::raise;

namespace {
class AttentionMatcher {
public:
  AttentionMatcher(ExprContext &context, bool &attempted, Mismatch &mismatch)
      : context(context), attempted(attempted), mismatch(mismatch) {}

  FailureOr<AttentionMatch> match(Value result, const Splits &splits) {
    found.result = result;
    makeIndices(splits);
    NodeRef root =
        stripCasts(context, context.access(result, found.resultIndices));
    NodeRef divisor = nullptr;
    if (root->isApply(
            "arith.divf")) { // divided after the product with the values
      divisor = stripCasts(context, root->operands[1]);
      root = stripCasts(context, root->operands[0]);
    }
    if (!root->isReduce("arith.addf") || root->bound.size() != 1)
      return fail("expected one sum over the keys");
    NodeRef product = stripCasts(context, root->operands[0]);
    if (!product->isApply("arith.mulf"))
      return fail("expected weights times values");
    found.roles.key = root->bound[0];
    for (unsigned side : {0, 1}) {
      SoftmaxMatch softmax;
      if (!matchWeights(product->operands[side], root, divisor, softmax))
        continue;
      attempted = true;
      found.value = product->operands[1 - side];
      auto score =
          matchScore(context, softmax.score, found.roles.key, mismatch);
      if (failed(score))
        return failure();
      found.score = *score;
      if (failed(assignRoles()))
        return failure();
      return found;
    }
    return failure();
  }

private:
  LogicalResult fail(StringRef reason) {
    mismatch.reason = reason.str();
    return failure();
  }

  void makeIndices(const Splits &splits) {
    for (ArrayRef<int64_t> parts : splits) {
      AffineExpr index = context.newLoop(parts.front());
      for (int64_t part : parts.drop_front())
        index = index * part + context.newLoop(part);
      index = context.simplify(index);
      found.resultIndices.push_back(index);
    }
    for (unsigned var = 0; var < context.getExtents().size(); ++var)
      found.resultVars.push_back(var);
  }

  bool matchWeights(NodeRef weights, NodeRef root, NodeRef divisor,
                    SoftmaxMatch &softmax) {
    Mismatch here;
    auto match = matchSoftmax(context, weights, found.roles.key, here);
    if (failed(match)) {
      // A quotient of exponentials that is no softmax is worth telling about.
      if (looksLikeSoftmax(weights)) {
        attempted = true;
        mismatch = here;
      }
      return false;
    }
    if (match->normalized != (divisor == nullptr)) {
      mismatch.reason =
          "expected the exponentials to be divided by their sum once";
      return false;
    }
    if (divisor) {
      if (!divisor->isReduce("arith.addf") || divisor->bound.size() != 1)
        return false;
      NodeRef each = context.substitute(
          divisor->operands[0],
          {{divisor->bound[0], context.dim(found.roles.key)}});
      if (!context.equivalent(stripCasts(context, each),
                              stripCasts(context, weights)))
        return false;
    }
    softmax = *match;
    return true;
  }

  /// Something divided by a sum, with an exponential above: not the gate of an
  /// activation function, which divides by 1 + exp.
  bool looksLikeSoftmax(NodeRef node) {
    node = stripCasts(context, node);
    if (node->isApply("arith.divf"))
      return hasExponential(node->operands[0], 0) &&
             stripCasts(context, node->operands[1])->kind == Kind::Reduce;
    if (node->isApply("arith.select") || node->isApply("arith.mulf"))
      return llvm::any_of(node->operands, [&](NodeRef operand) {
        return isa<FloatType>(operand->type) && looksLikeSoftmax(operand);
      });
    return false;
  }

  bool hasExponential(NodeRef node, unsigned depth) {
    node = stripCasts(context, node);
    if (node->isApply("math.exp") || node->isApply("math.exp2"))
      return true;
    return depth < 4 && node->kind == Kind::Apply &&
           llvm::any_of(
               node->operands,
               [&](NodeRef operand) {
                 return hasExponential(operand, depth + 1);
               });
  }

  LogicalResult assignRoles() {
    Roles &roles = found.roles;
    roles.headSize = found.score.contraction->bound[0];
    auto uses = [&](NodeRef node, unsigned var) {
      return context.dependsOn(node, var);
    };
    auto masked = [&](unsigned var) {
      return llvm::any_of(
                 found.score.biases,
                 [&](const BiasTerm &bias) { return uses(bias.value, var); }) ||
             llvm::any_of(found.score.masks, [&](const MaskTerm &mask) {
               return uses(mask.allowed, var);
             });
    };
    SmallVector<unsigned> rows; // dimensions that keys and values share: one of
                                // them is the query position
    for (unsigned var : found.resultVars) {
      bool query = uses(found.score.query, var),
           key = uses(found.score.key, var), value = uses(found.value, var);
      if (!query && !key && !value && !masked(var))
        return fail(
            "expected every dimension of the result to come from an operand");
      if (!key && !value)
        rows.push_back(var);
      if (value && !query && !key && !masked(var))
        roles.valueSize = var;
    }
    for (unsigned var : rows)
      if (!roles.query || masked(var) || !masked(*roles.query))
        roles.query = var;
    for (unsigned var : found.resultVars)
      if (roles.query != var && roles.valueSize != var)
        roles.batch.push_back(var);
    roles.numKeys = context.getExtent(roles.key);
    if (roles.query)
      roles.numQueries = context.getExtent(*roles.query);
    if (uses(found.score.query, roles.key) ||
        (roles.query && uses(found.score.key, *roles.query)))
      return fail("expected queries and keys to be separate factors");
    int64_t headSize = context.getExtent(*roles.headSize);
    int64_t valueSize =
        roles.valueSize ? context.getExtent(*roles.valueSize) : 1;
    for (int64_t size : {headSize, valueSize})
      if (ShapedType::isDynamic(size) || size > 1024)
        return fail("expected a static head size of at most 1024");
    return success();
  }

  ExprContext &context;
  bool &attempted;
  Mismatch &mismatch;
  AttentionMatch found;
};

/// Finds quotients and remainders of result variables among the indices that a
/// match uses.
class SplitFinder {
public:
  explicit SplitFinder(ExprContext &context) : context(context) {}

  void visitOperands(NodeRef node) {
    for (const Operand &operand : collectOperands(context, node))
      for (AffineExpr index : operand.indices)
        visitIndex(index);
  }

  void visitScalar(NodeRef node) {
    if (!seen.insert(node).second)
      return;
    if (node->kind == Kind::Index)
      visitIndex(node->index);
    if (node->kind == Kind::Reduce)
      return;
    for (NodeRef operand : node->operands)
      visitScalar(operand);
    if (NodeRef next = context.peel(node))
      visitScalar(next);
  }

  void visitIndex(AffineExpr index) {
    index.walk([&](AffineExpr expr) {
      auto remainder = dyn_cast<AffineBinaryOpExpr>(expr);
      if (!remainder || remainder.getKind() != AffineExprKind::Mod)
        return;
      AffineExpr base = remainder.getLHS();
      if (auto quotient = dyn_cast<AffineBinaryOpExpr>(base);
          quotient && quotient.getKind() == AffineExprKind::FloorDiv &&
          isa<AffineDimExpr>(quotient.getLHS()))
        remainder = quotient; // (x floordiv c) mod k: split off c first
      auto dim = dyn_cast<AffineDimExpr>(remainder.getLHS());
      auto divisor = dyn_cast<AffineConstantExpr>(remainder.getRHS());
      if (dim && divisor)
        splits.try_emplace(dim.getPosition(), divisor.getValue());
    });
  }

  DenseMap<unsigned, int64_t> splits;

private:
  ExprContext &context;
  DenseSet<NodeRef> seen;
};
} // namespace

FailureOr<AttentionMatch>
mlir::attn::raise::matchAttention(ExprContext &context, Value result,
                                  const Splits &splits, bool &attempted,
                                  Mismatch &mismatch) {
  return AttentionMatcher(context, attempted, mismatch).match(result, splits);
}

Splits mlir::attn::raise::refineSplits(ExprContext &context,
                                       const AttentionMatch &match,
                                       const Splits &splits) {
  SplitFinder finder(context);
  for (NodeRef node : {match.score.query, match.score.key, match.value})
    finder.visitOperands(node);
  for (const BiasTerm &bias : match.score.biases)
    finder.visitScalar(bias.value);
  for (const MaskTerm &mask : match.score.masks)
    finder.visitScalar(mask.allowed);
  for (const Operand &operand :
       collectResults(match.result, match.resultIndices, context.getExtents()))
    for (AffineExpr index : operand.indices)
      finder.visitIndex(index);
  Splits refined;
  unsigned var = 0;
  for (ArrayRef<int64_t> parts : splits) {
    SmallVector<int64_t> next;
    for (int64_t part : parts) {
      int64_t inner = part == 1 ? 0 : finder.splits.lookup(var);
      var += part != 1;
      bool divides = inner > 1 && (ShapedType::isDynamic(part) ||
                                   (part % inner == 0 && part != inner));
      if (divides) {
        next.push_back(ShapedType::isDynamic(part) ? part : part / inner);
        next.push_back(inner);
      } else {
        next.push_back(part);
      }
    }
    refined.push_back(std::move(next));
  }
  return refined;
}
