//===- DecomposeFeedForward.cpp - feed-forward layers as linalg -----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The products one after the other, with all hidden values between them.
//
//===----------------------------------------------------------------------===//

#include "Decompositions.h"
#include "ScoreBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
class FeedForwardBuilder {
public:
  FeedForwardBuilder(OpBuilder &builder, FeedForwardOp op)
      : b(builder), loc(op.getLoc()), op(op), type(op.getAccumulatorType()),
        rows(tensor::getMixedSize(builder, op.getLoc(), op.getInput(), 0)) {}

  Value build() {
    using Op = FeedForwardOp;
    Value up = product(op.getInput(), Op::kInput, op.getUp(), op.getUpMap(),
                       Op::kHidden, op.getHiddenSize());
    Value gate;
    if (op.getGate())
      gate = product(op.getInput(), Op::kInput, op.getGate(), op.getGateMap(),
                     Op::kHidden, op.getHiddenSize());
    Value hidden = activate(up, gate);
    Value sum = product(hidden, Op::kHidden, op.getDown(), op.getDownMap(),
                        Op::kOutput, op.getOutputSize());
    return finish(sum);
  }

private:
  AffineMap mapOf(ArrayRef<unsigned> dims) {
    return AffineMap::getMultiDimMapWithTargets(FeedForwardOp::kNumDims, dims,
                                                b.getContext());
  }
  Value constant(OpBuilder &nested, Location l, double value) {
    return floatConstant(nested, l, type, value);
  }

  /// left [m, depth] times a matrix, as [m, column].
  Value product(Value left, unsigned depth, Value matrix, AffineMap map,
                unsigned column, int64_t columns) {
    Value init = filledTensor(b, loc, {rows, b.getIndexAttr(columns)}, type, 0);
    return buildGeneric(
        b, loc, {FeedForwardOp::kRow, column, depth}, {left, matrix},
        {mapOf({FeedForwardOp::kRow, depth}), map,
         mapOf({FeedForwardOp::kRow, column})},
        init, [&](OpBuilder &nested, Location l, ValueRange args) -> Value {
          Value x = convertFloat(nested, l, args[0], type),
                w = convertFloat(nested, l, args[1], type);
          return arith::AddFOp::create(nested, l, args[2],
                                       arith::MulFOp::create(nested, l, x, w));
        });
  }

  Value activate(Value up, Value gate);
  Value apply(OpBuilder &nested, Location l, Value x);
  Value finish(Value sum);

  OpBuilder &b;
  Location loc;
  FeedForwardOp op;
  FloatType type;
  OpFoldResult rows;
};
} // namespace

Value FeedForwardBuilder::apply(OpBuilder &nested, Location l, Value x) {
  auto mul = [&](Value left, Value right) -> Value {
    return arith::MulFOp::create(nested, l, left, right);
  };
  auto add = [&](Value left, Value right) -> Value {
    return arith::AddFOp::create(nested, l, left, right);
  };
  Value one = constant(nested, l, 1), half = constant(nested, l, 0.5);
  switch (op.getActivation()) {
  case Activation::Gelu: {
    Value scaled = mul(x, constant(nested, l, 0.70710678118654752440));
    Value erf = math::ErfOp::create(nested, l, scaled);
    return mul(mul(half, x), add(one, erf));
  }
  case Activation::GeluTanh: {
    Value cube = mul(mul(x, x), mul(x, constant(nested, l, 0.044715)));
    Value inner =
        mul(add(x, cube), constant(nested, l, 0.79788456080286535588));
    Value tanh = math::TanhOp::create(nested, l, inner);
    return mul(mul(half, x), add(one, tanh));
  }
  case Activation::Relu:
    return arith::MaximumFOp::create(nested, l, x, constant(nested, l, 0));
  case Activation::Silu: {
    Value negative = arith::NegFOp::create(nested, l, x);
    Value power = math::ExpOp::create(nested, l, negative);
    return arith::DivFOp::create(nested, l, x, add(one, power));
  }
  }
  llvm_unreachable("an activation");
}

/// Biases, the activation and the gate.
Value FeedForwardBuilder::activate(Value up, Value gate) {
  using Op = FeedForwardOp;
  SmallVector<Value> inputs = {up};
  SmallVector<AffineMap> maps = {mapOf({Op::kRow, Op::kHidden})};
  auto addInput = [&](Value input, ArrayRef<unsigned> dims) {
    if (!input)
      return;
    inputs.push_back(input);
    maps.push_back(mapOf(dims));
  };
  addInput(op.getUpBias(), {Op::kHidden});
  addInput(gate, {Op::kRow, Op::kHidden});
  addInput(op.getGateBias(), {Op::kHidden});
  maps.push_back(maps.front());
  Value init =
      tensor::EmptyOp::create(b, loc, tensor::getMixedSizes(b, loc, up), type);
  return buildGeneric(
      b, loc, {Op::kRow, Op::kHidden}, inputs, maps, init,
      [&](OpBuilder &nested, Location l, ValueRange args) -> Value {
        unsigned next = 0;
        auto take = [&](bool hasBias) -> Value {
          Value value = args[next++];
          if (!hasBias)
            return value;
          Value bias = convertFloat(nested, l, args[next++], type);
          return arith::AddFOp::create(nested, l, value, bias);
        };
        Value x = take(op.getUpBias() != nullptr);
        if (!gate)
          return apply(nested, l, x);
        Value opened = apply(nested, l, take(op.getGateBias() != nullptr));
        return arith::MulFOp::create(nested, l, opened, x);
      });
}

/// The last bias, in the output's type.
Value FeedForwardBuilder::finish(Value sum) {
  using Op = FeedForwardOp;
  SmallVector<Value> inputs = {sum};
  SmallVector<AffineMap> maps = {mapOf({Op::kRow, Op::kOutput})};
  if (Value bias = op.getDownBias()) {
    inputs.push_back(bias);
    maps.push_back(mapOf({Op::kOutput}));
  }
  maps.push_back(maps.front());
  auto target = cast<FloatType>(getElementTypeOrSelf(op.getOutput().getType()));
  return buildGeneric(
      b, loc, {Op::kRow, Op::kOutput}, inputs, maps, op.getOutput(),
      [&](OpBuilder &nested, Location l, ValueRange args) -> Value {
        Value result = args[0];
        if (op.getDownBias())
          result = arith::AddFOp::create(
              nested, l, result, convertFloat(nested, l, args[1], type));
        return convertFloat(nested, l, result, target);
      });
}

SmallVector<Value> mlir::attn::decomposeFeedForward(OpBuilder &builder,
                                                    FeedForwardOp op) {
  return {FeedForwardBuilder(builder, op).build()};
}
