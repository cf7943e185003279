//===- DecodeCall.cpp - calls and LLVM's intrinsics -----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Calls of defined functions, the `llvm.*` intrinsics that reach the NVPTX
// backend, and libdevice's functions by name where they are not linked in.
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/IR/IntrinsicInst.h"

using namespace attn::sim;
using namespace llvm;

Error FunctionDecoder::unknown(const CallInst &call, StringRef name) {
  (void)call;
  return unsupported("a call of {0}", name);
}

Error FunctionDecoder::decodeCall(const CallInst &call) {
  if (call.isInlineAsm())
    return decodeAssembly(call);
  const llvm::Function *callee = call.getCalledFunction();
  if (!callee)
    return unsupported("an indirect call");
  if (callee->isIntrinsic())
    return decodeIntrinsic(call,
                           Intrinsic::getBaseName(callee->getIntrinsicID()));
  if (callee->isDeclaration())
    return decodeLibdevice(call, callee->getName());
  auto it = parent.functions.find(callee);
  if (it == parent.functions.end() || call.hasByValArgument())
    return unknown(call, callee->getName());
  SmallVector<const Value *> arguments(call.args());
  auto position = pool(arguments);
  if (!position)
    return position.takeError();
  Inst &inst = emit(attn::sim::call, call);
  inst.a = *position;
  inst.imm = reinterpret_cast<uint64_t>(it->second);
  return Error::success();
}

/// Intrinsics that say something but do nothing.
static bool isNote(StringRef name) {
  return StringSwitch<bool>(name)
      .Cases({"llvm.assume", "llvm.donothing", "llvm.sideeffect",
              "llvm.dbg.value", "llvm.dbg.declare", "llvm.dbg.label"},
             true)
      .Cases({"llvm.lifetime.start", "llvm.lifetime.end",
              "llvm.experimental.noalias.scope.decl", "llvm.prefetch",
              "llvm.invariant.start", "llvm.invariant.end"},
             true)
      .Default(false);
}

struct RealName {
  RealOp op;
  Tally tally;
};

static std::optional<RealName> realIntrinsic(StringRef name) {
  using R = std::optional<RealName>;
  auto plain = [](RealOp op) { return R({op, Tally::Float}); };
  auto special = [](RealOp op) { return R({op, Tally::Special}); };
  return StringSwitch<R>(name)
      .Case("llvm.fabs", plain(RealOp::Abs))
      .Case("llvm.sqrt", special(RealOp::Sqrt))
      .Case("llvm.exp", special(RealOp::Exp))
      .Case("llvm.exp2", special(RealOp::Exp2))
      .Case("llvm.exp10", special(RealOp::Exp10))
      .Case("llvm.log", special(RealOp::Log))
      .Case("llvm.log2", special(RealOp::Log2))
      .Case("llvm.log10", special(RealOp::Log10))
      .Case("llvm.sin", special(RealOp::Sin))
      .Case("llvm.cos", special(RealOp::Cos))
      .Case("llvm.tanh", special(RealOp::Tanh))
      .Case("llvm.floor", plain(RealOp::Floor))
      .Case("llvm.ceil", plain(RealOp::Ceil))
      .Case("llvm.trunc", plain(RealOp::Truncate))
      .Case("llvm.round", plain(RealOp::Round))
      .Cases({"llvm.rint", "llvm.nearbyint", "llvm.roundeven"},
             plain(RealOp::RoundEven))
      .Case("llvm.canonicalize", plain(RealOp::Canonical))
      .Cases({"llvm.minnum", "llvm.minimumnum"}, plain(RealOp::MinNumber))
      .Cases({"llvm.maxnum", "llvm.maximumnum"}, plain(RealOp::MaxNumber))
      .Case("llvm.minimum", plain(RealOp::Minimum))
      .Case("llvm.maximum", plain(RealOp::Maximum))
      .Case("llvm.copysign", plain(RealOp::CopySign))
      .Case("llvm.pow", special(RealOp::Power))
      .Cases({"llvm.fma", "llvm.fmuladd"}, plain(RealOp::Fma))
      .Default(std::nullopt);
}

