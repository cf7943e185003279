//===- DecodeProducts.cpp - what surrounds asynchronous products ----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// wgmma.fence, commit_group and wait_group, as intrinsics or as assembly that
// registers pass through; which values may be registers of products under way,
// and whether a fence lies between a register's last write and its product.
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"

#include "llvm/IR/Dominators.h"
#include "llvm/IR/InlineAsm.h"

using namespace attn::sim;
using namespace llvm;

/// The text of inline assembly; empty for anything else.
static StringRef assemblyOf(const Value *value) {
  auto *call = dyn_cast<CallInst>(value);
  if (!call || !call->isInlineAsm())
    return "";
  return cast<InlineAsm>(call->getCalledOperand())->getAsmString();
}

static bool isProduct(const Value *value) {
  return assemblyOf(value).contains("wgmma.mma_async");
}

/// Assembly that registers pass through.
static bool isPassage(const Value *value) {
  return assemblyOf(value).contains("wgmma.fence") ||
         assemblyOf(value).contains("wgmma.wait_group");
}

static bool isFence(const Instruction &inst) {
  if (assemblyOf(&inst).contains("wgmma.fence"))
    return true;
  auto *call = dyn_cast<CallInst>(&inst);
  const llvm::Function *callee = call ? call->getCalledFunction() : nullptr;
  return callee && callee->getName().starts_with("llvm.nvvm.wgmma.fence");
}

void FunctionDecoder::findProducts() {
  SmallVector<const Value *> found;
  for (const BasicBlock *block : order)
    for (const Instruction &inst : *block) {
      if (isFence(inst))
        productFences.push_back(&inst);
      if (isProduct(&inst) && products.insert(&inst).second)
        found.push_back(&inst);
    }
  while (!found.empty())
    for (const User *user : found.pop_back_val()->users()) {
      bool passes =
          isa<PHINode, ExtractValueInst, InsertValueInst, FreezeInst>(user) ||
          isPassage(user);
      if (passes && products.insert(user).second)
        found.push_back(user);
    }
}

Error FunctionDecoder::addProductCheck(const Instruction &inst) {
  if (isProduct(&inst) || isPassage(&inst))
    return Error::success();
  SmallVector<const Value *> read;
  for (const Value *operand : inst.operands())
    if (products.contains(operand))
      read.push_back(operand);
  if (read.empty())
    return Error::success();
  auto position = pool(read);
  if (!position)
    return position.takeError();
  Inst &check = emit(checkRegisters, inst);
  check.a = *position;
  check.imm = out.pool.size() - *position;
  check.count = 0;
  return Error::success();
}

/// Where a register was last written, past what only passes it on; null for an
/// accumulator of another product.
static const Value *writerOf(const Value *value) {
  while (true) {
    if (auto *extract = dyn_cast<ExtractValueInst>(value)) {
      const Value *from = extract->getAggregateOperand();
      if (isProduct(from))
        return nullptr;
      unsigned place = extract->getIndices()[0];
      if (isPassage(from) && !isFence(*cast<Instruction>(from)) &&
          place < cast<CallInst>(from)->arg_size()) {
        value = cast<CallInst>(from)->getArgOperand(place);
        continue;
      }
      return from;
    }
    return isProduct(value) ? nullptr : value;
  }
}

bool FunctionDecoder::isFenced(const CallInst &product) {
  DominatorTree dominators(const_cast<llvm::Function &>(function));
  auto isCovered = [&](const Value *written) {
    auto *inst = dyn_cast_or_null<Instruction>(written);
    if (inst && isFence(*inst))
      return true;
    return any_of(productFences, [&](const Instruction *fence) {
      return dominators.dominates(fence, &product) &&
             (!inst || dominators.dominates(inst, fence));
    });
  };
  if (!isCovered(nullptr))
    return false;
  return all_of(product.args(), [&](const Use &use) {
    bool isRegister =
        use->getType()->isFloatTy() || use->getType()->isIntegerTy(32);
    if (!isRegister || isa<Constant>(use))
      return true;
    const Value *written = writerOf(use);
    return !written || isCovered(written);
  });
}

Error FunctionDecoder::decodeProducts(const CallInst &call, StringRef name,
                                      Parts parts) {
  StringRef what = parts.size() > 1 ? parts[1] : "";
  if (what == "fence")
    emit(passRegisters, call).count = 0;
  else if (what == "commit_group")
    emit(commitProducts, call);
  else if (what == "wait_group")
    emit(waitForProducts, call).imm =
        cast<ConstantInt>(call.getArgOperand(0))->getZExtValue();
  else
    return unknown(call, name);
  return Error::success();
}

Error FunctionDecoder::decodeProductAssembly(const CallInst &call,
                                             StringRef text) {
  uint64_t pending = 0;
  bool isWait = text.consume_front("wgmma.wait_group.sync.aligned");
  bool isKnown = isWait ? !text.consumeInteger(10, pending) && text == ";"
                        : text == "wgmma.fence.sync.aligned;";
  auto results = cellCount(call.getType());
  if (!results)
    return results.takeError();
  if (!isKnown || *results != call.arg_size())
    return unsupported("the inline assembly '{0}'", text);
  SmallVector<const Value *> registers(call.args());
  auto position = pool(registers);
  if (!position)
    return position.takeError();
  Inst &inst = emit(isWait ? waitForProducts : passRegisters, call);
  inst.a = *position;
  inst.imm = pending;
  inst.count = uint16_t(*results);
  return Error::success();
}
