//===- InstructionCost.cpp - what machine code takes ----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Constant offsets go into loads and stores, a product that only a sum uses
// becomes part of it, 64 bits are two times 32.
//
//===----------------------------------------------------------------------===//

#include "InstructionCost.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/DerivedTypes.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"

using namespace attn::sim;
using namespace llvm;

static constexpr Cost kNone = {Pipe::Other, 0};

static unsigned elementsOf(Type *type) {
  if (auto *vector = dyn_cast<FixedVectorType>(type))
    return vector->getNumElements();
  return 1;
}

/// Registers of an element.
static unsigned wordsOf(Type *type, const DataLayout &layout) {
  return layout.getTypeSizeInBits(type->getScalarType()).getFixedValue() > 32
             ? 2
             : 1;
}

/// Half types go by pairs.
static unsigned realSlots(Type *type) {
  unsigned elements = elementsOf(type);
  return type->getScalarSizeInBits() == 16 ? (elements + 1) / 2 : elements;
}

/// A product that the one sum that uses it takes in.
static bool isFused(const Instruction &inst) {
  if (inst.getOpcode() != Instruction::FMul || !inst.hasOneUse())
    return false;
  auto *user = cast<Instruction>(*inst.user_begin());
  return user->getParent() == inst.getParent() &&
         (user->getOpcode() == Instruction::FAdd ||
          user->getOpcode() == Instruction::FSub);
}

static Cost addressCost(const GetElementPtrInst &gep) {
  if (gep.hasAllConstantIndices())
    return kNone;
  // 32 bits are enough for shared memory.
  return {Pipe::Alu, gep.getPointerAddressSpace() == 3 ? 1u : 2u};
}

static Cost integerCost(const Instruction &inst, const DataLayout &layout) {
  unsigned words = wordsOf(inst.getType(), layout),
           elements = elementsOf(inst.getType());
  bool byConstant = isa<Constant>(inst.getOperand(1));
  switch (inst.getOpcode()) {
  case Instruction::Mul:
    return {Pipe::Fma, elements * (words == 2 ? 4 : 1)};
  case Instruction::UDiv:
  case Instruction::SDiv:
  case Instruction::URem:
  case Instruction::SRem: // by constants a product; else a loop-free sequence,
    // of 32 bits wherever both numbers have no more
    return {Pipe::Alu, elements * (byConstant   ? words == 2 ? 12u : 5u
                                   : words == 2 ? 25u
                                                : 20u)};
  default:
    return {Pipe::Alu, elements * words};
  }
}

static Cost castCost(const CastInst &cast) {
  unsigned elements = elementsOf(cast.getType());
  switch (cast.getOpcode()) {
  case Instruction::FPTrunc: // two elements to one register
    return {Pipe::Convert, realSlots(cast.getType())};
  case Instruction::FPExt:
    // bf16 is the upper half of f32.
    if (cast.getSrcTy()->getScalarType()->isBFloatTy())
      return {Pipe::Alu, elements};
    // HADD2.F32
    if (cast.getSrcTy()->getScalarType()->isHalfTy())
      return {Pipe::Fma, elements};
    return {Pipe::Convert, elements};
  case Instruction::FPToSI:
  case Instruction::FPToUI:
  case Instruction::SIToFP:
  case Instruction::UIToFP:
    return {Pipe::Convert, elements};
  case Instruction::SExt:
    return {Pipe::Alu, elements};
  default:
    return kNone;
  }
}