static std::optional<IntegerOp> integerIntrinsic(StringRef name) {
  return StringSwitch<std::optional<IntegerOp>>(name)
      .Case("llvm.abs", IntegerOp::Abs)
      .Case("llvm.smin", IntegerOp::Min)
      .Case("llvm.smax", IntegerOp::Max)
      .Case("llvm.umin", IntegerOp::UMin)
      .Case("llvm.umax", IntegerOp::UMax)
      .Case("llvm.ctpop", IntegerOp::PopCount)
      .Case("llvm.ctlz", IntegerOp::LeadingZeros)
      .Case("llvm.cttz", IntegerOp::TrailingZeros)
      .Case("llvm.bswap", IntegerOp::ByteSwap)
      .Case("llvm.bitreverse", IntegerOp::BitReverse)
      .Case("llvm.fshl", IntegerOp::FunnelLeft)
      .Case("llvm.fshr", IntegerOp::FunnelRight)
      .Case("llvm.sadd.sat", IntegerOp::AddSaturated)
      .Case("llvm.ssub.sat", IntegerOp::SubSaturated)
      .Case("llvm.uadd.sat", IntegerOp::UAddSaturated)
      .Case("llvm.usub.sat", IntegerOp::USubSaturated)
      .Default(std::nullopt);
}

static Handler overflowIntrinsic(StringRef name) {
  return StringSwitch<Handler>(name)
      .Case("llvm.sadd.with.overflow", overflow(Instruction::Add, true))
      .Case("llvm.uadd.with.overflow", overflow(Instruction::Add, false))
      .Case("llvm.ssub.with.overflow", overflow(Instruction::Sub, true))
      .Case("llvm.usub.with.overflow", overflow(Instruction::Sub, false))
      .Case("llvm.smul.with.overflow", overflow(Instruction::Mul, true))
      .Case("llvm.umul.with.overflow", overflow(Instruction::Mul, false))
      .Default(nullptr);
}

static Handler vectorReduction(StringRef name, Kind kind, bool &isReal) {
  isReal = name.contains(".f");
  if (isReal) {
    auto op = StringSwitch<RealOp>(name)
                  .Case("llvm.vector.reduce.fadd", RealOp::Add)
                  .Case("llvm.vector.reduce.fmul", RealOp::Mul)
                  .Case("llvm.vector.reduce.fmin", RealOp::MinNumber)
                  .Case("llvm.vector.reduce.fmax", RealOp::MaxNumber)
                  .Case("llvm.vector.reduce.fminimum", RealOp::Minimum)
                  .Case("llvm.vector.reduce.fmaximum", RealOp::Maximum)
                  .Default(RealOp::Fma);
    return reduceReals(op, kind);
  }
  auto opcode = StringSwitch<unsigned>(name)
                    .Case("llvm.vector.reduce.add", Instruction::Add)
                    .Case("llvm.vector.reduce.mul", Instruction::Mul)
                    .Case("llvm.vector.reduce.and", Instruction::And)
                    .Case("llvm.vector.reduce.or", Instruction::Or)
                    .Case("llvm.vector.reduce.xor", Instruction::Xor)
                    .Default(0);
  return reduceIntegers(opcode);
}

