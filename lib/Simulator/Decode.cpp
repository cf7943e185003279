//===- Decode.cpp - kernels of a module -----------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A kernel's call graph, its place in shared memory and its parameters.
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/SmallPtrSet.h"

using namespace attn::sim;
using namespace llvm;

Error ProgramDecoder::collectCallees(const llvm::Function &kernel) {
  functions.insert({&kernel, nullptr});
  for (size_t next = 0; next < functions.size(); ++next) {
    const llvm::Function *caller = functions.begin()[next].first;
    for (const BasicBlock &block : *caller)
      for (const Instruction &inst : block)
        if (auto *call = dyn_cast<CallBase>(&inst)) {
          const llvm::Function *callee = call->getCalledFunction();
          if (callee && !callee->isDeclaration())
            functions.insert({callee, nullptr});
        }
  }
  return Error::success();
}

/// Whether an instruction of `functions` uses `value`, through constants too.
static bool isUsed(
    const Value *value,
    const MapVector<const llvm::Function *, attn::sim::Function *> &functions) {
  for (const User *user : value->users()) {
    if (auto *inst = dyn_cast<Instruction>(user)) {
      if (functions.contains(inst->getFunction()))
        return true;
    } else if (isa<Constant>(user) && isUsed(user, functions)) {
      return true;
    }
  }
  return false;
}

Error ProgramDecoder::placeShared(Program &program) {
  const DataLayout &layout = module.getDataLayout();
  uint64_t size = 0, dynamicAlign = 16;
  SmallVector<const GlobalVariable *> dynamic;
  for (const GlobalVariable &variable : module.globals()) {
    if (variable.getAddressSpace() != 3 || !isUsed(&variable, functions))
      continue;
    uint64_t align = std::max<uint64_t>(
        variable.getAlign().valueOrOne().value(),
        layout.getABITypeAlign(variable.getValueType()).value());
    uint64_t bytes = layout.getTypeAllocSize(variable.getValueType());
    if (variable.isDeclaration() || bytes == 0) {
      dynamic.push_back(&variable);
      dynamicAlign = std::max(dynamicAlign, align);
      continue;
    }
    size = alignTo(size, align);
    variables[&variable] = size;
    size += bytes;
  }
  program.info.staticSharedBytes = size;
  program.dynamicSharedOffset = alignTo(size, dynamicAlign);
  for (const GlobalVariable *variable : dynamic)
    variables[variable] = program.dynamicSharedOffset;
  return Error::success();
}

/// Up to three numbers of a function attribute "x,y,z".
static SmallVector<uint32_t, 3> attributeNumbers(const llvm::Function &function,
                                                 StringRef attribute) {
  SmallVector<uint32_t, 3> result;
  SmallVector<StringRef, 3> parts;
  StringRef text = function.getFnAttribute(attribute).getValueAsString();
  text.split(parts, ',', -1, /*KeepEmpty=*/false);
  for (StringRef part : parts) {
    uint32_t number = 0;
    if (!part.trim().getAsInteger(10, number))
      result.push_back(number);
  }
  return result;
}

Error ProgramDecoder::describeKernel(const llvm::Function &kernel,
                                     Program &program) {
  const DataLayout &layout = module.getDataLayout();
  uint32_t cell = 0;
  for (const Argument &argument : kernel.args()) {
    Parameter parameter;
    parameter.cell = cell;
    Type *type = argument.getType();
    if (argument.hasByValAttr()) {
      parameter.byval = true;
      parameter.bytes = layout.getTypeAllocSize(argument.getParamByValType());
      cell += 1;
    } else {
      parameter.bytes = layout.getTypeAllocSize(type);
      if (Error error = addFields(type, layout, 0, parameter.fields))
        return error;
      cell += uint32_t(parameter.fields.size());
    }
    program.info.parameterBytes.push_back(parameter.bytes);
    program.parameters.push_back(std::move(parameter));
  }
  auto required = attributeNumbers(kernel, "nvvm.reqntid");
  if (!required.empty()) {
    required.resize(3, 1);
    program.info.requiredBlock = {required[0], required[1], required[2]};
  }
  uint64_t most = 1;
  auto limits = attributeNumbers(kernel, "nvvm.maxntid");
  for (uint32_t limit : limits)
    most *= limit;
  if (!limits.empty())
    program.info.maxThreads = uint32_t(std::min<uint64_t>(most, 1024));
  return Error::success();
}

Error ProgramDecoder::decode(const llvm::Function &kernel, Program &program) {
  program.info.name = kernel.getName().str();
  if (Error error = collectCallees(kernel))
    return error;
  if (Error error = placeShared(program))
    return error;
  if (Error error = describeKernel(kernel, program))
    return error;
  for (auto &[source, target] : functions) {
    program.functions.emplace_back();
    target = &program.functions.back();
  }
  for (auto &[source, target] : functions)
    if (Error error = FunctionDecoder(*this, *source, *target).decode())
      return error;
  return Error::success();
}
