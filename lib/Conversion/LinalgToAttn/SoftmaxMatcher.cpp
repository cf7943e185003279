//===- SoftmaxMatcher.cpp - softmax in its decomposed forms ---------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Recognises exp(s - m) / sum exp(s - m) for any m that does not depend on the
// key, with the division before or after the product with the values, in base e
// or 2, and with the guards that replace fully masked rows by zero.
//
//===----------------------------------------------------------------------===//

#include "Matchers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn::raise;

NodeRef mlir::attn::raise::stripCasts(ExprContext &context, NodeRef node) {
  node = context.head(node);
  while (node->isApply("arith.extf") || node->isApply("arith.truncf"))
    node = context.head(node->operands[0]);
  return node;
}

std::string mlir::attn::raise::describe(NodeRef node) {
  switch (node->kind) {
  case Kind::Apply:
    return node->name.str();
  case Kind::Reduce:
    return "a reduction by " + node->name.str();
  case Kind::Constant:
    return "a constant";
  case Kind::Index:
    return "an index";
  case Kind::Scalar:
    return "a scalar";
  case Kind::Access:
    if (Operation *op = node->value.getDefiningOp())
      return "the result of " + op->getName().getStringRef().str();
    return "a function argument";
  }
  return "an unknown value";
}

namespace {
class SoftmaxMatcher {
public:
  SoftmaxMatcher(ExprContext &context, unsigned key, Mismatch &mismatch)
      : context(context), key(key), mismatch(mismatch) {}

  FailureOr<SoftmaxMatch> match(NodeRef node) {
    node = stripCasts(context, node);
    if (node->isApply("arith.select"))
      return matchGuard(node);
    if (node->isApply("arith.divf"))
      return matchRatio(node->operands[0], node->operands[1]);
    if (node->isApply("arith.mulf"))
      for (unsigned side : {0, 1}) {
        NodeRef reciprocal = stripCasts(context, node->operands[side]);
        if (reciprocal->isApply("arith.divf") &&
            getFloat(context.head(reciprocal->operands[0])) == 1.0)
          return matchRatio(node->operands[1 - side], reciprocal->operands[1]);
      }
    return matchExponential(node);
  }

private:
  LogicalResult fail(StringRef reason) {
    mismatch.reason = reason.str();
    return failure();
  }

  /// exp(s - m), not divided yet.
  FailureOr<SoftmaxMatch> matchExponential(NodeRef node) {
    node = stripCasts(context, node);
    bool base2 = node->isApply("math.exp2");
    if (!base2 && !node->isApply("math.exp"))
      return fail("expected an exponential, got " + describe(node));
    SoftmaxMatch match;
    match.normalized = false;
    match.score = dropShift(node->operands[0]);
    if (base2)
      match.score =
          context.apply("arith.mulf", match.score->type, {},
                        {match.score, context.floatConstant(match.score->type,
                                                            std::log(2.0))});
    return match;
  }

  /// s from s - m, where m does not depend on the key: softmax does not change
  /// under such shifts.
  NodeRef dropShift(NodeRef node) {
    node = stripCasts(context, node);
    if (node->isApply("arith.subf") &&
        !context.dependsOn(node->operands[1], key))
      return node->operands[0];
    return node;
  }

  FailureOr<SoftmaxMatch> matchRatio(NodeRef numerator, NodeRef denominator) {
    auto match = matchExponential(numerator);
    if (failed(match))
      return failure();
    NodeRef sum = stripCasts(context, denominator);
    if (!sum->isReduce("arith.addf") || sum->bound.size() != 1)
      return fail("expected the sum of the exponentials as divisor, got " +
                  describe(sum));
    NodeRef each = context.substitute(sum->operands[0],
                                      {{sum->bound[0], context.dim(key)}});
    if (!context.equivalent(stripCasts(context, each),
                            stripCasts(context, numerator)))
      return fail("expected the divisor to sum the numerator over the keys");
    match->normalized = true;
    match->sum = sum;
    return match;
  }

  /// A choice between the softmax and zero, for rows without any key.
  FailureOr<SoftmaxMatch> matchGuard(NodeRef node) {
    NodeRef condition = context.head(node->operands[0]);
    bool inverted = false;
    while (condition->isApply("arith.xori") &&
           getInteger(condition->operands[1]) == 1) {
      inverted = !inverted;
      condition = context.head(condition->operands[0]);
    }
    NodeRef whenEmpty = node->operands[inverted ? 2 : 1],
            otherwise = node->operands[inverted ? 1 : 2];
    bool any = condition->isReduce("arith.ori"); // "some key is visible"
    if (any)
      std::swap(whenEmpty, otherwise);
    if (getFloat(stripCasts(context, whenEmpty)) != 0.0)
      return fail(
          "expected a softmax guard to choose zero for rows without keys");
    auto match = this->match(otherwise);
    if (failed(match))
      return failure();
    if (isNanTest(condition, otherwise) ||
        isEmptyTest(condition, any, match->score))
      return match;
    return fail("expected a guard that tests for rows without keys, got " +
                describe(condition));
  }

  /// x != x of the guarded value.
  bool isNanTest(NodeRef condition, NodeRef guarded) {
    return condition->isApply("arith.cmpf") &&
           getPredicate(condition) == arith::CmpFPredicate::UNO &&
           context.equivalent(condition->operands[0], condition->operands[1]) &&
           context.equivalent(condition->operands[0], guarded);
  }

  /// "Every score is -inf", or with `any` "some score is not -inf", over the
  /// keys.
  bool isEmptyTest(NodeRef condition, bool any, NodeRef score) {
    if ((!any && !condition->isReduce("arith.andi")) ||
        condition->bound.size() != 1)
      return false;
    NodeRef test = context.head(context.substitute(
        condition->operands[0], {{condition->bound[0], context.dim(key)}}));
    if (test->isApply("arith.xori") && getInteger(test->operands[1]) == 1) {
      any = !any;
      test = context.head(test->operands[0]);
    }
    if (!test->isApply("arith.cmpf"))
      return false;
    auto predicate = getPredicate(test);
    bool right = any ? predicate == arith::CmpFPredicate::UNE ||
                           predicate == arith::CmpFPredicate::ONE
                     : predicate == arith::CmpFPredicate::OEQ ||
                           predicate == arith::CmpFPredicate::UEQ;
    auto bound = getFloat(context.head(test->operands[1]));
    return right && bound && std::isinf(*bound) && *bound < 0 &&
           context.equivalent(stripCasts(context, test->operands[0]),
                              stripCasts(context, score));
  }

  static arith::CmpFPredicate getPredicate(NodeRef compare) {
    return static_cast<arith::CmpFPredicate>(
        cast<IntegerAttr>(compare->constant).getInt());
  }

  ExprContext &context;
  unsigned key;
  Mismatch &mismatch;
};
} // namespace

FailureOr<SoftmaxMatch> mlir::attn::raise::matchSoftmax(ExprContext &context,
                                                        NodeRef weights,
                                                        unsigned key,
                                                        Mismatch &mismatch) {
  return SoftmaxMatcher(context, key, mismatch).match(weights);
}
