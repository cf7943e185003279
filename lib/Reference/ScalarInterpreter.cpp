//===- ScalarInterpreter.cpp - score-mod regions in numbers ---------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One case per operation; f32 is computed as f64, which is what the reference
// is for. Integers wrap at their width, index at 64 bits.
//
//===----------------------------------------------------------------------===//

#include "ScalarInterpreter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::reference;

namespace {
using Operands = ArrayRef<Scalar>;

/// Applies `function` if `op` is one of OpTys.
template <typename... OpTys, typename Function>
bool apply(Operation &op, std::optional<Scalar> &result, Function function) {
  if (!isa<OpTys...>(op))
    return false;
  result = Scalar::of(function());
  return true;
}

std::optional<Scalar> evaluateFloat(Operation &op, Operands in) {
  std::optional<Scalar> result;
  double a = in.empty() ? 0 : in[0].real, b = in.size() < 2 ? 0 : in[1].real;
  bool isNan = std::isnan(a) || std::isnan(b);
  (void)(apply<arith::AddFOp>(op, result, [&] { return a + b; }) ||
         apply<arith::SubFOp>(op, result, [&] { return a - b; }) ||
         apply<arith::MulFOp>(op, result, [&] { return a * b; }) ||
         apply<arith::DivFOp>(op, result, [&] { return a / b; }) ||
         apply<arith::RemFOp>(op, result, [&] { return std::fmod(a, b); }) ||
         apply<arith::NegFOp>(op, result, [&] { return -a; }) ||
         apply<arith::ExtFOp, arith::TruncFOp>(op, result, [&] { return a; }) ||
         apply<arith::MaximumFOp>(
             op, result, [&] { return isNan ? a + b : std::fmax(a, b); }) ||
         apply<arith::MinimumFOp>(
             op, result, [&] { return isNan ? a + b : std::fmin(a, b); }) ||
         apply<arith::MaxNumFOp>(op, result, [&] { return std::fmax(a, b); }) ||
         apply<arith::MinNumFOp>(op, result, [&] { return std::fmin(a, b); }));
  return result;
}

std::optional<Scalar> evaluateMath(Operation &op, Operands in) {
  std::optional<Scalar> result;
  double a = in.empty() ? 0 : in[0].real, b = in.size() < 2 ? 0 : in[1].real;
  double exponent = in.size() < 2 ? 0 : static_cast<double>(in[1].integer);
  (void)(apply<math::AbsFOp>(op, result, [&] { return std::fabs(a); }) ||
         apply<math::CeilOp>(op, result, [&] { return std::ceil(a); }) ||
         apply<math::CosOp>(op, result, [&] { return std::cos(a); }) ||
         apply<math::ErfOp>(op, result, [&] { return std::erf(a); }) ||
         apply<math::ExpOp>(op, result, [&] { return std::exp(a); }) ||
         apply<math::Exp2Op>(op, result, [&] { return std::exp2(a); }) ||
         apply<math::ExpM1Op>(op, result, [&] { return std::expm1(a); }) ||
         apply<math::FloorOp>(op, result, [&] { return std::floor(a); }) ||
         apply<math::FPowIOp>(op, result,
                              [&] { return std::pow(a, exponent); }) ||
         apply<math::LogOp>(op, result, [&] { return std::log(a); }) ||
         apply<math::Log1pOp>(op, result, [&] { return std::log1p(a); }) ||
         apply<math::Log2Op>(op, result, [&] { return std::log2(a); }) ||
         apply<math::PowFOp>(op, result, [&] { return std::pow(a, b); }) ||
         apply<math::RsqrtOp>(op, result, [&] { return 1 / std::sqrt(a); }) ||
         apply<math::SinOp>(op, result, [&] { return std::sin(a); }) ||
         apply<math::SqrtOp>(op, result, [&] { return std::sqrt(a); }) ||
         apply<math::TanhOp>(op, result, [&] { return std::tanh(a); }) ||
         apply<math::AbsIOp>(op, result, [&] {
           return in[0].integer < 0 ? -in[0].integer : in[0].integer;
         }));
  return result;
}

/// Two's complement arithmetic without undefined overflow.
std::optional<Scalar> evaluateInteger(Operation &op, Operands in) {
  std::optional<Scalar> result;
  int64_t a = in.empty() ? 0 : in[0].integer,
          b = in.size() < 2 ? 0 : in[1].integer;
  auto ua = static_cast<uint64_t>(a), ub = static_cast<uint64_t>(b);
  auto wrapped = [](uint64_t value) { return static_cast<int64_t>(value); };
  (void)(apply<arith::AddIOp>(op, result, [&] { return wrapped(ua + ub); }) ||
         apply<arith::SubIOp>(op, result, [&] { return wrapped(ua - ub); }) ||
         apply<arith::MulIOp>(op, result, [&] { return wrapped(ua * ub); }) ||
         apply<arith::AndIOp>(op, result, [&] { return a & b; }) ||
         apply<arith::OrIOp>(op, result, [&] { return a | b; }) ||
         apply<arith::XOrIOp>(op, result, [&] { return a ^ b; }) ||
         apply<arith::ShLIOp>(
             op, result, [&] { return wrapped(ub < 64 ? ua << ub : 0); }) ||
         apply<arith::ShRSIOp>(
             op, result, [&] { return a >> std::min<uint64_t>(ub, 63); }) ||
         apply<arith::MaxSIOp>(op, result, [&] { return std::max(a, b); }) ||
         apply<arith::MinSIOp>(op, result, [&] { return std::min(a, b); }) ||
         apply<arith::IndexCastOp, arith::ExtSIOp, arith::TruncIOp>(
             op, result, [&] { return a; }));
  if (result || b == 0 || (b == -1 && a == std::numeric_limits<int64_t>::min()))
    return result;
  (void)(apply<arith::DivSIOp>(op, result, [&] { return a / b; }) ||
         apply<arith::RemSIOp>(op, result, [&] { return a % b; }) ||
         apply<arith::FloorDivSIOp>(
             op, result, [&] { return llvm::divideFloorSigned(a, b); }) ||
         apply<arith::CeilDivSIOp>(
             op, result, [&] { return llvm::divideCeilSigned(a, b); }));
  return result;
}

unsigned widthOf(Type type) {
  auto integer = dyn_cast<IntegerType>(type);
  return integer ? std::min(integer.getWidth(), 64u) : 64;
}

uint64_t zeroExtended(const Scalar &value, Type type) {
  return static_cast<uint64_t>(value.integer) &
         llvm::maskTrailingOnes<uint64_t>(widthOf(type));
}

std::optional<Scalar> evaluateMixed(Operation &op, Operands in) {
  if (auto select = dyn_cast<arith::SelectOp>(op))
    return in[0].integer ? in[1] : in[2];
  if (auto compare = dyn_cast<arith::CmpFOp>(op))
    return Scalar::of(int64_t(arith::applyCmpPredicate(
        compare.getPredicate(), APFloat(in[0].real), APFloat(in[1].real))));
  if (auto compare = dyn_cast<arith::CmpIOp>(op)) {
    Type type = compare.getLhs().getType();
    unsigned width = widthOf(type);
    return Scalar::of(int64_t(arith::applyCmpPredicate(
        compare.getPredicate(), APInt(width, zeroExtended(in[0], type)),
        APInt(width, zeroExtended(in[1], type)))));
  }
  if (isa<arith::SIToFPOp>(op))
    return Scalar::of(static_cast<double>(in[0].integer));
  if (isa<arith::UIToFPOp>(op))
    return Scalar::of(
        static_cast<double>(zeroExtended(in[0], op.getOperand(0).getType())));
  if (isa<arith::ExtUIOp, arith::IndexCastUIOp>(op))
    return Scalar::of(int64_t(zeroExtended(in[0], op.getOperand(0).getType())));
  if (isa<arith::FPToSIOp>(op) && std::fabs(in[0].real) < 0x1p63)
    return Scalar::of(static_cast<int64_t>(in[0].real));
  return std::nullopt;
}

std::optional<Scalar> readConstant(Value value) {
  Attribute attribute;
  if (!matchPattern(value, m_Constant(&attribute)))
    return std::nullopt;
  if (auto real = dyn_cast<FloatAttr>(attribute))
    return Scalar::of(real.getValueAsDouble());
  if (auto integer = dyn_cast<IntegerAttr>(attribute);
      integer && integer.getValue().getBitWidth() <= 64)
    return Scalar::of(integer.getValue().getSExtValue());
  return std::nullopt;
}

/// The element of `array` at the indices, or nothing outside of it.
std::optional<double> element(const Array &array, Operands indices) {
  int64_t offset = 0;
  for (auto [extent, index] : llvm::zip_equal(array.shape, indices)) {
    if (index.integer < 0 || index.integer >= extent)
      return std::nullopt;
    offset = offset * extent + index.integer;
  }
  return array.values[offset];
}
} // namespace

