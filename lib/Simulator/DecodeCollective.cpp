//===- DecodeCollective.cpp - warp, block and matrix intrinsics -----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The intrinsics that more than one lane takes part in, and asynchronous
// copies.
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"

#include "llvm/ADT/StringSwitch.h"

using namespace attn::sim;
using namespace llvm;

static std::optional<Vote> voteOf(ArrayRef<StringRef> parts) {
  using V = std::optional<Vote>;
  StringRef first = parts[0], second = parts.size() > 1 ? parts[1] : "";
  if (first == "elect")
    return Vote::Elect;
  if (parts.size() < 3)
    return std::nullopt;
  if (first == "vote" && parts[2] == "sync")
    return StringSwitch<V>(second)
        .Case("all", Vote::All)
        .Case("any", Vote::Any)
        .Case("uni", Vote::Uniform)
        .Case("ballot", Vote::Ballot)
        .Default(std::nullopt);
  if (first == "match")
    return second == "any" ? Vote::MatchAny : Vote::MatchAll;
  if (first == "redux")
    return StringSwitch<V>(parts[2])
        .Case("add", Vote::Add)
        .Case("min", Vote::Min)
        .Case("max", Vote::Max)
        .Case("umin", Vote::UMin)
        .Case("umax", Vote::UMax)
        .Case("and", Vote::And)
        .Case("or", Vote::Or)
        .Case("xor", Vote::Xor)
        .Default(std::nullopt);
  return std::nullopt;
}

Error FunctionDecoder::decodeCollective(const CallInst &call, StringRef name,
                                        Parts parts) {
  if (parts[0] == "activemask") {
    emit(activeMask, call);
    return Error::success();
  }
  SmallVector<const Value *, 4> operands(call.args());
  if (parts[0] == "shfl") {
    auto mode = parts.size() < 4
                    ? std::nullopt
                    : StringSwitch<std::optional<Shuffle>>(parts[2])
                          .Case("up", Shuffle::Up)
                          .Case("down", Shuffle::Down)
                          .Case("bfly", Shuffle::Butterfly)
                          .Case("idx", Shuffle::Index)
                          .Default(std::nullopt);
    if (!mode)
      return unknown(call, name);
    auto position = pool(operands);
    if (!position)
      return position.takeError();
    Inst &inst = emit(shuffle, call);
    inst.a = *position;
    inst.imm = uint64_t(*mode);
    inst.flags = parts[3].ends_with("p");
    return Error::success();
  }
  auto op = voteOf(parts);
  if (!op)
    return unknown(call, name);
  if (parts[0] == "redux") // value, mask
    std::swap(operands[0], operands[1]);
  auto position = pool(operands);
  if (!position)
    return position.takeError();
  Inst &inst = emit(vote, call);
  inst.a = *position;
  inst.imm = uint64_t(*op);
  return Error::success();
}

Error FunctionDecoder::decodeBarrier(const CallInst &call, StringRef name,
                                     Parts parts) {
  if (name.starts_with("llvm.nvvm.fence.proxy.async")) {
    emit(fenceProxy, call);
    return Error::success();
  }
  if (name.starts_with("llvm.nvvm.fence.mbarrier_init")) {
    emit(fenceInit, call);
    return Error::success();
  }
  if (parts[0] == "membar" || parts[0] == "fence") {
    emit(nothing, call);
    return Error::success();
  }
  SmallVector<const Value *, 4> operands(call.args());
  auto position = pool(operands);
  if (!position)
    return position.takeError();
  if (name == "llvm.nvvm.bar.warp.sync") {
    emit(warpBarrier, call).a = *position;
    return Error::success();
  }
  if (parts.size() < 4 || parts[1] != "cta" || parts[2] == "red")
    return unknown(call, name);
  Inst &inst = emit(barrier, call);
  inst.a = *position;
  inst.flags = (is_contained(parts, "count") ? kCounted : 0) |
               (parts[2] == "arrive" ? kArriveOnly : 0);
  return Error::success();
}

