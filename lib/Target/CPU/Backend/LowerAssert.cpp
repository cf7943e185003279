//===- LowerAssert.cpp - a failed assertion is an error status ------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-cpu-lower-assert: no input may end the process of a caller.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Backend/Passes.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Dominance.h"

#define DEBUG_TYPE "attn-cpu-lower-assert"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNCPULOWERASSERTPASS
#include "attn/Target/CPU/Backend/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct LowerAssert : attn::impl::AttnCPULowerAssertPassBase<LowerAssert> {
  void runOnOperation() override;

private:
  void lowerIn(func::FuncOp function);
  void lower(cf::AssertOp assertion, ArrayRef<memref::DeallocOp> cleanUp);
  StringAttr getMessage(StringRef text);

  llvm::StringMap<StringAttr> messages;
};
} // namespace

/// The constant that holds `text`; equal texts share one.
StringAttr LowerAssert::getMessage(StringRef text) {
  StringAttr &name = messages[text];
  if (name)
    return name;
  auto builder = OpBuilder::atBlockBegin(getOperation().getBody());
  std::string bytes = (text + Twine('\0')).str();
  auto type = LLVM::LLVMArrayType::get(builder.getI8Type(), bytes.size());
  std::string symbol = ("attn_message_" + Twine(messages.size() - 1)).str();
  LLVM::GlobalOp::create(builder, getOperation().getLoc(), type,
                         /*isConstant=*/true, LLVM::Linkage::Internal, symbol,
                         builder.getStringAttr(bytes));
  return name = builder.getStringAttr(symbol);
}

void LowerAssert::lower(cf::AssertOp assertion,
                        ArrayRef<memref::DeallocOp> cleanUp) {
  Location loc = assertion.getLoc();
  auto function = assertion->getParentOfType<func::FuncOp>();
  auto pointer = LLVM::LLVMPointerType::get(&getContext());
  Block *block = assertion->getBlock();
  Block *rest = block->splitBlock(assertion->getNextNode());
  auto *fail = new Block();
  function.getBody().push_back(fail);

  auto builder = OpBuilder::atBlockEnd(fail);
  Value message = LLVM::AddressOfOp::create(builder, loc, pointer,
                                            getMessage(assertion.getMsg()));
  Value status = function.getArguments().back();
  if (function->hasAttr("attn.body"))
    status =
        LLVM::LoadOp::create(builder, loc, pointer, function.getArgument(0));
  // Several threads may fail at once: any of the messages will do.
  auto store = LLVM::StoreOp::create(builder, loc, message, status);
  store.setAlignment(8);
  store.setOrdering(LLVM::AtomicOrdering::monotonic);
  for (memref::DeallocOp dealloc : cleanUp)
    builder.clone(*dealloc);
  func::ReturnOp::create(builder, loc);

  builder.setInsertionPointToEnd(block);
  cf::CondBranchOp::create(builder, loc, assertion.getArg(), rest, fail);
  assertion.erase();
}

namespace {
/// An allocation, and the blocks that may run after it was freed and before it
/// is made again.
struct Allocation {
  Operation *alloc;
  SmallVector<memref::DeallocOp> deallocs;
  DenseSet<Block *> freed;
};
} // namespace

/// Every allocation of a function that is freed, with the blocks behind that.
static SmallVector<Allocation> collectAllocations(func::FuncOp function) {
  SmallVector<Allocation> result;
  function.walk([&](memref::AllocOp alloc) {
    Allocation found{alloc, {}, {}};
    SmallVector<Block *> work;
    for (Operation *user : alloc->getUsers())
      if (auto dealloc = dyn_cast<memref::DeallocOp>(user)) {
        found.deallocs.push_back(dealloc);
        llvm::append_range(work, dealloc->getBlock()->getSuccessors());
      }
    while (!work.empty()) {
      Block *block = work.pop_back_val();
      if (block != alloc->getBlock() && found.freed.insert(block).second)
        llvm::append_range(work, block->getSuccessors());
    }
    if (!found.deallocs.empty())
      result.push_back(std::move(found));
  });
  return result;
}

/// How what the function holds at an assertion is freed: allocations that come
/// before it on every path, and are not freed before it on any.
static SmallVector<memref::DeallocOp> findLive(ArrayRef<Allocation> allocations,
                                               const DominanceInfo &dominance,
                                               cf::AssertOp assertion) {
  SmallVector<memref::DeallocOp> live;
  for (const Allocation &allocation : allocations) {
    bool isFreed = allocation.freed.contains(assertion->getBlock()) ||
                   llvm::any_of(allocation.deallocs, [&](Operation *dealloc) {
                     return dealloc->getBlock() == assertion->getBlock() &&
                            dealloc->isBeforeInBlock(assertion);
                   });
    if (!isFreed && dominance.properlyDominates(allocation.alloc, assertion))
      live.push_back(allocation.deallocs.front());
  }
  return live;
}

void LowerAssert::lowerIn(func::FuncOp function) {
  auto assertions = llvm::to_vector(function.getOps<cf::AssertOp>());
  if (assertions.empty())
    return;
  // Where each stands is asked before blocks are split.
  SmallVector<SmallVector<memref::DeallocOp>> cleanUps;
  DominanceInfo dominance(function);
  SmallVector<Allocation> allocations = collectAllocations(function);
  for (cf::AssertOp assertion : assertions)
    cleanUps.push_back(findLive(allocations, dominance, assertion));
  for (auto [assertion, cleanUp] : llvm::zip_equal(assertions, cleanUps))
    lower(assertion, cleanUp);
  numLowered += assertions.size();
}

void LowerAssert::runOnOperation() {
  messages.clear();
  for (auto function : getOperation().getOps<func::FuncOp>())
    if (function->hasAttr("attn.body") || function->hasAttr("attn.entry"))
      lowerIn(function);
}
