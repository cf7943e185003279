//===- KernelBuilder.cpp - short words for kernel emitters ----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Loops, scratch and the exponential of the CPU kernel emitters.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/KernelBuilder.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace mlir::attn::cpu;

void KernelBuilder::forLoop(Value from, Value to, Value step,
                            function_ref<void(Value)> body) {
  auto loop = scf::ForOp::create(b, loc, from, to, step);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
}

SmallVector<Value> KernelBuilder::forLoop(
    Value from, Value to, int64_t step, ValueRange initial,
    function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  auto loop = scf::ForOp::create(b, loc, from, to, index(step), initial);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  scf::YieldOp::create(b, loc,
                       body(loop.getInductionVar(), loop.getRegionIterArgs()));
  return SmallVector<Value>(loop.getResults());
}

void KernelBuilder::ifThen(Value condition, function_ref<void()> body) {
  auto branch = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  body();
}

void KernelBuilder::store(Value value, Value memref, ValueRange at) {
  if (isa<VectorType>(value.getType()))
    vector::StoreOp::create(b, loc, value, memref, at);
  else
    memref::StoreOp::create(b, loc, value, memref, at);
}

Value KernelBuilder::scratch(ArrayRef<int64_t> shape, Type element) {
  return memref::AllocOp::create(b, loc, MemRefType::get(shape, element),
                                 ValueRange(), b.getI64IntegerAttr(64));
}

namespace {
/// Coefficients of 2^f on [-1/2, 1/2] from the highest degree down; the last
/// is 1. Degree 5 has relative error 2e-7, degree 11 about 1e-15 (the Taylor
/// series of e^(f ln 2)).
ArrayRef<double> exp2Coefficients(bool isDouble) {
  static constexpr double single[] = {1.33952e-3,  9.61844e-3,   5.55033e-2,
                                      2.402265e-1, 6.9314718e-1, 1.0};
  static constexpr double extended[] = {
      4.455383e-10,           7.0549116208e-09,       1.0178086009239700e-07,
      1.3215486790144309e-06, 1.5252733804059841e-05, 1.5403530393381608e-04,
      1.3333558146428443e-03, 9.6181291076284772e-03, 5.5504108664821580e-02,
      2.4022650695910072e-01, 6.9314718055994531e-01, 1.0};
  return isDouble ? ArrayRef<double>(extended) : ArrayRef<double>(single);
}

/// p * 2^w for whole w: vscalef where there is one, else by adding to the
/// exponent's bits.
Value scaleByPowerOfTwo(KernelBuilder &k, Value p, Value w) {
  OpBuilder &b = k.b;
  auto type = cast<VectorType>(p.getType());
  bool isDouble = type.getElementType().isF64();
  if (type.getNumElements() * type.getElementTypeBitWidth() == 512) {
    Value allLanes = arith::ConstantOp::create(
        b, k.loc, b.getIntegerAttr(b.getIntegerType(isDouble ? 8 : 16), -1));
    Value current = arith::ConstantOp::create(
        b, k.loc, b.getI32IntegerAttr(4)); // the current rounding direction
    auto name =
        b.getStringAttr(isDouble ? "llvm.x86.avx512.mask.scalef.pd.512"
                                 : "llvm.x86.avx512.mask.scalef.ps.512");
    return LLVM::CallIntrinsicOp::create(b, k.loc, type, name,
                                         ValueRange{p, w, p, allLanes, current})
        .getResult(0);
  }
  // A result below the smallest normal number becomes 0 rather than a wrong
  // number.
  Value smallest = k.constant(type, isDouble ? -1022 : -126);
  Value isNormal =
      arith::CmpFOp::create(b, k.loc, arith::CmpFPredicate::OGE, w, smallest);
  auto bits =
      VectorType::get(type.getShape(), b.getIntegerType(isDouble ? 64 : 32));
  Value whole =
      arith::FPToSIOp::create(b, k.loc, bits, k.select(isNormal, w, smallest));
  auto shift = DenseElementsAttr::get(
      bits, b.getIntegerAttr(bits.getElementType(), isDouble ? 52 : 23));
  Value exponent = arith::ShLIOp::create(
      b, k.loc, whole, arith::ConstantOp::create(b, k.loc, shift));
  Value sum = arith::AddIOp::create(
      b, k.loc, arith::BitcastOp::create(b, k.loc, bits, p), exponent);
  return k.select(isNormal, arith::BitcastOp::create(b, k.loc, type, sum),
                  k.constant(type, 0));
}
} // namespace

std::pair<Value, Value> KernelBuilder::butterfly(Value x, Value y,
                                                 int64_t half) {
  int64_t lanes = cast<VectorType>(x.getType()).getNumElements();
  SmallVector<int64_t> low, high;
  for (int64_t lane = 0; lane < lanes; ++lane) {
    low.push_back(lane & half ? lanes + lane - half : lane);
    high.push_back(lane & half ? lanes + lane : lane + half);
  }
  return {vector::ShuffleOp::create(b, loc, x, y, low),
          vector::ShuffleOp::create(b, loc, x, y, high)};
}

Value KernelBuilder::reduceMax(Value vector) {
  for (int64_t half = cast<VectorType>(vector.getType()).getNumElements() / 2;
       half > 0; half /= 2) {
    SmallVector<int64_t> low = llvm::to_vector(llvm::seq<int64_t>(half)),
                         high = llvm::to_vector(
                             llvm::seq<int64_t>(half, 2 * half));
    vector = maxf(vector::ShuffleOp::create(b, loc, vector, vector, low),
                  vector::ShuffleOp::create(b, loc, vector, vector, high));
  }
  return vector::ExtractOp::create(b, loc, vector, 0);
}

Value KernelBuilder::exp2(Value x, Value lowered) {
  bool isScalar = !isa<VectorType>(x.getType());
  Type element = getElementTypeOrSelf(x.getType());
  // A scalar goes through the same vector code: no call, and the same rounding
  // everywhere.
  auto type = isScalar
                  ? vectorOf(256 / element.getIntOrFloatBitWidth(), element)
                  : cast<VectorType>(x.getType());
  if (isScalar)
    x = broadcast(type, x);
  Value whole = math::RoundEvenOp::create(b, loc, x);
  Value rest = subf(x, whole);
  ArrayRef<double> coefficients = exp2Coefficients(element.isF64());
  Value p = constant(type, coefficients.front());
  for (double coefficient : coefficients.drop_front())
    p = fma(p, rest, constant(type, coefficient));
  if (lowered)
    whole = subf(whole, broadcast(type, lowered));
  Value result = scaleByPowerOfTwo(*this, p, whole);
  return isScalar ? vector::ExtractOp::create(b, loc, result, 0).getResult()
                  : result;
}