Error FunctionDecoder::decodeIntrinsic(const CallInst &call, StringRef name) {
  // lint(function-length): one case a family of intrinsics.
  if (isNote(name))
    return Error::success();
  if (name.starts_with("llvm.nvvm."))
    return decodeNvvm(call, name);
  SmallVector<const Value *, 3> operands(call.args());
  if (auto real = realIntrinsic(name))
    return emitElementwise(realFunction(real->op, kindOf(call.getType())), call,
                           operands, real->tally);
  if (auto integer = integerIntrinsic(name)) {
    if (name == "llvm.abs" || name == "llvm.ctlz" || name == "llvm.cttz")
      operands.pop_back(); // whether something is poison
    return emitElementwise(integerFunction(*integer), call, operands,
                           Tally::Integer);
  }
  if (Handler run = overflowIntrinsic(name)) {
    if (call.getType()->getStructElementType(0)->isVectorTy())
      return unknown(call, name);
    if (Error error = emitElementwise(run, call, operands, Tally::Integer))
      return error;
    out.code.back().bits = uint16_t(bitsOf(operands[0]->getType(), layout));
    return Error::success();
  }
  if (name == "llvm.memcpy" || name == "llvm.memmove" ||
      name == "llvm.memset" || name == "llvm.memcpy.inline" ||
      name == "llvm.memset.inline")
    return decodeMemoryIntrinsic(call, name);
  if (name == "llvm.is.fpclass")
    return emitElementwise(isClass(kindOf(operands[0]->getType())), call,
                           {operands[0]}, Tally::Float,
                           cast<ConstantInt>(operands[1])->getZExtValue());
  if (name == "llvm.fptosi.sat" || name == "llvm.fptoui.sat")
    return emitElementwise(realToInteger(kindOf(operands[0]->getType()),
                                         name == "llvm.fptosi.sat"),
                           call, operands, Tally::Integer);
  if (name.starts_with("llvm.vector.reduce.")) {
    bool isReal = false;
    Handler run = vectorReduction(name, kindOf(call.getType()), isReal);
    auto count = cellCount(operands.back()->getType());
    if (!run || !count) {
      consumeError(count.takeError());
      return unknown(call, name);
    }
    bool hasStart = operands.size() == 2; // a plain one starts from itself
    const Value *vector = operands.back();
    auto position = pool(vector);
    auto start = pool(hasStart ? operands[0] : vector);
    if (!position || !start)
      return joinErrors(position.takeError(), start.takeError());
    Inst &inst = emit(run, call);
    inst.a = *position;
    inst.b = *start;
    inst.imm = *count;
    inst.tally = isReal ? Tally::Float : Tally::Integer;
    return Error::success();
  }
  if (name == "llvm.trap" || name == "llvm.debugtrap") {
    emit(unreachable, call).imm = 1;
    return Error::success();
  }
  if (name == "llvm.expect" || name == "llvm.launder.invariant.group" ||
      name == "llvm.strip.invariant.group" || name == "llvm.ssa.copy")
    return emitElementwise(attn::sim::copy, call, {operands[0]}, Tally::Other);
  return unknown(call, name);
}

/// The operation of `__nv_NAMEf` (f32) or `__nv_NAME` (f64).
static std::optional<RealName> libdeviceName(StringRef name) {
  if (auto real = realIntrinsic(("llvm." + name).str()))
    return real;
  using R = std::optional<RealName>;
  auto special = [](RealOp op) { return R({op, Tally::Special}); };
  auto plain = [](RealOp op) { return R({op, Tally::Float}); };
  return StringSwitch<R>(name)
      .Case("fast_exp", special(RealOp::Exp))
      .Case("fast_log", special(RealOp::Log))
      .Case("fast_log2", special(RealOp::Log2))
      .Case("fast_sin", special(RealOp::Sin))
      .Case("fast_cos", special(RealOp::Cos))
      .Case("fast_pow", special(RealOp::Power))
      .Case("rsqrt", special(RealOp::Rsqrt))
      .Case("erf", special(RealOp::Erf))
      .Case("fmin", plain(RealOp::MinNumber))
      .Case("fmax", plain(RealOp::MaxNumber))
      .Case("fmod", plain(RealOp::Rem))
      .Default(std::nullopt);
}

static size_t operandsOf(RealOp op) {
  return op == RealOp::Fma ? 3 : op < RealOp::Add ? 1 : 2;
}

Error FunctionDecoder::decodeLibdevice(const CallInst &call, StringRef name) {
  StringRef rest = name;
  Kind kind = kindOf(call.getType());
  if (!rest.consume_front("__nv_") || (kind != Kind::F32 && kind != Kind::F64))
    return unknown(call, name);
  if (kind == Kind::F32 && !libdeviceName(rest))
    rest.consume_back("f");
  auto real = libdeviceName(rest);
  SmallVector<const Value *, 3> operands(call.args());
  // Nobody checked this declaration.
  auto fits = [&](const Value *operand) {
    return operand->getType() == call.getType();
  };
  if (!real || call.getType()->isVectorTy() ||
      operands.size() != operandsOf(real->op) || !all_of(operands, fits))
    return unknown(call, name);
  return emitElementwise(realFunction(real->op, kind), call, operands,
                         real->tally);
}
