//===- ExpandCopy.cpp - strided copies become loops -----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass attn-cpu-expand-copy: what upstream would hand to a function of its
// runtime library is spelled out.
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Backend/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

#define DEBUG_TYPE "attn-cpu-expand-copy"

namespace mlir::attn {
#define GEN_PASS_DEF_ATTNCPUEXPANDCOPYPASS
#include "attn/Target/CPU/Backend/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct ExpandCopy : attn::impl::AttnCPUExpandCopyPassBase<ExpandCopy> {
  void runOnOperation() override;
};
} // namespace

/// Whether the lowering of memref.copy makes a memcpy of it.
static bool isContiguous(Value value) {
  auto type = dyn_cast<MemRefType>(value.getType());
  return type && (type.getLayout().isIdentity() ||
                  (type.hasStaticShape() &&
                   type.areTrailingDimsContiguous(type.getRank())));
}

static void expand(memref::CopyOp copy) {
  OpBuilder builder(copy);
  Location loc = copy.getLoc();
  Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
  Value one = arith::ConstantIndexOp::create(builder, loc, 1);
  SmallVector<Value> indices;
  auto type = cast<MemRefType>(copy.getTarget().getType());
  SmallVector<OpFoldResult> sizes =
      memref::getMixedSizes(builder, loc, copy.getTarget());
  for (int64_t i = 0; i < type.getRank(); ++i) {
    Value size = getValueOrCreateConstantIndexOp(builder, loc, sizes[i]);
    auto loop = scf::ForOp::create(builder, loc, zero, size, one);
    builder.setInsertionPointToStart(loop.getBody());
    indices.push_back(loop.getInductionVar());
  }
  Value element =
      memref::LoadOp::create(builder, loc, copy.getSource(), indices);
  memref::StoreOp::create(builder, loc, element, copy.getTarget(), indices);
  copy.erase();
}

void ExpandCopy::runOnOperation() {
  SmallVector<memref::CopyOp> copies;
  getOperation()->walk([&](memref::CopyOp copy) {
    if (isa<MemRefType>(copy.getSource().getType()) &&
        isa<MemRefType>(copy.getTarget().getType()) &&
        !(isContiguous(copy.getSource()) && isContiguous(copy.getTarget())))
      copies.push_back(copy);
  });
  for (memref::CopyOp copy : copies)
    expand(copy);
  numExpanded += copies.size();
}
