//===- FragmentBuilder.cpp - tiles distributed over a warp ----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The operations on fragments as NVVM instructions. Layouts are those of the
// PTX ISA: mma.m16n8k16 and mma.m16n8k8, ldmatrix.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/NVVM/FragmentBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace mlir::attn::nvvm;

Value FragmentBuilder::f32(double value) {
  return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(value));
}

Value FragmentBuilder::i32(int64_t value) {
  return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value));
}

Value FragmentBuilder::toI32(Value index) {
  return b.createOrFold<arith::IndexCastOp>(loc, b.getI32Type(), index);
}

Value FragmentBuilder::addf(Value x, Value y) {
  return arith::AddFOp::create(b, loc, x, y);
}

Value FragmentBuilder::subf(Value x, Value y) {
  return arith::SubFOp::create(b, loc, x, y);
}

Value FragmentBuilder::mulf(Value x, Value y) {
  return arith::MulFOp::create(b, loc, x, y);
}

Value FragmentBuilder::fma(Value x, Value y, Value z) {
  return math::FmaOp::create(b, loc, x, y, z);
}

Value FragmentBuilder::select(Value condition, Value x, Value y) {
  return b.createOrFold<arith::SelectOp>(loc, condition, x, y);
}

Value FragmentBuilder::both(Value x, Value y) {
  return b.createOrFold<arith::AndIOp>(loc, x, y);
}

Value FragmentBuilder::greater(Value x, Value y) {
  return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, x, y);
}

static Value callF32(FragmentBuilder &f, StringRef name, ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(f.b, f.loc, f.b.getF32Type(),
                                       f.b.getStringAttr(name), operands)
      .getResult(0);
}

Value FragmentBuilder::maxf(Value x, Value y) {
  // One instruction, where arith.maxnumf would be expanded into five.
  return callF32(*this, "llvm.maxnum.f32", {x, y});
}

Value FragmentBuilder::minimum(Value x, Value y) {
  return callF32(*this, "llvm.minimum.f32", {x, y});
}

Value FragmentBuilder::exp2(Value x) {
  return callF32(*this, "llvm.nvvm.ex2.approx.ftz.f32", x);
}

Value FragmentBuilder::log2(Value x) {
  return callF32(*this, "llvm.nvvm.lg2.approx.ftz.f", x);
}

Value FragmentBuilder::extend(Value x) {
  unsigned width = x.getType().getIntOrFloatBitWidth();
  if (width < 32)
    return arith::ExtFOp::create(b, loc, b.getF32Type(), x);
  return width == 32 ? x : arith::TruncFOp::create(b, loc, b.getF32Type(), x);
}

Value FragmentBuilder::truncate(Value x, Type element) {
  unsigned width = element.getIntOrFloatBitWidth();
  if (width < 32)
    return arith::TruncFOp::create(b, loc, element, x);
  return width == 32 ? x : arith::ExtFOp::create(b, loc, element, x);
}

void FragmentBuilder::ifThen(Value condition, function_ref<void()> body) {
  auto branch = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  body();
}

