//===- DecodeInstruction.cpp - LLVM's own instructions --------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Arithmetic, casts, control and vector elements; calls and memory are in files
// of their own.
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"
#include "Numbers.h"

using namespace attn::sim;
using namespace llvm;

Inst &FunctionDecoder::emit(Handler run, const Instruction &at) {
  Inst inst;
  inst.run = run;
  inst.source = sourceOf(at);
  auto it = cells.find(&at);
  if (it != cells.end() && !it->second.empty()) {
    inst.dst = it->second.front();
    inst.count = uint16_t(it->second.size());
    inst.bits = uint16_t(bitsOf(at.getType(), layout));
  }
  out.code.push_back(inst);
  return out.code.back();
}

Error FunctionDecoder::emitElementwise(Handler run, const Instruction &at,
                                       ArrayRef<const Value *> operands,
                                       Tally tally, uint64_t imm,
                                       uint8_t flags) {
  if (!run)
    return unsupported("{0}", at.getOpcodeName());
  uint32_t positions[3] = {0, 0, 0};
  for (auto [k, operand] : enumerate(operands)) {
    auto position = pool(operand);
    if (!position)
      return position.takeError();
    positions[k] = *position;
  }
  Inst &inst = emit(run, at);
  inst.a = positions[0];
  inst.b = positions[1];
  inst.c = positions[2];
  inst.tally = tally;
  inst.imm = imm;
  inst.flags = flags;
  return Error::success();
}

static std::optional<RealOp> realOpOf(unsigned opcode) {
  switch (opcode) {
  case Instruction::FAdd:
    return RealOp::Add;
  case Instruction::FSub:
    return RealOp::Sub;
  case Instruction::FMul:
    return RealOp::Mul;
  case Instruction::FDiv:
    return RealOp::Div;
  case Instruction::FRem:
    return RealOp::Rem;
  case Instruction::FNeg:
    return RealOp::Neg;
  default:
    return std::nullopt;
  }
}

Error FunctionDecoder::decodeInstruction(const Instruction &inst) {
  if (inst.isTerminator())
    return decodeTerminator(inst);
  if (auto op = realOpOf(inst.getOpcode())) {
    SmallVector<const Value *, 2> operands(inst.operand_values());
    return emitElementwise(realFunction(*op, kindOf(inst.getType())), inst,
                           operands, Tally::Float);
  }
  if (inst.isBinaryOp())
    return emitElementwise(integerBinary(inst.getOpcode()), inst,
                           {inst.getOperand(0), inst.getOperand(1)},
                           Tally::Integer);
  if (auto *cast = dyn_cast<CastInst>(&inst))
    return decodeCast(*cast);
  if (auto *compare = dyn_cast<CmpInst>(&inst)) {
    const Type *type = compare->getOperand(0)->getType();
    bool real = isa<FCmpInst>(compare);
    if (Error error = emitElementwise(
            real ? realCompare(kindOf(type))
                 : integerCompare(compare->getPredicate()),
            inst, {inst.getOperand(0), inst.getOperand(1)},
            real ? Tally::Float : Tally::Integer, compare->getPredicate()))
      return error;
    out.code.back().bits = uint16_t(bitsOf(type, layout));
    return Error::success();
  }
  switch (inst.getOpcode()) {
  case Instruction::GetElementPtr:
    return decodeAddress(cast<GetElementPtrInst>(inst));
  case Instruction::Alloca:
    return decodeAlloca(cast<AllocaInst>(inst));
  case Instruction::Load:
    return decodeLoad(cast<LoadInst>(inst));
  case Instruction::Store:
    return decodeStore(cast<StoreInst>(inst));
  case Instruction::AtomicRMW:
    return decodeAtomic(cast<AtomicRMWInst>(inst));
  case Instruction::AtomicCmpXchg:
    return decodeCompareExchange(cast<AtomicCmpXchgInst>(inst));
  case Instruction::Fence:
    emit(nothing, inst);
    return Error::success();
  case Instruction::Select:
    return decodeSelect(cast<SelectInst>(inst));
  case Instruction::ExtractElement:
  case Instruction::InsertElement:
    return decodeElement(inst);
  case Instruction::Call:
    return decodeCall(cast<CallInst>(inst));
  default:
    return unsupported("the instruction {0}", inst.getOpcodeName());
  }
}

Error FunctionDecoder::decodeCast(const CastInst &cast) {
  const Value *source = cast.getOperand(0);
  Type *from = source->getType(), *to = cast.getType();
  Handler run = nullptr;
  Tally tally = Tally::Integer;
  switch (cast.getOpcode()) {
  case Instruction::Trunc:
  case Instruction::ZExt:
  case Instruction::PtrToInt:
  case Instruction::PtrToAddr:
  case Instruction::IntToPtr:
    run = integerCast(/*isSigned=*/false);
    break;
  case Instruction::SExt:
    run = integerCast(/*isSigned=*/true);
    break;
  case Instruction::FPTrunc:
  case Instruction::FPExt:
    run = realCast(kindOf(from), kindOf(to));
    tally = Tally::Float;
    break;
  case Instruction::FPToSI:
  case Instruction::FPToUI:
    run = realToInteger(kindOf(from), cast.getOpcode() == Instruction::FPToSI);
    break;
  case Instruction::SIToFP:
  case Instruction::UIToFP:
    run = integerToReal(kindOf(to), cast.getOpcode() == Instruction::SIToFP);
    break;
  case Instruction::BitCast:
    return decodeBitcast(cast, source);
  case Instruction::AddrSpaceCast: {
    auto shift = windowShiftOf(from->getScalarType()->getPointerAddressSpace(),
                               to->getScalarType()->getPointerAddressSpace());
    if (!shift)
      return shift.takeError();
    return emitElementwise(windowShift, cast, {source}, tally, *shift);
  }
  default:
    break;
  }
  if (Error error = emitElementwise(run, cast, {source}, tally))
    return error;
  out.code.back().from = uint16_t(bitsOf(from, layout));
  return Error::success();
}

