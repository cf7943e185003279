//===- DecodeNvvm.cpp - the intrinsics of NVVM ----------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Names are taken apart at their dots: the first parts say the operation, the
// others are modifiers. Whatever is not recognised in full is an error.
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"

#include "llvm/ADT/StringSwitch.h"

using namespace attn::sim;
using namespace llvm;

static std::optional<Special> specialOf(StringRef name) {
  using S = std::optional<Special>;
  return StringSwitch<S>(name)
      .Case("tid.x", Special::TidX)
      .Case("tid.y", Special::TidY)
      .Case("tid.z", Special::TidZ)
      .Case("ntid.x", Special::NtidX)
      .Case("ntid.y", Special::NtidY)
      .Case("ntid.z", Special::NtidZ)
      .Cases({"ctaid.x", "clusterid.x"}, Special::CtaidX)
      .Cases({"ctaid.y", "clusterid.y"}, Special::CtaidY)
      .Cases({"ctaid.z", "clusterid.z"}, Special::CtaidZ)
      .Cases({"nctaid.x", "nclusterid.x"}, Special::NctaidX)
      .Cases({"nctaid.y", "nclusterid.y"}, Special::NctaidY)
      .Cases({"nctaid.z", "nclusterid.z"}, Special::NctaidZ)
      .Case("laneid", Special::LaneId)
      .Case("warpid", Special::WarpId)
      .Case("nwarpid", Special::WarpCount)
      .Case("warpsize", Special::WarpSize)
      .Cases({"smid", "gridid", "cluster.ctarank", "cluster.ctaid.x"},
             Special::Zero)
      .Cases({"cluster.ctaid.y", "cluster.ctaid.z"}, Special::Zero)
      .Cases({"nsmid", "cluster.nctarank", "cluster.nctaid.x"}, Special::One)
      .Cases({"cluster.nctaid.y", "cluster.nctaid.z"}, Special::One)
      .Cases({"clock", "clock64", "globaltimer", "globaltimer.lo"},
             Special::Steps)
      .Case("lanemask.eq", Special::MaskEq)
      .Case("lanemask.lt", Special::MaskLt)
      .Case("lanemask.le", Special::MaskLe)
      .Case("lanemask.gt", Special::MaskGt)
      .Case("lanemask.ge", Special::MaskGe)
      .Case("dynamic_smem_size", Special::DynamicShared)
      .Cases({"total_smem_size", "aggr_smem_size"}, Special::TotalShared)
      .Default(std::nullopt);
}

static bool has(ArrayRef<StringRef> parts, StringRef part) {
  return is_contained(parts, part);
}

Error FunctionDecoder::decodeNvvm(const CallInst &call, StringRef name) {
  StringRef rest = name;
  rest.consume_front("llvm.nvvm.");
  if (rest.consume_front("read.ptx.sreg.")) {
    auto special = specialOf(rest);
    if (!special)
      return unknown(call, name);
    emit(specialRegister, call).imm = uint64_t(*special);
    return Error::success();
  }
  SmallVector<StringRef, 8> parts;
  rest.split(parts, '.');
  StringRef first = parts[0];
  if (first == "shfl" || first == "vote" || first == "match" ||
      first == "redux" || first == "elect" || first == "activemask")
    return decodeCollective(call, name, parts);
  if (first == "barrier" || first == "bar" || first == "membar" ||
      first == "fence")
    return decodeBarrier(call, name, parts);
  if (first == "mma" || first == "ldmatrix" || first == "stmatrix")
    return decodeMma(call, name, parts);
  if (first == "cp")
    return decodeAsync(call, name, parts);
  if (first == "mbarrier")
    return decodeMBarrier(call, name, parts);
  if (first == "isspacep") {
    uint8_t space = StringSwitch<uint8_t>(parts[1])
                        .Case("shared", 3)
                        .Case("local", 5)
                        .Case("global", 1)
                        .Default(0);
    if (!space || parts.size() > 2)
      return unknown(call, name);
    if (Error error = emitElementwise(isSpace, call, {call.getArgOperand(0)},
                                      Tally::Integer))
      return error;
    out.code.back().space = space;
    return Error::success();
  }
  if (first == "exit") {
    emit(exitLanes, call);
    return Error::success();
  }
  if (first == "nanosleep") {
    emit(yieldWarp, call);
    return Error::success();
  }
  if (first == "wgmma")
    return decodeProducts(call, name, parts);
  if (first == "setmaxnreg") {
    emit(setRegisters, call).imm =
        cast<ConstantInt>(call.getArgOperand(0))->getZExtValue();
    return Error::success();
  }
  if (first == "prefetch" && has(parts, "tensormap"))
    return decodeTensorCopy(call, name, parts);
  if (first == "prefetch" || first == "griddepcontrol" || first == "pm")
    return Error::success();
  return decodeNvvmMath(call, name, parts);
}