SmallVector<Value>
FragmentBuilder::ifElse(Value condition, ValueRange otherwise,
                        function_ref<SmallVector<Value>()> body) {
  auto branch = scf::IfOp::create(b, loc, otherwise.getTypes(), condition,
                                  /*addThenBlock=*/true, /*addElseBlock=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(b, loc, body());
  b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(b, loc, otherwise);
  return SmallVector<Value>(branch.getResults());
}

SmallVector<Value> FragmentBuilder::forLoop(
    Value from, Value to, int64_t step, ValueRange initial,
    function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  auto loop = scf::ForOp::create(b, loc, from, to, index(step), initial);
  OpBuilder::InsertionGuard guard(b);
  // Without carried values the loop has its terminator already.
  b.setInsertionPointToStart(loop.getBody());
  SmallVector<Value> next =
      body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!initial.empty())
    scf::YieldOp::create(b, loc, next);
  return SmallVector<Value>(loop.getResults());
}

Value FragmentBuilder::shuffleXor(Value x, int64_t mask) {
  return gpu::ShuffleOp::create(b, loc, x, mask, lanes, gpu::ShuffleMode::XOR)
      .getShuffleResult();
}

Value FragmentBuilder::rowMax(Value x) {
  x = maxf(x, shuffleXor(x, 1));
  return maxf(x, shuffleXor(x, 2));
}

Value FragmentBuilder::rowSum(Value x) {
  x = addf(x, shuffleXor(x, 1));
  return addf(x, shuffleXor(x, 2));
}

void FragmentBuilder::barrier() { NVVM::Barrier0Op::create(b, loc); }

Value FragmentBuilder::offset(Value pointer, Value bytes) {
  Value wide = b.createOrFold<arith::IndexCastOp>(loc, b.getI64Type(), bytes);
  return LLVM::GEPOp::create(b, loc, pointer.getType(), b.getI8Type(), pointer,
                             ArrayRef<LLVM::GEPArg>{wide});
}

Value FragmentBuilder::offset(Value pointer, int64_t bytes) {
  if (bytes == 0)
    return pointer;
  return LLVM::GEPOp::create(
      b, loc, pointer.getType(), b.getI8Type(), pointer,
      ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(bytes)});
}

Value FragmentBuilder::loadShared(Value pointer, Type type) {
  return LLVM::LoadOp::create(b, loc, type, pointer);
}

Accumulator FragmentBuilder::zero() { return Accumulator(4, f32(0)); }

SmallVector<Value> FragmentBuilder::loadMatrices(Value pointer,
                                                 bool isTransposed) {
  Type i32Type = b.getI32Type();
  auto type = LLVM::LLVMStructType::getLiteral(b.getContext(),
                                               SmallVector<Type>(4, i32Type));
  auto shape = NVVM::LdStMatrixShapeAttr::get(b.getContext(), 8, 8);
  Value all = NVVM::LdMatrixOp::create(b, loc, type, pointer, 4,
                                       isTransposed ? NVVM::MMALayout::col
                                                    : NVVM::MMALayout::row,
                                       shape, NVVM::LdStMatrixEltType::B16);
  SmallVector<Value> result;
  for (int64_t i = 0; i < 4; ++i)
    result.push_back(LLVM::ExtractValueOp::create(b, loc, all, i));
  return result;
}

/// x * 8193 is rounded where tf32 ends, and subtracting x * 8192 is exact: two
/// products, where `cvt.rna.tf32` becomes a comparison, a sum and a selection.
Value FragmentBuilder::roundToTf32(Value x) {
  constexpr double beyond = 1 << 13; // the bits that tf32 lacks
  return fma(x, f32(-beyond), fma(x, f32(beyond), x));
}

/// Registers of f32 rounded to tf32, and the rest where it counts.
Operand FragmentBuilder::split(ArrayRef<Value> registers, Type element) {
  Operand result;
  if (!element.isF32()) {
    result.high.assign(registers.begin(), registers.end());
    return result;
  }
  auto toWord = [&](Value x) -> Value {
    return LLVM::BitcastOp::create(b, loc, b.getI32Type(), x);
  };
  for (Value bits : registers) {
    Value whole = LLVM::BitcastOp::create(b, loc, b.getF32Type(), bits);
    Value rounded = roundToTf32(whole);
    result.high.push_back(toWord(rounded));
    if (products == F32Products::Three)
      result.low.push_back(toWord(subf(whole, rounded)));
  }
  return result;
}

Operand FragmentBuilder::loadLeft(const SharedTile &tile, Value row,
                                  int64_t step) {
  // Matrices: rows 0-7 and 8-15 of the first 16 bytes, then of the second.
  Value lane = at.lane;
  Value laneRow = b.createOrFold<arith::RemUIOp>(loc, lane, index(16)),
        chunk = b.createOrFold<arith::DivUIOp>(loc, lane, index(16));
  Value pointer = offset(
      tile.base, add(mul(add(row, laneRow), tile.pitch()), mul(chunk, 16)));
  return split(loadMatrices(offset(pointer, 32 * step), false), tile.element);
}

SmallVector<Operand> FragmentBuilder::loadRight(const SharedTile &tile,
                                                int64_t row, int64_t step) {
  // Matrices: the first 16 bytes of rows 0-7, the second, the same of rows
  // 8-15.
  Value lane = at.lane;
  Value upper = mul(b.createOrFold<arith::DivUIOp>(loc, lane, index(16)), 8);
  Value laneRow =
      add(upper, b.createOrFold<arith::RemUIOp>(loc, lane, index(8)));
  Value chunk = b.createOrFold<arith::RemUIOp>(
      loc, b.createOrFold<arith::DivUIOp>(loc, lane, index(8)), index(2));
  Value pointer =
      offset(tile.base, add(mul(laneRow, tile.pitch()), mul(chunk, 16)));
  SmallVector<Value> all = loadMatrices(
      offset(pointer, row * tile.pitch() + 32 * step), /*isTransposed=*/false);
  ArrayRef<Value> registers(all);
  return {split(registers.take_front(2), tile.element),
          split(registers.drop_front(2), tile.element)};
}