Error FunctionDecoder::decodeBitcast(const Instruction &inst,
                                     const Value *source) {
  unsigned from = bitsOf(source->getType(), layout),
           to = bitsOf(inst.getType(), layout);
  if (std::max(from, to) % std::min(from, to))
    return unsupported("a cast from {0} to {1}", print(source->getType()),
                       print(inst.getType()));
  if (Error error = emitElementwise(bitcast, inst, {source}, Tally::Other))
    return error;
  out.code.back().from = uint16_t(from);
  return Error::success();
}

Error FunctionDecoder::decodeAddress(const GetElementPtrInst &gep) {
  if (gep.getType()->isVectorTy())
    return unsupported("a vector of addresses");
  unsigned bits = bitsOf(gep.getType(), layout);
  SmallMapVector<Value *, APInt, 4> scales;
  APInt constant(layout.getIndexTypeSizeInBits(gep.getType()), 0);
  if (!cast<GEPOperator>(gep).collectOffset(layout, bits, scales, constant))
    return unsupported("an address of a scalable type");
  auto base = cellsOf(gep.getPointerOperand());
  if (!base)
    return base.takeError();
  uint32_t at = pool(*base);
  int64_t offset = constant.getSExtValue();
  // The constant goes with the first step, where it fits.
  bool fits = offset == int32_t(offset) && !scales.empty();
  if (!fits) {
    Inst &inst = emit(windowShift, gep);
    inst.a = at;
    inst.imm = uint64_t(offset);
    inst.tally = Tally::Integer;
    at = pool(ArrayRef<uint32_t>(inst.dst));
    offset = 0;
  }
  for (auto &[index, scale] : scales) {
    auto second = pool(index);
    if (!second)
      return second.takeError();
    Inst &inst = emit(addScaled, gep);
    inst.a = at;
    inst.b = *second;
    inst.imm = uint64_t(scale.getSExtValue());
    inst.from = uint16_t(bitsOf(index->getType(), layout));
    inst.extra = uint32_t(int32_t(offset));
    inst.tally = Tally::Integer;
    at = pool(ArrayRef<uint32_t>(inst.dst));
    offset = 0;
  }
  return Error::success();
}

Error FunctionDecoder::decodeSelect(const SelectInst &select) {
  const Value *condition = select.getCondition();
  if (Error error = emitElementwise(
          attn::sim::select, select,
          {select.getTrueValue(), select.getFalseValue(), condition},
          Tally::Integer))
    return error;
  out.code.back().flags = condition->getType()->isVectorTy();
  return Error::success();
}

Error FunctionDecoder::decodeElement(const Instruction &inst) {
  bool extract = isa<ExtractElementInst>(inst);
  auto elements = cellCount(inst.getOperand(0)->getType());
  if (!elements)
    return elements.takeError();
  SmallVector<const Value *, 3> operands(inst.operand_values());
  return emitElementwise(extract ? extractElement : insertElement, inst,
                         operands, Tally::Other, *elements);
}

Error FunctionDecoder::decodeTerminator(const Instruction &inst) {
  switch (inst.getOpcode()) {
  case Instruction::Ret: {
    const Value *value = cast<ReturnInst>(inst).getReturnValue();
    uint32_t position = 0;
    unsigned count = 0;
    if (value) {
      auto list = cellsOf(value);
      if (!list)
        return list.takeError();
      position = pool(*list);
      count = unsigned(list->size());
    }
    Inst &ret = emit(returnValue, inst);
    ret.a = position;
    ret.count = uint16_t(count);
    return Error::success();
  }
  case Instruction::Unreachable:
    emit(unreachable, inst);
    return Error::success();
  case Instruction::Switch: {
    auto &choice = cast<SwitchInst>(inst);
    auto position = pool(choice.getCondition());
    if (!position)
      return position.takeError();
    Inst &next = emit(switchBranch, inst);
    next.a = *position;
    next.imm = choice.getNumCases();
    next.c = uint32_t(out.cases.size());
    next.extra = addEdge(inst.getParent(), choice.getDefaultDest());
    for (auto &one : choice.cases()) {
      out.cases.push_back(one.getCaseValue()->getValue().getLimitedValue());
      addEdge(inst.getParent(), one.getCaseSuccessor());
    }
    return Error::success();
  }
  case Instruction::Br: {
    auto &next = cast<BranchInst>(inst);
    if (!next.isConditional()) {
      emit(branch, inst).extra =
          addEdge(inst.getParent(), next.getSuccessor(0));
      return Error::success();
    }
    auto position = pool(next.getCondition());
    if (!position)
      return position.takeError();
    Inst &code = emit(condBranch, inst);
    code.a = *position;
    code.extra = addEdge(inst.getParent(), next.getSuccessor(0));
    addEdge(inst.getParent(), next.getSuccessor(1));
    return Error::success();
  }
  default:
    return unsupported("the terminator {0}", inst.getOpcodeName());
  }
}