static std::optional<RealOp> mathOf(StringRef first, ArrayRef<StringRef> parts,
                                    Tally &tally) {
  using R = std::optional<RealOp>;
  tally = StringSwitch<Tally>(first)
              .Cases({"ex2", "lg2", "rcp", "rsqrt", "sqrt", "sin", "cos"},
                     Tally::Special)
              .Default(Tally::Float);
  bool nan = has(parts, "nan");
  return StringSwitch<R>(first)
      .Case("ex2", RealOp::Exp2)
      .Case("lg2", RealOp::Log2)
      .Case("rcp", RealOp::Reciprocal)
      .Case("rsqrt", RealOp::Rsqrt)
      .Case("sqrt", RealOp::Sqrt)
      .Case("sin", RealOp::Sin)
      .Case("cos", RealOp::Cos)
      .Case("add", RealOp::Add)
      .Case("mul", RealOp::Mul)
      .Case("div", RealOp::Div)
      .Case("fma", RealOp::Fma)
      .Case("fmax", nan ? RealOp::Maximum : RealOp::MaxNumber)
      .Case("fmin", nan ? RealOp::Minimum : RealOp::MinNumber)
      .Case("fabs", RealOp::Abs)
      .Case("floor", RealOp::Floor)
      .Case("ceil", RealOp::Ceil)
      .Case("trunc", RealOp::Truncate)
      .Case("round", RealOp::RoundEven)
      .Case("saturate", RealOp::Saturate)
      .Case("neg", RealOp::Neg)
      .Default(std::nullopt);
}

static std::optional<IntegerOp> integerOf(StringRef name) {
  return StringSwitch<std::optional<IntegerOp>>(name)
      .Cases({"mulhi.i", "mulhi.ll", "mulhi.s"}, IntegerOp::MulHigh)
      .Cases({"mulhi.ui", "mulhi.ull", "mulhi.us"}, IntegerOp::UMulHigh)
      .Case("prmt", IntegerOp::Permute)
      .Case("flo.u", IntegerOp::FindLeading)
      .Default(std::nullopt);
}

Error FunctionDecoder::decodeNvvmMath(const CallInst &call, StringRef name,
                                      Parts parts) {
  StringRef rest = name.drop_front(StringRef("llvm.nvvm.").size());
  SmallVector<const Value *, 3> operands(call.args());
  if (auto integer = integerOf(rest)) {
    if (Error error = emitElementwise(integerFunction(*integer), call, operands,
                                      Tally::Integer))
      return error;
    out.code.back().bits = uint16_t(bitsOf(operands[0]->getType(), layout));
    return Error::success();
  }
  Tally tally;
  auto op = mathOf(parts[0], parts, tally);
  bool directed = has(parts, "rz") || has(parts, "rm") || has(parts, "rp");
  if (!op || directed || has(parts, "xorsign") || has(parts, "sat"))
    return decodeNvvmConvert(call, name, parts);
  uint8_t flags =
      (has(parts, "ftz") ? kFlush : 0) | (has(parts, "relu") ? kRelu : 0);
  if (kindOf(call.getType()) == Kind::Int)
    return unknown(call, name);
  return emitElementwise(realFunction(*op, kindOf(call.getType())), call,
                         operands, tally, 0, flags);
}

static unsigned roundingOf(ArrayRef<StringRef> parts) {
  return has(parts, "rn") ? 1 : has(parts, "rm") ? 2 : has(parts, "rp") ? 3 : 0;
}

Error FunctionDecoder::decodeNvvmConvert(const CallInst &call, StringRef name,
                                         Parts parts) {
  StringRef first = parts[0];
  SmallVector<const Value *, 3> operands(call.args());
  uint8_t flags = has(parts, "relu") ? kRelu : 0;
  if (has(parts, "satfinite") || operands.empty())
    return unknown(call, name);
  Kind from = kindOf(operands[0]->getType());
  if (first == "f2tf32" && !has(parts, "rz") && !flags)
    return emitElementwise(roundToTf32, call, operands, Tally::Float,
                           has(parts, "rna"));
  bool nearest = has(parts, "rn");
  if ((first == "f2bf16" || first == "f2f16" || first == "f2h" ||
       first == "bf2h") &&
      nearest) {
    Kind to = first == "f2bf16" ? Kind::BF16 : Kind::F16;
    return emitElementwise(realCast(from, to), call, operands, Tally::Float, 0,
                           flags);
  }
  if ((first == "ff2bf16x2" || first == "ff2f16x2") && nearest) {
    // The first operand goes to the upper half.
    auto position = pool({operands[1], operands[0]});
    if (!position)
      return position.takeError();
    Kind to = first == "ff2bf16x2" ? Kind::BF16 : Kind::F16;
    Inst &inst = emit(realCast(Kind::F32, to), call);
    inst.a = *position;
    inst.flags = flags;
    inst.tally = Tally::Float;
    return Error::success();
  }
  bool isSigned = !first.contains("2u");
  if (first == "f2i" || first == "f2ll" || first == "d2i" || first == "d2ll" ||
      first == "f2ui" || first == "f2ull" || first == "d2ui" ||
      first == "d2ull")
    if (parts[1] != "hi" && parts[1] != "lo")
      return emitElementwise(realToInteger(from, isSigned), call, operands,
                             Tally::Integer, roundingOf(parts));
  bool integer = first == "i2f" || first == "i2d" || first == "ll2f" ||
                 first == "ll2d" || first == "ui2f" || first == "ui2d" ||
                 first == "ull2f" || first == "ull2d";
  if (integer && nearest) {
    if (Error error = emitElementwise(
            integerToReal(kindOf(call.getType()), !first.starts_with("u")),
            call, operands, Tally::Integer))
      return error;
    out.code.back().from = uint16_t(bitsOf(operands[0]->getType(), layout));
    return Error::success();
  }
  return unknown(call, name);
}