/// Of llvm.nvvm.NAME.
static Cost nvvmCost(StringRef name, unsigned elements) {
  auto starts = [&](ArrayRef<StringRef> list) {
    return any_of(list, [&](StringRef one) { return name.starts_with(one); });
  };
  if (starts({"read.ptx.sreg"}))
    return {};
  if (starts({"ex2", "lg2", "rcp", "rsqrt", "sqrt", "sin", "cos", "tanh"}))
    return {Pipe::Special, elements};
  if (starts({"f2tf32"})) // compared, added to and selected
    return {Pipe::Alu, 3 * elements};
  if (starts({"f2", "ff2", "i2f", "ui2f", "ll2f", "ull2f"}))
    return {Pipe::Convert, elements};
  if (starts({"fmax", "fmin", "prmt", "isspacep"}))
    return {Pipe::Alu, elements};
  if (starts({"fma", "add", "mul", "div"}))
    return {Pipe::Fma, elements};
  return {}; // one instruction of a pipe that is counted by itself
}

static Cost callCost(const CallInst &call, const DataLayout &layout) {
  const llvm::Function *callee = call.getCalledFunction();
  if (!callee)
    return {}; // inline assembly
  if (!callee->isIntrinsic())
    return {Pipe::Other, 4}; // a call and its return
  StringRef name = callee->getName();
  name.consume_front("llvm.");
  Type *type = call.getType();
  unsigned elements = realSlots(type);
  if (name.consume_front("nvvm."))
    return nvvmCost(name, elements);
  unsigned words = type->isIntOrIntVectorTy() ? wordsOf(type, layout) : 1;
  return StringSwitch<Cost>(name.split('.').first)
      .Cases({"fma", "fmuladd"}, {Pipe::Fma, elements})
      .Cases({"maxnum", "minnum", "maximum", "minimum", "maximumnum",
              "minimumnum"},
             {Pipe::Alu, elements})
      .Cases({"smax", "smin", "umax", "umin", "abs"},
             {Pipe::Alu, elementsOf(type) * (words == 2 ? 4 : 1)})
      .Cases({"sqrt", "exp2", "log2", "sin", "cos"}, {Pipe::Special, elements})
      .Cases({"floor", "ceil", "trunc", "rint", "roundeven", "nearbyint"},
             {Pipe::Convert, elements})
      .Cases({"fabs", "assume", "lifetime", "experimental"}, kNone)
      .Default({Pipe::Alu, 1});
}

Cost attn::sim::costOf(const Instruction &inst, const DataLayout &layout) {
  switch (inst.getOpcode()) {
  case Instruction::FAdd:
  case Instruction::FSub:
  case Instruction::FMul:
    return isFused(inst) ? kNone : Cost{Pipe::Fma, realSlots(inst.getType())};
  case Instruction::FDiv: // a reciprocal and its correction
    return {Pipe::Fma, 8 * elementsOf(inst.getType())};
  case Instruction::FRem:
    return {Pipe::Fma, 30 * elementsOf(inst.getType())};
  case Instruction::FCmp:
    return {Pipe::Alu, elementsOf(inst.getType())};
  case Instruction::ICmp:
    return {Pipe::Alu, elementsOf(inst.getType()) *
                           wordsOf(inst.getOperand(0)->getType(), layout)};
  case Instruction::Select:
    return {Pipe::Alu,
            realSlots(inst.getType()) * wordsOf(inst.getType(), layout)};
  case Instruction::GetElementPtr:
    return addressCost(cast<GetElementPtrInst>(inst));
  case Instruction::Call:
    return callCost(cast<CallInst>(inst), layout);
  case Instruction::Load:
  case Instruction::Store: {
    Type *type = getLoadStoreType(&inst);
    constexpr uint64_t widest = 16;
    uint64_t bytes = layout.getTypeStoreSize(type);
    return {Pipe::Other, unsigned((bytes + widest - 1) / widest)};
  }
  case Instruction::FNeg:
  case Instruction::Freeze:
  case Instruction::ExtractElement:
  case Instruction::InsertElement:
  case Instruction::ShuffleVector:
  case Instruction::Alloca:
    return kNone;
  default:
    break;
  }
  if (auto *conversion = dyn_cast<CastInst>(&inst))
    return castCost(*conversion);
  if (inst.isBinaryOp())
    return integerCost(inst, layout);
  return {}; // control, atomics, fences
}
