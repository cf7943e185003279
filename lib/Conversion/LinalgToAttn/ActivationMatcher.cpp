//===- ActivationMatcher.cpp - which function a scalar expression is ------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Programs spell an activation in many ways, and rewriting all of them into one
// would miss the next. An expression without tensors can be evaluated: it is an
// activation if it has its values, to rounding, from where the functions differ
// up to where they overflow.
//
//===----------------------------------------------------------------------===//

#include "FeedForwardMatch.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include "llvm/ADT/StringSwitch.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::raise;

namespace {
/// Evaluates expressions of values that are given by node.
class ScalarEvaluator {
public:
  explicit ScalarEvaluator(ExprContext &context) : context(context) {}

  void set(NodeRef node, double value) { known[node] = value; }
  void forget() { known.clear(); }
  /// The value; none for an operation that is not known.
  std::optional<double> evaluate(NodeRef node);

private:
  std::optional<double> apply(NodeRef node, ArrayRef<double> arguments);

  ExprContext &context;
  DenseMap<NodeRef, double> known;
};

bool compare(arith::CmpFPredicate predicate, double x, double y) {
  using Predicate = arith::CmpFPredicate;
  switch (predicate) {
  case Predicate::OEQ:
  case Predicate::UEQ:
    return x == y;
  case Predicate::OGT:
  case Predicate::UGT:
    return x > y;
  case Predicate::OGE:
  case Predicate::UGE:
    return x >= y;
  case Predicate::OLT:
  case Predicate::ULT:
    return x < y;
  case Predicate::OLE:
  case Predicate::ULE:
    return x <= y;
  case Predicate::ONE:
  case Predicate::UNE:
    return x != y;
  case Predicate::AlwaysTrue:
  case Predicate::ORD:
    return true;
  case Predicate::AlwaysFalse:
  case Predicate::UNO:
    return false;
  }
  llvm_unreachable("a predicate");
}
} // namespace

std::optional<double> ScalarEvaluator::evaluate(NodeRef node) {
  node = context.head(node);
  if (auto found = known.find(node); found != known.end())
    return found->second;
  if (auto value = getFloat(node))
    return value;
  if (auto value = getInteger(node))
    return static_cast<double>(*value);
  if (node->kind != Kind::Apply)
    return std::nullopt;
  SmallVector<double> arguments;
  for (NodeRef operand : node->operands) {
    auto value = evaluate(operand);
    if (!value)
      return std::nullopt;
    arguments.push_back(*value);
  }
  auto value = apply(node, arguments);
  if (value)
    known[node] = *value;
  return value;
}

std::optional<double> ScalarEvaluator::apply(NodeRef node,
                                             ArrayRef<double> arguments) {
  using Unary = double (*)(double);
  using Binary = double (*)(double, double);
  if (node->name == "arith.select")
    return arguments[0] != 0 ? arguments[1] : arguments[2];
  if (node->name == "arith.cmpf") {
    auto predicate = cast<IntegerAttr>(node->constant).getInt();
    return compare(static_cast<arith::CmpFPredicate>(predicate), arguments[0],
                   arguments[1]);
  }
  if (arguments.size() == 1) {
    auto function =
        llvm::StringSwitch<Unary>(node->name)
            .Case("arith.negf", [](double x) { return -x; })
            .Cases({"arith.extf", "arith.truncf"}, [](double x) { return x; })
            .Case("math.absf", [](double x) { return std::fabs(x); })
            .Case("math.erf", [](double x) { return std::erf(x); })
            .Case("math.exp", [](double x) { return std::exp(x); })
            .Case("math.exp2", [](double x) { return std::exp2(x); })
            .Case("math.sqrt", [](double x) { return std::sqrt(x); })
            .Case("math.tanh", [](double x) { return std::tanh(x); })
            .Default(nullptr);
    return function ? std::optional(function(arguments[0])) : std::nullopt;
  }
  if (arguments.size() != 2)
    return std::nullopt;
  auto function =
      llvm::StringSwitch<Binary>(node->name)
          .Case("arith.addf", [](double x, double y) { return x + y; })
          .Case("arith.subf", [](double x, double y) { return x - y; })
          .Case("arith.mulf", [](double x, double y) { return x * y; })
          .Case("arith.divf", [](double x, double y) { return x / y; })
          .Cases({"arith.maximumf", "arith.maxnumf"},
                 [](double x, double y) { return std::fmax(x, y); })
          .Cases({"arith.minimumf", "arith.minnumf"},
                 [](double x, double y) { return std::fmin(x, y); })
          .Cases({"math.powf", "math.fpowi"},
                 [](double x, double y) { return std::pow(x, y); })
          .Default(nullptr);
  return function ? std::optional(function(arguments[0], arguments[1]))
                  : std::nullopt;
}

static double valueOf(Activation activation, double x) {
  switch (activation) {
  case Activation::Gelu:
    return x / 2 * (1 + std::erf(x * std::sqrt(0.5)));
  case Activation::GeluTanh:
    return x / 2 *
           (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  case Activation::Relu:
    return std::fmax(x, 0);
  case Activation::Silu:
    return x / (1 + std::exp(-x));
  }
  llvm_unreachable("an activation");
}

/// Whether an expression is `activation` of the first value, times the second
/// if there is one. Constants of f32 leave a relative difference of 6e-8.
static bool hasValues(ExprContext &context, NodeRef node, Activation activation,
                      ArrayRef<Preactivation> values) {
  ScalarEvaluator evaluator(context);
  SmallVector<double> points = {-80, -25, -12, 12, 25, 80};
  for (int step = -144; step <= 144; ++step)
    points.push_back(step / 16.0);
  SmallVector<double> factors = {1.0};
  if (values.size() == 2)
    factors = {-3.25, 0.5, 2};
  for (double x : points)
    for (double factor : factors) {
      evaluator.forget();
      evaluator.set(values[0].value, x);
      if (values.size() == 2)
        evaluator.set(values[1].value, factor);
      auto value = evaluator.evaluate(node);
      double wanted = valueOf(activation, x) * factor;
      // Not <=, which would let a NaN pass.
      if (!value || !(std::fabs(*value - wanted) <
                      1e-6 * std::fmax(1, std::fabs(x)) * std::fabs(factor)))
        return false;
    }
  return true;
}

std::optional<Activation>
mlir::attn::raise::matchActivation(ExprContext &context, NodeRef node,
                                   SmallVectorImpl<Preactivation> &values) {
  for (unsigned order = 0; order < values.size(); ++order) {
    for (Activation activation : {Activation::Gelu, Activation::GeluTanh,
                                  Activation::Relu, Activation::Silu})
      if (hasValues(context, node, activation, values))
        return activation;
    std::reverse(values.begin(), values.end());
  }
  return std::nullopt;
}