SmallVector<Operand> FragmentBuilder::loadRightByRows(const SharedTile &tile,
                                                      int64_t row,
                                                      int64_t column) {
  int64_t bytes = tile.elementBytes();
  if (bytes == 2) {
    // Matrices: rows 0-7 and 8-15 of the first 8 columns, then of the second.
    Value lane = at.lane;
    Value laneRow = b.createOrFold<arith::RemUIOp>(loc, lane, index(16)),
          chunk = b.createOrFold<arith::DivUIOp>(loc, lane, index(16));
    Value pointer =
        offset(tile.base, add(mul(laneRow, tile.pitch()), mul(chunk, 16)));
    SmallVector<Value> all = loadMatrices(
        offset(pointer, row * tile.pitch() + column * bytes), true);
    ArrayRef<Value> registers(all);
    return {split(registers.take_front(2), tile.element),
            split(registers.drop_front(2), tile.element)};
  }
  // ldmatrix transposes 16-bit elements only: two plain loads. Row 2 quad
  // stands at depth quad and row 2 quad + 1 at depth quad + 4, as in `toLeft`.
  Value pointer = offset(
      tile.base, add(mul(at.quad, 2 * tile.pitch()), mul(at.group, bytes)));
  SmallVector<Operand> result;
  for (int64_t part = 0; part < 2; ++part) {
    SmallVector<Value> registers;
    for (int64_t next = 0; next < 2; ++next)
      registers.push_back(
          loadShared(offset(pointer, (row + next) * tile.pitch() +
                                         (column + 8 * part) * bytes),
                     b.getI32Type()));
    result.push_back(split(registers, tile.element));
  }
  return result;
}

Operand FragmentBuilder::makeOperand(ArrayRef<Value> values) {
  SmallVector<Value> registers;
  for (Value value : values)
    registers.push_back(LLVM::BitcastOp::create(b, loc, b.getI32Type(), value));
  return split(registers, b.getF32Type());
}

Operand FragmentBuilder::toLeft(ArrayRef<Accumulator> parts, Type element) {
  if (element.isF32()) {
    const Accumulator &part = parts.front();
    return makeOperand({part[0], part[2], part[1], part[3]});
  }
  Operand result;
  auto wide = VectorType::get({2}, b.getF32Type()),
       narrow = VectorType::get({2}, element);
  for (const Accumulator &part : parts)
    for (int64_t half = 0; half < 2; ++half) {
      Value pair = vector::FromElementsOp::create(
          b, loc, wide, ValueRange{part[2 * half], part[2 * half + 1]});
      Value packed = arith::TruncFOp::create(b, loc, narrow, pair);
      result.high.push_back(
          LLVM::BitcastOp::create(b, loc, b.getI32Type(), packed));
    }
  return result;
}

Accumulator FragmentBuilder::issue(ArrayRef<Value> left, ArrayRef<Value> right,
                                   ArrayRef<Value> sum, Type element) {
  auto prepare = [&](ArrayRef<Value> registers) {
    SmallVector<Value> result(registers);
    if (element.isF16())
      for (Value &one : result)
        one = LLVM::BitcastOp::create(
            b, loc, VectorType::get({2}, b.getF16Type()), one);
    return result;
  };
  NVVM::MMATypes kind = element.isF16()    ? NVVM::MMATypes::f16
                        : element.isBF16() ? NVVM::MMATypes::bf16
                                           : NVVM::MMATypes::tf32;
  auto type = LLVM::LLVMStructType::getLiteral(
      b.getContext(), SmallVector<Type>(4, b.getF32Type()));
  Value all = NVVM::MmaOp::create(
      b, loc, type, prepare(left), prepare(right), sum,
      ArrayRef<int64_t>{fragmentRows, fragmentColumns, depthOf(element)},
      /*b1Op=*/std::nullopt, /*intOverflow=*/std::nullopt,
      std::array<NVVM::MMATypes, 2>{kind, kind},
      std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row,
                                     NVVM::MMALayout::col});
  Accumulator result;
  for (int64_t i = 0; i < 4; ++i)
    result.push_back(LLVM::ExtractValueOp::create(b, loc, all, i));
  return result;
}

Accumulator FragmentBuilder::multiply(const Operand &left, const Operand &right,
                                      Accumulator sum, Type element) {
  // Small terms first.
  if (!left.low.empty())
    sum = issue(left.low, right.high, sum, element);
  if (!right.low.empty())
    sum = issue(left.high, right.low, sum, element);
  return issue(left.high, right.high, sum, element);
}
