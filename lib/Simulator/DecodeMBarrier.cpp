//===- DecodeMBarrier.cpp - mbarrier intrinsics and known assembly --------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// mbarriers, bulk copies, and the inline assembly that MLIR's NVVM dialect
// emits for operations without an intrinsic.
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/InlineAsm.h"

using namespace attn::sim;
using namespace llvm;

/// mbarrier.{init,inval,arrive,test.wait,try.wait,expect.tx,complete.tx}…
Error FunctionDecoder::decodeMBarrier(const CallInst &call, StringRef name,
                                      Parts parts) {
  auto has = [&](StringRef part) { return is_contained(parts, part); };
  StringRef second = parts.size() > 1 ? parts[1] : "";
  if (has("drop") || has("pending") || call.arg_empty() ||
      !call.getArgOperand(0)->getType()->isPointerTy())
    return unknown(call, name);
  Handler run = nullptr;
  uint64_t imm = 0;
  if (second == "init")
    run = initBarrier;
  else if (second == "inval")
    run = endBarrier;
  else if (second == "test" || second == "try") {
    run = testBarrier;
    imm = has("parity");
  } else if (second == "arrive" || second == "expect" || second == "complete") {
    run = attn::sim::arrive;
    bool counted = call.arg_size() > 1;
    Arrival kind = second == "expect"     ? Arrival::OnlyExpectBytes
                   : second == "complete" ? Arrival::Complete
                   : has("expect")        ? Arrival::ExpectBytes
                   : counted              ? Arrival::Count
                                          : Arrival::One;
    imm = uint64_t(kind);
  } else {
    return unknown(call, name);
  }
  SmallVector<const Value *, 2> operands(call.args());
  operands.resize(std::min<size_t>(operands.size(), 2)); // a time limit goes
  if (Error error = emitElementwise(run, call, operands, Tally::Other, imm))
    return error;
  Inst &inst = out.code.back();
  inst.space = uint8_t(operands[0]->getType()->getPointerAddressSpace());
  inst.flags = !call.getType()->isVoidTy();
  return Error::success();
}

Error FunctionDecoder::decodeBulkCopy(const CallInst &call, StringRef name,
                                      Parts parts) {
  auto space = [&](unsigned operand) {
    return uint8_t(
        call.getArgOperand(operand)->getType()->getPointerAddressSpace());
  };
  if (parts[2] == "mbarrier") { // cp.async.mbarrier.arrive[.noinc][.shared]
    if (Error error =
            emitElementwise(arriveAfterCopies, call, {call.getArgOperand(0)},
                            Tally::Other, 0, is_contained(parts, "noinc")))
      return error;
    out.code.back().space = space(0);
    return Error::success();
  }
  if (parts.size() > 3 && parts[3] == "tensor")
    return decodeTensorCopy(call, name, parts);
  StringRef rest =
      name.drop_front(StringRef("llvm.nvvm.cp.async.bulk.").size());
  // Stores are done at once, so that there is no group to wait for.
  if (rest == "commit.group" || rest == "wait.group" ||
      rest == "wait.group.read" || rest == "prefetch.L2")
    return Error::success();
  bool in =
      rest == "global.to.shared.cluster" || rest == "global.to.shared.cta";
  if (in && call.arg_size() == 8 &&
      !cast<ConstantInt>(call.getArgOperand(6))->isZero())
    return unsupported("a bulk copy to several blocks");
  if (!in && rest != "shared.cta.to.global")
    return unknown(call, name);
  if (Error error = emitElementwise(
          in ? copyBulkIn : copyBulkOut, call,
          {call.getArgOperand(0), call.getArgOperand(1), call.getArgOperand(2)},
          Tally::Other))
    return error;
  out.code.back().space = space(0);
  if (!in)
    return Error::success();
  auto bytes = pool(call.getArgOperand(3));
  if (!bytes)
    return bytes.takeError();
  out.code.back().extra = *bytes;
  return Error::success();
}

