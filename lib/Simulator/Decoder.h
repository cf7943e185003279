//===- Decoder.h - from LLVM IR to programs ---------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The decoder of one kernel and of the functions that it calls.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_SIMULATOR_DECODER_H
#define ATTN_LIB_SIMULATOR_DECODER_H

#include "DecodedTypes.h"
#include "Handlers.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/ModuleSlotTracker.h"

#include <map>

namespace attn::sim {

class FunctionDecoder;
/// Decodes a kernel with everything that it calls.
class ProgramDecoder {
public:
  ProgramDecoder(const llvm::Module &module, llvm::ModuleSlotTracker &slots,
                 const VariableMap &globals)
      : module(module), slots(slots), variables(globals) {}

  llvm::Error decode(const llvm::Function &kernel, Program &program);

private:
  friend class FunctionDecoder;
  llvm::Error collectCallees(const llvm::Function &kernel);
  llvm::Error placeShared(Program &program);
  llvm::Error describeKernel(const llvm::Function &kernel, Program &program);

  const llvm::Module &module;
  llvm::ModuleSlotTracker &slots;
  VariableMap variables; // shared ones too, once placed
  llvm::MapVector<const llvm::Function *, Function *> functions;
};

/// Decodes one function.
class FunctionDecoder {
public:
  FunctionDecoder(ProgramDecoder &parent, const llvm::Function &function,
                  Function &out)
      : parent(parent), function(function), out(out),
        layout(parent.module.getDataLayout()),
        evaluator(layout, parent.variables) {}

  llvm::Error decode();

private:
  using Result = llvm::Error;

  // Values.
  llvm::Error assignCells();
  llvm::Expected<llvm::SmallVector<uint32_t, 4>> cellsOf(const llvm::Value *);
  llvm::Expected<llvm::SmallVector<uint32_t, 4>>
  aliasOf(const llvm::Instruction *);
  uint32_t constantCell(uint64_t value);
  /// A position in the pool that lists the cells of `values`, in order.
  llvm::Expected<uint32_t> pool(llvm::ArrayRef<const llvm::Value *> values);
  llvm::Expected<uint32_t> pool(const llvm::Value *value) {
    return pool(llvm::ArrayRef(&value, 1));
  }
  uint32_t pool(llvm::ArrayRef<uint32_t> cells);
  uint32_t newCells(unsigned count);

  // Emission: the instruction's result cells, count, bits and operands a, b, c
  // are filled in from its type and first operands.
  Inst &emit(Handler run, const llvm::Instruction &at);
  llvm::Error emitElementwise(Handler run, const llvm::Instruction &at,
                              llvm::ArrayRef<const llvm::Value *> operands,
                              Tally tally, uint64_t imm = 0, uint8_t flags = 0);

  Result decodeInstruction(const llvm::Instruction &);
  Result decodeCast(const llvm::CastInst &);
  Result decodeBitcast(const llvm::Instruction &, const llvm::Value *);
  Result decodeAddress(const llvm::GetElementPtrInst &);
  Result decodeAlloca(const llvm::AllocaInst &);
  Result decodeLoad(const llvm::LoadInst &);
  Result decodeStore(const llvm::StoreInst &);
  Result decodeAtomic(const llvm::AtomicRMWInst &);
  Result decodeCompareExchange(const llvm::AtomicCmpXchgInst &);
  Result decodeSelect(const llvm::SelectInst &);
  Result decodeElement(const llvm::Instruction &);
  Result decodeTerminator(const llvm::Instruction &);
  llvm::Expected<uint32_t> fieldsOf(const llvm::Type *type);

  // Calls.
  Result decodeCall(const llvm::CallInst &);
  Result decodeIntrinsic(const llvm::CallInst &, llvm::StringRef name);
  Result decodeMemoryIntrinsic(const llvm::CallInst &, llvm::StringRef name);
  Result decodeLibdevice(const llvm::CallInst &, llvm::StringRef name);
  /// The parts of a name "llvm.nvvm.A.B.C" after the prefix.
  using Parts = llvm::ArrayRef<llvm::StringRef>;
  Result decodeNvvm(const llvm::CallInst &, llvm::StringRef name);
  Result decodeNvvmMath(const llvm::CallInst &, llvm::StringRef, Parts);
  Result decodeNvvmConvert(const llvm::CallInst &, llvm::StringRef, Parts);
  Result decodeCollective(const llvm::CallInst &, llvm::StringRef, Parts);
  Result decodeBarrier(const llvm::CallInst &, llvm::StringRef, Parts);
  Result decodeMma(const llvm::CallInst &, llvm::StringRef, Parts);
  Result decodeAsync(const llvm::CallInst &, llvm::StringRef, Parts);
  Result decodeMBarrier(const llvm::CallInst &, llvm::StringRef, Parts);
  Result decodeBulkCopy(const llvm::CallInst &, llvm::StringRef, Parts);
  Result decodeTensorCopy(const llvm::CallInst &, llvm::StringRef, Parts);
  Result decodeWgmma(const llvm::CallInst &, llvm::StringRef text);
  Result decodeProducts(const llvm::CallInst &, llvm::StringRef, Parts);
  Result decodeProductAssembly(const llvm::CallInst &, llvm::StringRef text);
  Result decodeAssembly(const llvm::CallInst &);
  Result unknown(const llvm::CallInst &, llvm::StringRef name);

  // Asynchronous products.
  /// Finds the values that may be registers of products under way.
  void findProducts();
  /// A check before an instruction that reads such registers.
  Result addProductCheck(const llvm::Instruction &);
  bool isFenced(const llvm::CallInst &product);

  // Blocks.
  void orderBlocks();
  llvm::Error addEdges();
  uint32_t addEdge(const llvm::BasicBlock *from, const llvm::BasicBlock *to);
  uint32_t sourceOf(const llvm::Instruction &);

  ProgramDecoder &parent;
  const llvm::Function &function;
  Function &out;
  const llvm::DataLayout &layout;
  ConstantEvaluator evaluator;
  llvm::DenseMap<const llvm::Value *, llvm::SmallVector<uint32_t, 4>> cells;
  std::map<uint64_t, uint32_t> constants; // DenseMap reserves keys
  llvm::SmallVector<const llvm::BasicBlock *> order;
  llvm::DenseMap<const llvm::BasicBlock *, uint32_t> numbers;
  struct Branch {
    uint32_t edge;
    const llvm::BasicBlock *from, *to;
  };
  std::vector<Branch> branches;
  llvm::SmallPtrSet<const llvm::Value *, 16> products;
  llvm::SmallVector<const llvm::Instruction *> productFences;
};

} // namespace attn::sim

#endif // ATTN_LIB_SIMULATOR_DECODER_H
