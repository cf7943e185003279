//===- KernelBuilder.h - short words for kernel emitters --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A builder with a fixed location and the few operations that the CPU kernel
// emitters are written in: index arithmetic, counted loops, and vectors of one
// width. All values fold as they are made.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_CPU_KERNELBUILDER_H
#define ATTN_TARGET_CPU_KERNELBUILDER_H

#include "attn/Dialect/Attn/Utils/IndexMath.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"

namespace mlir::attn::cpu {

class KernelBuilder : public IndexMath {
public:
  using IndexMath::IndexMath;

  // Control flow. Bodies build at the insertion point of `b`.
  void forLoop(Value from, Value to, int64_t step,
               function_ref<void(Value)> body) {
    forLoop(from, to, index(step), body);
  }
  void forLoop(Value from, Value to, Value step,
               function_ref<void(Value)> body);
  /// A loop that carries values: the body returns the next ones; so does the
  /// call after the last.
  SmallVector<Value>
  forLoop(Value from, Value to, int64_t step, ValueRange initial,
          function_ref<SmallVector<Value>(Value, ValueRange)> body);
  void ifThen(Value condition, function_ref<void()> body);

  // Vectors of floats.
  VectorType vectorOf(int64_t lanes, Type element) {
    return VectorType::get({lanes}, element);
  }
  Value constant(Type type, double value) {
    Type element = getElementTypeOrSelf(type);
    TypedAttr attr = b.getFloatAttr(element, value);
    if (auto vector = dyn_cast<VectorType>(type))
      attr = DenseElementsAttr::get(vector, Attribute(attr));
    return arith::ConstantOp::create(b, loc, attr);
  }
  Value broadcast(Type type, Value scalar) {
    return b.createOrFold<vector::BroadcastOp>(loc, type, scalar);
  }
  Value load(VectorType type, Value memref, ValueRange at) {
    return vector::LoadOp::create(b, loc, type, memref, at);
  }
  Value load(Value memref, ValueRange at) {
    return memref::LoadOp::create(b, loc, memref, at);
  }
  void store(Value value, Value memref, ValueRange at);
  Value fma(Value x, Value y, Value z) {
    return vector::FMAOp::create(b, loc, x, y, z);
  }
  Value addf(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y); }
  Value subf(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y); }
  Value mulf(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
  Value divf(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y); }
  Value select(Value condition, Value x, Value y) {
    return arith::SelectOp::create(b, loc, condition, x, y);
  }
  Value greater(Value x, Value y) {
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, x, y);
  }
  /// x > y ? x : y, one instruction; y where either is NaN.
  Value maxf(Value x, Value y) { return select(greater(x, y), x, y); }
  /// The sum of a vector's lanes, by halves: in order it would be a chain of as
  /// many additions as there are lanes.
  Value reduceAdd(Value vector) {
    return vector::ReductionOp::create(b, loc, vector::CombiningKind::ADD,
                                       vector, arith::FastMathFlags::reassoc);
  }
  /// The largest of a vector's lanes, a power of two of them; any of them where
  /// one is NaN. By halves too, which LLVM does for a reduction only if told
  /// that there is no NaN.
  Value reduceMax(Value vector);
  /// A step of a butterfly over two vectors, `half` being a power of two: the
  /// lanes of both whose number lacks that bit, and those that have it.
  std::pair<Value, Value> butterfly(Value x, Value y, int64_t half);
  /// Lanes below `count` are set; `count` may be negative or beyond the vector.
  Value maskBelow(int64_t lanes, Value count) {
    return vector::CreateMaskOp::create(
        b, loc, VectorType::get({lanes}, b.getI1Type()), count);
  }

  /// 2^x for x <= 127 (16-lane f32: five-term polynomial and vscalef; otherwise
  /// by exponent bits); relative error 2e-7. x may be as low as -1e30, which
  /// gives 0. With a whole number `lowered`, 2^(x - lowered): the polynomial is
  /// that of x, so that the result differs from 2^x by a power of two exactly.
  Value exp2(Value x, Value lowered = Value());

  /// Uninitialised scratch of static shape, 64-byte aligned, at the insertion
  /// point.
  Value scratch(ArrayRef<int64_t> shape, Type element);
  /// The extent of a memref's dimension.
  Value dim(Value memref, int64_t position) {
    return b.createOrFold<memref::DimOp>(loc, memref, position);
  }
};

} // namespace mlir::attn::cpu

#endif // ATTN_TARGET_CPU_KERNELBUILDER_H
