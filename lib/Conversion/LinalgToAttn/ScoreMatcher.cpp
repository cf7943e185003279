//===- ScoreMatcher.cpp - scale, softcap, bias and mask around a product --===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Walks from a score inwards to the product of queries and keys and collects
// what is applied on the way. The order of `attn.attention` is scale, softcap,
// bias, mask; other orders are rewritten to it where that is exact.
//
//===----------------------------------------------------------------------===//

#include "Matchers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace mlir::attn::raise;

namespace {
class ScoreMatcher {
public:
  ScoreMatcher(ExprContext &context, unsigned key, Mismatch &mismatch)
      : context(context), key(key), mismatch(mismatch) {}

  FailureOr<ScoreMatch> match(NodeRef node) {
    // Each step strips one operation; a program cannot nest more of them than
    // it has operations.
    for (current = node;;) {
      current = stripCasts(context, current);
      if (isContraction(current))
        return finish();
      if (current->kind != Kind::Apply || failed(step())) {
        if (mismatch.reason.empty())
          mismatch.reason = "expected a product of queries and keys with "
                            "scale, bias or mask, got " +
                            describe(current);
        if (current->kind == Kind::Access)
          mismatch.culprit = current->value;
        return failure();
      }
    }
  }

private:
  LogicalResult fail(StringRef reason) {
    mismatch.reason = reason.str();
    return failure();
  }

  /// A sum of products of which exactly one factor depends on the key.
  bool isContraction(NodeRef node) {
    if (!node->isReduce("arith.addf") || node->bound.size() != 1)
      return false;
    NodeRef product = stripCasts(context, node->operands[0]);
    return product->isApply("arith.mulf") &&
           context.dependsOn(product->operands[0], key) !=
               context.dependsOn(product->operands[1], key);
  }

  /// Whether a contraction is under a node, with only scalar operations above
  /// it.
  bool leadsToContraction(NodeRef node) {
    node = stripCasts(context, node);
    auto [entry, inserted] = leads.try_emplace(node, false);
    if (!inserted)
      return entry->second;
    bool result = isContraction(node) ||
                  (node->kind == Kind::Apply &&
                   llvm::any_of(node->operands, [&](NodeRef operand) {
                     return leadsToContraction(operand);
                   }));
    return leads[node] = result;
  }

  LogicalResult step() {
    ArrayRef<NodeRef> operands = current->operands;
    if (current->isApply("arith.negf"))
      return scaleBy(-1, operands[0]);
    if (current->isApply("arith.mulf") || current->isApply("arith.divf"))
      return stepProduct();
    if (current->isApply("arith.addf") || current->isApply("arith.subf"))
      return stepSum();
    if (current->isApply("arith.select"))
      return stepMask();
    if (current->isApply("math.tanh"))
      return stepSoftcap();
    if (current->isApply("arith.maximumf") || current->isApply("arith.maxnumf"))
      for (unsigned side : {0, 1}) // a clamp to the lowest finite value
        if (isMinusInfinityLike(context.head(operands[side]))) {
          current = operands[1 - side];
          return success();
        }
    return failure();
  }

  LogicalResult scaleBy(double by, NodeRef next) {
    factor *= by;
    current = next;
    return success();
  }

  LogicalResult stepProduct() {
    NodeRef lhs = current->operands[0], rhs = current->operands[1];
    if (auto value = getFloat(stripCasts(context, rhs)))
      return scaleBy(current->isApply("arith.divf") ? 1 / *value : *value, lhs);
    if (auto value = getFloat(stripCasts(context, lhs));
        value && current->isApply("arith.mulf"))
      return scaleBy(*value, rhs);
    return fail("expected a constant factor of the score, got " +
                describe(stripCasts(context, rhs)));
  }

  LogicalResult stepSum() {
    double sign = current->isApply("arith.subf") ? -1 : 1;
    NodeRef lhs = current->operands[0], rhs = current->operands[1];
    if (result.softcap)
      return fail("expected no term added before the softcap");
    if (leadsToContraction(lhs)) {
      result.biases.push_back({rhs, factor * sign});
      current = lhs;
      return success();
    }
    result.biases.push_back({lhs, factor});
    return scaleBy(sign, rhs);
  }

  LogicalResult stepMask() {
    if (factor <= 0)
      return fail("expected a positive factor of a masked score");
    for (unsigned side : {1, 2}) {
      NodeRef masked = stripCasts(context, current->operands[side]);
      if (!isMinusInfinityLike(masked))
        continue;
      if (result.softcap)
        return fail("expected no mask before the softcap");
      NodeRef allowed = context.head(current->operands[0]);
      if (side == 1)
        allowed = context.apply("arith.xori", allowed->type, {},
                                {allowed, context.boolConstant(true)});
      result.masks.push_back({allowed, *getFloat(masked)});
      current = current->operands[3 - side];
      return success();
    }
    return fail("expected a mask that chooses -inf or the lowest finite value");
  }

  LogicalResult stepSoftcap() {
    if (result.softcap || factor <= 0)
      return fail("expected one softcap with a positive bound");
    result.softcap = factor;
    current = current->operands[0];
    factor = 1;
    return success();
  }

  FailureOr<ScoreMatch> finish() {
    NodeRef product = stripCasts(context, current->operands[0]);
    result.contraction = current;
    bool keyFirst = context.dependsOn(product->operands[0], key);
    result.key = product->operands[keyFirst ? 0 : 1];
    result.query = product->operands[keyFirst ? 1 : 0];
    // softcap * tanh(factor * x) is softcap * tanh(scale * x / softcap) for
    // this scale.
    result.scale = result.softcap ? *result.softcap * factor : factor;
    return result;
  }

  ExprContext &context;
  unsigned key;
  Mismatch &mismatch;
  ScoreMatch result;
  NodeRef current = nullptr;
  double factor = 1;
  DenseMap<NodeRef, bool> leads;
};
} // namespace

FailureOr<ScoreMatch> mlir::attn::raise::matchScore(ExprContext &context,
                                                    NodeRef score, unsigned key,
                                                    Mismatch &mismatch) {
  return ScoreMatcher(context, key, mismatch).match(score);
}
