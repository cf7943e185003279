//===- CheckMemory.cpp - no memory is an error of the call ----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// malloc gives a null pointer where there is no memory, and code that writes
// through it takes the caller's process with it. An assertion after every
// allocation makes that an error status.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Backend/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNCPUCHECKMEMORYPASS
#include "attn/Target/CPU/Backend/Passes.h.inc"
} // namespace mlir::attn

#define DEBUG_TYPE "attn-cpu-check-memory"

using namespace mlir;
using namespace mlir::attn;

namespace {
struct CheckMemory : attn::impl::AttnCPUCheckMemoryPassBase<CheckMemory> {
  void runOnOperation() override;
};
} // namespace

void CheckMemory::runOnOperation() {
  func::FuncOp function = getOperation();
  if (!function->hasAttr("attn.body") && !function->hasAttr("attn.entry"))
    return;
  function.walk([&](memref::AllocOp alloc) {
    OpBuilder b(alloc->getContext());
    b.setInsertionPointAfter(alloc);
    Location loc = alloc.getLoc();
    Value address =
        memref::ExtractAlignedPointerAsIndexOp::create(b, loc, alloc);
    Value null = arith::ConstantIndexOp::create(b, loc, 0);
    Value isThere =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, address, null);
    cf::AssertOp::create(b, loc, isThere, "no memory for intermediate values");
    ++numChecked;
  });
}