FailureOr<Scalar> ScalarInterpreter::get(Value value) {
  if (auto known = values.find(value); known != values.end())
    return known->second;
  if (std::optional<Scalar> constant = readConstant(value))
    return *constant;
  return emitError(value.getLoc(),
                   "expected a constant or a value of the score-mod region");
}

LogicalResult ScalarInterpreter::evaluate(Operation &op) {
  if (op.getNumResults() != 1)
    return op.emitOpError()
           << "expected a scalar operation that the reference knows";
  Type type = op.getResult(0).getType();
  std::optional<Scalar> result = readConstant(op.getResult(0));
  if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
    auto array = captures.find(extract.getTensor());
    if (array == captures.end())
      return op.emitOpError()
             << "expected the tensor that it reads among the inputs";
    SmallVector<Scalar> indices;
    for (Value index : extract.getIndices()) {
      FailureOr<Scalar> one = get(index);
      if (failed(one))
        return failure();
      indices.push_back(*one);
    }
    std::optional<double> number = element(array->second, indices);
    if (!number)
      return op.emitOpError() << "expected indices inside the tensor";
    result = isa<FloatType>(type) ? Scalar::of(*number)
                                  : Scalar::of(static_cast<int64_t>(*number));
  }
  if (!result) {
    SmallVector<Scalar> in;
    for (Value operand : op.getOperands()) {
      FailureOr<Scalar> one = get(operand);
      if (failed(one))
        return failure();
      in.push_back(*one);
    }
    for (auto *part :
         {evaluateFloat, evaluateMath, evaluateInteger, evaluateMixed})
      if (!result)
        result = part(op, in);
  }
  if (!result)
    return op.emitOpError() << "expected an operation that the reference "
                               "knows, with a defined result";
  if (auto integer = dyn_cast<IntegerType>(type);
      integer && integer.getWidth() < 64 && integer.getWidth() > 1)
    result->integer = llvm::SignExtend64(result->integer, integer.getWidth());
  if (type.isInteger(1))
    result->integer &= 1;
  values[op.getResult(0)] = *result;
  return success();
}

FailureOr<double> ScalarInterpreter::run(Block &block,
                                         ArrayRef<Scalar> arguments) {
  values.clear();
  for (auto [argument, value] :
       llvm::zip_equal(block.getArguments(), arguments))
    values[argument] = value;
  for (Operation &op : block.without_terminator())
    if (failed(evaluate(op)))
      return failure();
  FailureOr<Scalar> result =
      get(cast<YieldOp>(block.getTerminator()).getValue());
  if (failed(result))
    return failure();
  return result->real;
}
