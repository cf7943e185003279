//===- PlanMemory.cpp - intermediate buffers share memory -----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-cpu-plan-memory: peak memory is what lets a long sequence run
// at all, and memory that is touched again is in the cache.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Backend/Passes.h"

#include "MemoryPlan.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Remarks.h"

#define DEBUG_TYPE "attn-cpu-plan-memory"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNCPUPLANMEMORYPASS
#include "attn/Target/CPU/Backend/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct PlanMemory : attn::impl::AttnCPUPlanMemoryPassBase<PlanMemory> {
  void runOnOperation() override;

private:
  void planStatic(func::FuncOp function);
  void planDynamic(func::FuncOp function);
};

/// Memory that buffers of one size use one after another.
struct Slot {
  cpu::Buffer first;
  SmallVector<cpu::Buffer> reuses;
  int64_t end;
  Operation *lastUse;
};
} // namespace

/// Whether a parallel loop around the allocation makes it the thread's.
static bool isInParallelLoop(memref::AllocOp alloc) {
  return alloc->getParentOfType<scf::ForallOp>() ||
         alloc->getParentOfType<scf::ParallelOp>();
}

void PlanMemory::planStatic(func::FuncOp function) {
  SmallVector<cpu::Buffer> buffers =
      cpu::collectBuffers(function, [](memref::AllocOp alloc) {
        return alloc.getType().hasStaticShape() && !isInParallelLoop(alloc);
      });
  if (buffers.empty())
    return;
  int64_t bytes = cpu::planOffsets(buffers);
  auto builder = OpBuilder::atBlockBegin(&function.front());
  auto type = MemRefType::get({bytes}, builder.getI8Type());
  Value memory =
      memref::AllocOp::create(builder, function.getLoc(), type, ValueRange(),
                              builder.getI64IntegerAttr(cpu::kBufferAlignment));
  for (const cpu::Buffer &buffer : buffers)
    cpu::replaceByView(buffer, memory);
  for (Block &block : function.getBody())
    if (isa<func::ReturnOp>(block.getTerminator())) {
      builder.setInsertionPoint(block.getTerminator());
      memref::DeallocOp::create(builder, function.getLoc(), memory);
    }
  remark::analysis(function.getLoc(), remark::RemarkOpts::name("Arena")
                                          .category(DEBUG_TYPE)
                                          .function(function.getName()))
      << remark::metric("Buffers", buffers.size())
      << remark::metric("Bytes", bytes);
  numPlanned += buffers.size();
  arenaBytes += bytes;
}

void PlanMemory::planDynamic(func::FuncOp function) {
  SmallVector<cpu::Buffer> buffers =
      cpu::collectBuffers(function, [](memref::AllocOp alloc) {
        return !alloc.getType().hasStaticShape();
      });
  // First come, first served: a buffer takes the slot that was freed last, as
  // its memory is most likely in the cache.
  SmallVector<Slot> slots;
  for (const cpu::Buffer &buffer : buffers) {
    Slot *best = nullptr;
    for (Slot &slot : slots)
      if (slot.first.alloc->getBlock() == buffer.alloc->getBlock() &&
          slot.first.bytes == buffer.bytes &&
          slot.first.extents == buffer.extents && slot.end < buffer.begin &&
          (!best || slot.end > best->end))
        best = &slot;
    if (!best) {
      slots.push_back({buffer, {}, buffer.end, buffer.lastUse});
      continue;
    }
    best->reuses.push_back(buffer);
    best->end = buffer.end;
    best->lastUse = buffer.lastUse;
    ++numReused;
  }
  for (Slot &slot : slots) {
    memref::AllocOp alloc = slot.first.alloc;
    Location loc = alloc.getLoc();
    for (Operation *user : llvm::make_early_inc_range(alloc->getUsers()))
      if (isa<memref::DeallocOp>(user))
        user->erase();
    alloc.setAlignment(cpu::kBufferAlignment);
    OpBuilder builder(alloc);
    if (slot.reuses.empty()) {
      builder.setInsertionPointAfter(slot.lastUse);
      memref::DeallocOp::create(builder, loc, alloc);
      continue;
    }
    Value bytes =
        arith::ConstantIndexOp::create(builder, loc, slot.first.bytes);
    for (Value extent : alloc.getDynamicSizes())
      bytes = arith::MulIOp::create(builder, loc, bytes, extent);
    auto type = MemRefType::get({ShapedType::kDynamic}, builder.getI8Type());
    Value memory = memref::AllocOp::create(
        builder, loc, type, bytes,
        builder.getI64IntegerAttr(cpu::kBufferAlignment));
    builder.setInsertionPointAfter(slot.lastUse);
    memref::DeallocOp::create(builder, loc, memory);
    cpu::replaceByView(slot.first, memory);
    for (const cpu::Buffer &buffer : slot.reuses)
      cpu::replaceByView(buffer, memory);
  }
}

void PlanMemory::runOnOperation() {
  if (getOperation().isDeclaration())
    return;
  planStatic(getOperation());
  planDynamic(getOperation());
}