/// cp.async.bulk.tensor.{g2s,g2s.cta,prefetch}.tile.{1,2,3,4,5}d, and
/// prefetch.tensormap. What is brought into caches is not to be seen.
Error FunctionDecoder::decodeTensorCopy(const CallInst &call, StringRef name,
                                        Parts parts) {
  if (is_contained(parts, "prefetch")) {
    const Value *map = call.getArgOperand(0);
    if (Error error = emitElementwise(prefetchMap, call, {map}, Tally::Other))
      return error;
    out.code.back().space = uint8_t(map->getType()->getPointerAddressSpace());
    return Error::success();
  }
  unsigned rank = 0;
  if (parts.size() < 7 || parts[parts.size() - 2] != "tile" ||
      parts.back().drop_back().getAsInteger(10, rank))
    return unknown(call, name);
  bool toCluster = parts.size() == 7;
  if (parts[4] != "g2s" || (!toCluster && parts[5] != "cta"))
    return unknown(call, name);
  // Shared memory, mbarrier, map, coordinates, (mask,) cache hint, flags.
  unsigned flags = 3 + rank + (toCluster ? 2 : 1);
  if (toCluster && !cast<ConstantInt>(call.getArgOperand(flags))->isZero())
    return unsupported("a tensor copy to several blocks");
  SmallVector<const Value *, 8> operands(call.arg_begin(),
                                         call.arg_begin() + 3 + rank);
  auto position = pool(operands);
  if (!position)
    return position.takeError();
  Inst &inst = emit(copyTensorIn, call);
  inst.a = *position;
  inst.b = *position + 1;
  inst.extra = *position + 2;
  inst.c = *position + 3;
  inst.imm = rank;
  inst.space =
      uint8_t(call.getArgOperand(0)->getType()->getPointerAddressSpace());
  return Error::success();
}

/// The words of assembly text without blanks, labels' names as they are.
static std::string squeeze(StringRef text) {
  std::string result;
  for (char c : text)
    if (!llvm::isSpace(c))
      result += c;
  return result;
}

Error FunctionDecoder::decodeAssembly(const CallInst &call) {
  auto *code = cast<InlineAsm>(call.getCalledOperand());
  std::string text = squeeze(code->getAsmString());
  bool two = call.arg_size() >= 2;
  // What nvvm.mbarrier.try_wait.parity becomes: a loop until the phase is over.
  if (two && text ==
                 "{.reg.predP1;LAB_WAIT:mbarrier.try_wait.parity.shared.b64P1,"
                 "[$0],$1,$2;@P1bra.uniDONE;bra.uniLAB_WAIT;DONE:}") {
    if (Error error = emitElementwise(
            awaitBarrier, call, {call.getArgOperand(0), call.getArgOperand(1)},
            Tally::Other, /*imm=*/1))
      return error;
    out.code.back().space = 3;
    return Error::success();
  }
  if (two && text == "bar.arrive$0,$1;") {
    auto position = pool({call.getArgOperand(0), call.getArgOperand(1)});
    if (!position)
      return position.takeError();
    Inst &inst = emit(barrier, call);
    inst.a = *position;
    inst.flags = kCounted | kArriveOnly;
    return Error::success();
  }
  if (StringRef(text).contains("wgmma.mma_async"))
    return decodeWgmma(call, text);
  if (StringRef(text).starts_with("wgmma."))
    return decodeProductAssembly(call, text);
  bool plain = call.arg_size() == 1 && call.getType()->isFloatTy() &&
               call.getArgOperand(0)->getType()->isFloatTy();
  if (plain && text == "tanh.approx.f32$0,$1;")
    return emitElementwise(realFunction(RealOp::Tanh, Kind::F32), call,
                           {call.getArgOperand(0)}, Tally::Special);
  if (plain &&
      (text == "ex2.approx.ftz.f32$0,$1;" || text == "ex2.approx.f32$0,$1;"))
    return emitElementwise(realFunction(RealOp::Exp2, Kind::F32), call,
                           {call.getArgOperand(0)}, Tally::Special, 0,
                           StringRef(text).contains("ftz") ? kFlush : 0);
  return unsupported("the inline assembly '{0}'", code->getAsmString());
}