/// `mma.SHAPE.row.col.TYPES`; the types are D's and C's for f16 inputs.
Error FunctionDecoder::decodeMma(const CallInst &call, StringRef name,
                                 Parts parts) {
  SmallVector<const Value *, 12> operands(call.args());
  if (parts[0] != "mma") {
    // {ld,st}matrix.sync.aligned.m8n8.xN[.trans].b16
    unsigned count = parts.size() < 6 || parts.back() != "b16" ||
                             parts[3] != "m8n8" ||
                             parts[4].drop_front().getAsInteger(10, count)
                         ? 0
                         : unsigned(parts[4].back() - '0');
    if (!count)
      return unknown(call, name);
    auto address = pool(operands[0]);
    auto values = pool(ArrayRef(operands).drop_front());
    if (!address || !values)
      return joinErrors(address.takeError(), values.takeError());
    Inst &inst = emit(parts[0] == "ldmatrix" ? ldmatrix : stmatrix, call);
    inst.a = *address;
    inst.b = *values;
    inst.count = uint16_t(count);
    inst.space = uint8_t(operands[0]->getType()->getPointerAddressSpace());
    inst.flags = parts.size() == 7;
    return Error::success();
  }
  if (parts.size() < 5 || parts[2] != "row" || parts[3] != "col")
    return unknown(call, name);
  auto shape = StringSwitch<std::optional<MmaShape>>(parts[1])
                   .Case("m16n8k16", MmaShape::M16N8K16)
                   .Case("m16n8k8", MmaShape::M16N8K8)
                   .Case("m16n8k4", MmaShape::M16N8K4)
                   .Case("m8n8k4", MmaShape::M8N8K4)
                   .Default(std::nullopt);
  auto input = StringSwitch<std::optional<MmaInput>>(parts[4])
                   .Case("bf16", MmaInput::BF16)
                   .Case("tf32", MmaInput::TF32)
                   .Case("f64", MmaInput::F64)
                   .Default(std::nullopt);
  bool halves = parts.size() == 6;
  if (halves)
    input = MmaInput::F16;
  bool fits = shape && input && parts.size() <= 6 &&
              (input == MmaInput::F64) == (shape == MmaShape::M8N8K4);
  if (!fits)
    return unknown(call, name);
  auto position = pool(operands);
  if (!position)
    return position.takeError();
  bool packed = kindOf(operands[0]->getType()) == Kind::Int;
  Inst &inst = emit(mma, call);
  inst.a = *position;
  inst.imm = uint64_t(*shape) | uint64_t(*input) << 8 |
             uint64_t(halves && parts[5] == "f16") << 16 |
             uint64_t(halves && parts[4] == "f16") << 17;
  inst.flags = packed;
  return Error::success();
}

/// `cp.async.{ca,cg}.shared.global.BYTES[.s]`, groups and waits.
Error FunctionDecoder::decodeAsync(const CallInst &call, StringRef name,
                                   Parts parts) {
  if (name == "llvm.nvvm.cp.async.commit.group") {
    emit(commitGroup, call);
    return Error::success();
  }
  if (name == "llvm.nvvm.cp.async.wait.all") {
    emit(waitGroup, call).imm = ~uint64_t(0);
    return Error::success();
  }
  if (name == "llvm.nvvm.cp.async.wait.group") {
    emit(waitGroup, call).imm =
        cast<ConstantInt>(call.getArgOperand(0))->getZExtValue();
    return Error::success();
  }
  if (parts.size() > 2 && (parts[2] == "bulk" || parts[2] == "mbarrier"))
    return decodeBulkCopy(call, name, parts);
  unsigned bytes = 0;
  if (parts.size() < 6 || parts[3] != "shared" || parts[4] != "global" ||
      parts[5].getAsInteger(10, bytes) || bytes > 16)
    return unknown(call, name);
  SmallVector<const Value *, 3> operands(call.args());
  return emitElementwise(copyAsync, call, operands, Tally::Other, bytes,
                         operands.size() == 3);
}
